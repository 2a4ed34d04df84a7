"""The loop over epochs, with a trainer whose errors are written down beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.data import as_ratings
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.state import ParameterState, State, known_of
from cfcore.models.core.training import run_epochs
from tests.models.core.examples import Scripted, ScriptedTrainer

NAN = float("nan")
TRAIN = cf.Ratings([1, 2], [1, 2], [1.0, 5.0])
HELD_OUT = cf.Ratings([1], [2], [4.0])


def trained(errors: list[float], predictions: Any = None, n_epochs: int | None = None, **given: Any) -> Any:
    """The state that the loop yields; further arguments go to the context."""
    if "validation" in given:
        given["validation"] = as_ratings(given["validation"])
    context = FitContext(known_of(TRAIN), "Scripted", np.random.default_rng(0), **given)
    trainer = ScriptedTrainer(context, errors, predictions)
    return run_epochs(trainer, context, len(errors) if n_epochs is None else n_epochs, lr=0.4)


def steps(state: State) -> int:
    """The epoch whose arrays the state holds."""
    return int(state.public("steps")[0])


def test_all_epochs_without_validation() -> None:
    state = trained([1.0, 0.9, 0.95])
    assert isinstance(state, ParameterState)
    assert state.history == {"train_rmse": [1.0, 0.9, 0.95]}
    assert state.n_epochs == steps(state) == 3
    assert state.public("total").tolist() == [4.0]  # momentum 0, 1, 3


def test_no_epochs() -> None:
    state = trained([], n_epochs=0)
    assert state.history == {"train_rmse": []}
    assert state.n_epochs == steps(state) == 0


def test_validation_is_watched() -> None:
    state = trained([1.0, 0.9, 0.8], [5.0, 4.0, 3.5], validation=HELD_OUT)
    assert state.history == {"train_rmse": [1.0, 0.9, 0.8], "validation_rmse": [1.0, 0.0, 0.5]}
    assert state.n_epochs == steps(state) == 3  # no early stopping without `patience`


def test_validation_predictions_are_clipped_and_unknown_ids_allowed() -> None:
    held_out = ([1, 77], [2, 1], [5.0, 3.0])
    assert trained([1.0], [900.0], validation=held_out).history["validation_rmse"] == [0.0]


def test_early_stopping_keeps_the_best() -> None:
    errors, predictions = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5], [3.0, 3.9, 3.0, 3.0, 4.0, 4.0]
    state = trained(errors, predictions, validation=HELD_OUT, patience=2)
    assert len(state.history["train_rmse"]) == 4
    assert state.n_epochs == steps(state) == 2
    state = trained(errors, predictions, validation=HELD_OUT, patience=3)
    assert len(state.history["train_rmse"]) == 6
    assert state.n_epochs == steps(state) == 5


@pytest.mark.parametrize("bad", [NAN, float("inf"), 1.6])
def test_divergence_keeps_the_last_good_state(bad: float) -> None:
    with pytest.warns(cf.ConvergenceWarning, match=r"Scripted diverged in epoch 3.* epoch 2 .*lr=0\.1"):
        state = trained([1.0, 0.9, bad, 0.1])
    assert state.n_epochs == steps(state) == 2
    assert len(state.history["train_rmse"]) == 3


def test_huge_parameters_are_divergence_and_no_other_warning() -> None:
    class Huge(ScriptedTrainer):
        def run_part(self, part: int) -> None:
            super().run_part(part)
            if part == 1:
                self.total[:] = 1e300

    context = FitContext(known_of(TRAIN), "Huge", np.random.default_rng(0))
    with pytest.warns(cf.ConvergenceWarning, match="Huge diverged in epoch 2") as found:
        state = run_epochs(Huge(context, [1.0, 0.9, 0.8]), context, 3, lr=0.4)
    assert state.n_epochs == steps(state) == 1
    assert [one.category for one in found] == [cf.ConvergenceWarning]


def test_divergence_at_once_is_an_error() -> None:
    """There is nothing to keep: the parameters of the start predict the mean, or worse."""
    for first in (NAN, float("inf"), 11.0):
        with pytest.raises(cf.DivergenceError, match=r"Scripted diverged in epoch 1: .*\. Try lr=0\.1$"):
            trained([first, 1.0])
    assert trained([4.0, 1.0]).n_epochs == 2  # larger than that of the mean, but not of any prediction


def test_a_result_that_is_worse_than_the_mean_is_said() -> None:
    with pytest.warns(
        cf.ConvergenceWarning, match=r"after 1 epochs the RMSE .* is 2\.828, and .* mean 2\. Try"
    ):
        trained([9.0], [9.0], train=cf.Ratings([1, 2], [1, 2], [1.0, 5.0], scale=(1, 9)))
    with pytest.raises(cf.DivergenceError, match=r"Scripted diverged: its predictions are not finite"):
        trained([9.0], [NAN], train=TRAIN)


def test_a_validation_error_that_is_not_finite_is_divergence() -> None:
    with pytest.warns(cf.ConvergenceWarning):
        state = trained([1.0, 0.9, 0.8], [4.0, NAN, 4.0], validation=HELD_OUT)
    assert state.n_epochs == steps(state) == 1


def test_the_warning_points_at_the_call_of_fit() -> None:
    with pytest.warns(cf.ConvergenceWarning) as warned:
        cf.Baseline(method="sgd", lr=0.1, lr_decay=2.0, random_state=0).fit(TRAIN)
    assert warned[0].filename == __file__


def test_tiny_errors_may_double() -> None:
    assert trained([1e-3, 1e-7, 1e-5]).n_epochs == 3


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    trained([1.0, 0.9], verbose=True)
    shown = capsys.readouterr()
    assert "Scripted" in shown.err
    assert shown.out == ""
    trained([1.0, 0.9])
    assert capsys.readouterr().err == ""


def test_a_fit_ends_with_the_state_of_the_loop() -> None:
    model = Scripted([1.0, 0.9, 0.8, 0.7], [3.0, 4.0, 3.0, 3.0])
    model.fit(TRAIN, validation=HELD_OUT, early_stopping=1)
    assert model.history_ == {"train_rmse": [1.0, 0.9, 0.8], "validation_rmse": [1.0, 0.0, 1.0]}
    assert model.n_epochs_ == model.steps_[0] == 2
    assert model.predict(1, 1) == 2.0


def test_the_loop_draws_nothing() -> None:
    """What a seed means does not depend on validation, callbacks or early stopping."""
    rng = np.random.default_rng(5)
    context = FitContext(
        known_of(TRAIN), "Scripted", rng, validation=HELD_OUT, patience=1, callback=lambda *_: None,
        publish=lambda state: None,
    )  # fmt: skip
    run_epochs(ScriptedTrainer(context, [1.0, 0.9, 0.8], [3.0, 4.0, 3.0]), context, 3)
    assert rng.random() == np.random.default_rng(5).random()


# ---------------------------------------------------------------------- callbacks


def test_a_callback_is_given_epochs_and_errors() -> None:
    seen: list[Any] = []

    def watch(epochs: int, history: dict[str, list[float]]) -> None:
        seen.append((epochs, {name: list(errors) for name, errors in history.items()}))

    state = trained([1.0, 0.9], [3.0, 4.0], validation=HELD_OUT, callback=watch)
    assert [epochs for epochs, _ in seen] == [1, 2]
    assert seen[0][1] == {"train_rmse": [1.0], "validation_rmse": [1.0]}
    assert seen[1][1] == state.history


def test_a_callback_stops_the_training() -> None:
    state = trained([1.0, 0.9, 0.8], callback=lambda epochs, history: epochs == 2)
    assert state.n_epochs == steps(state) == len(state.history["train_rmse"]) == 2
    # What is not True does not stop it.
    assert trained([1.0, 0.9], callback=lambda epochs, history: None).n_epochs == 2


def test_a_stop_keeps_the_best_with_early_stopping() -> None:
    state = trained(
        [1.0, 0.9, 0.8, 0.7], [4.0, 3.0, 3.0, 3.0], validation=HELD_OUT, patience=3,
        callback=lambda epochs, history: epochs == 2,
    )  # fmt: skip
    assert state.n_epochs == steps(state) == 1
    assert len(state.history["train_rmse"]) == 2


def test_an_error_in_a_callback_ends_the_training() -> None:
    def fail(epochs: int, history: dict[str, list[float]]) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        trained([1.0, 0.9], callback=fail)


def test_each_epoch_is_published_before_its_callback() -> None:
    published: list[Any] = []
    counts: list[tuple[int, int, int]] = []

    def watch(epochs: int, history: dict[str, list[float]]) -> None:
        counts.append((epochs, len(published), steps(published[-1])))

    final = trained([1.0, 0.9, 0.8], callback=watch, publish=published.append)
    assert counts == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]
    # Later epochs change nothing of what was published.
    assert [steps(state) for state in published] == [1, 2, 3]
    assert [state.n_epochs for state in published] == [1, 2, 3]
    assert published[0].history == {"train_rmse": [1.0]}
    assert published[-1].history == final.history


def test_nothing_is_published_without_a_callback() -> None:
    published: list[Any] = []
    trained([1.0, 0.9], publish=published.append)
    assert published == []


def test_a_callback_reads_the_model_of_its_epoch() -> None:
    model = Scripted([1.0, 0.9, 0.8])
    seen: list[float] = []

    def watch(epochs: int, history: dict[str, list[float]]) -> None:
        seen.append(model.predict(1, 1))

    model.fit(TRAIN, callback=watch)
    assert seen == [1.0, 2.0, 3.0]


def test_the_history_of_a_state_is_its_own() -> None:
    model = Scripted([1.0, 0.9]).fit(TRAIN)
    model.history_["train_rmse"].append(7.0)
    model.history_.clear()
    assert model.history_ == {"train_rmse": [1.0, 0.9]}
