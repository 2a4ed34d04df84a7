"""The loop over epochs, with a model whose errors are written down beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.core.model import Model
from cfcore.models.core.training import Training

Array = np.ndarray[Any, Any]
NAN = float("nan")


class Scripted(Model):
    """Each epoch has a given training error; the state counts epochs, and predicts by a table of them."""

    def __init__(
        self, errors: Any, predictions: Any = None, snapshots: bool = True, verbose: int = 0
    ) -> None:
        self.errors = errors
        self.predictions = predictions
        self.snapshots = snapshots
        self.verbose = verbose

    def _fit(self, train: cf.Ratings, validation: cf.Ratings | None, early_stopping: int | None) -> None:
        self.state_ = np.zeros(1, dtype=np.int64)
        training = Training(
            self, len(self.errors), validation, early_stopping,
            snapshot=lambda: {"state_": self.state_.copy()}, lr=0.4,
        )  # fmt: skip
        for epoch in training:
            self.state_[0] = epoch + 1
            training.record(self.errors[epoch])

    def _predict_codes(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        value = 3.0 if self.predictions is None else self.predictions[self.state_[0] - 1]
        return np.where((users >= 0) & (items >= 0), value, 3.0)


TRAIN = ([1, 2], [1, 2], [1.0, 5.0])
HELD_OUT = ([1], [2], [4.0])


def test_all_epochs_without_validation() -> None:
    model = Scripted([1.0, 0.9, 0.95]).fit(TRAIN)
    assert model.history_ == {"train_rmse": [1.0, 0.9, 0.95]}
    assert model.n_epochs_ == model.state_[0] == 3


def test_validation_is_watched() -> None:
    model = Scripted([1.0, 0.9, 0.8], [5.0, 4.0, 3.5]).fit(TRAIN, validation=HELD_OUT)
    assert model.history_ == {"train_rmse": [1.0, 0.9, 0.8], "validation_rmse": [1.0, 0.0, 0.5]}
    assert model.n_epochs_ == model.state_[0] == 3  # not asked to stop early


def test_validation_predictions_are_clipped_and_strangers_allowed() -> None:
    held_out = ([1, 77], [2, 1], [5.0, 3.0])
    assert Scripted([1.0], [900.0]).fit(TRAIN, validation=held_out).history_["validation_rmse"] == [0.0]


def test_early_stopping_keeps_the_best() -> None:
    model = Scripted([1.0, 0.9, 0.8, 0.7, 0.6, 0.5], [3.0, 3.9, 3.0, 3.0, 4.0, 4.0])
    model.fit(TRAIN, validation=HELD_OUT, early_stopping=2)
    assert len(model.history_["train_rmse"]) == 4
    assert model.n_epochs_ == model.state_[0] == 2
    model.fit(TRAIN, validation=HELD_OUT, early_stopping=3)
    assert len(model.history_["train_rmse"]) == 6
    assert model.n_epochs_ == model.state_[0] == 5


@pytest.mark.parametrize("bad", [NAN, float("inf"), 1.6])
def test_divergence_keeps_the_last_good_state(bad: float) -> None:
    with pytest.warns(cf.ConvergenceWarning, match=r"Scripted diverged in epoch 3.* epoch 2 .*lr=0\.1"):
        model = Scripted([1.0, 0.9, bad, 0.1]).fit(TRAIN)
    assert model.n_epochs_ == model.state_[0] == 2
    assert len(model.history_["train_rmse"]) == 3


def test_divergence_at_once_keeps_the_start() -> None:
    with pytest.warns(cf.ConvergenceWarning, match="epoch 0 are kept"):
        model = Scripted([NAN, 1.0]).fit(TRAIN)
    assert model.n_epochs_ == model.state_[0] == 0


def test_a_validation_error_that_is_not_finite_is_divergence() -> None:
    with pytest.warns(cf.ConvergenceWarning):
        model = Scripted([1.0, 0.9, 0.8], [4.0, NAN, 4.0]).fit(TRAIN, validation=HELD_OUT)
    assert model.n_epochs_ == model.state_[0] == 1


def test_tiny_errors_may_double() -> None:
    assert Scripted([1e-3, 1e-7, 1e-5]).fit(TRAIN).n_epochs_ == 3


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    Scripted([1.0, 0.9], verbose=1).fit(TRAIN)
    shown = capsys.readouterr()
    assert "Scripted" in shown.err
    assert shown.out == ""
    Scripted([1.0, 0.9]).fit(TRAIN)
    assert capsys.readouterr().err == ""


def test_an_epoch_must_be_recorded() -> None:
    class Silent(Scripted):
        def _fit(self, *_: Any) -> None:
            for _epoch in Training(self, 2):
                pass

    with pytest.raises(RuntimeError, match="record"):
        Silent([]).fit(TRAIN)
