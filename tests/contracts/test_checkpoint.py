"""Fits broken off after any epoch go on from their checkpoint to the bits of the unbroken fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.threads import policy
from tests.checkpoints import broken_off, same
from tests.contracts.conftest import MODELS, has_epochs, make, with_epochs

WITH_EPOCHS = [name for name in MODELS if has_epochs(name)]
N_EPOCHS = 4


def dtypes(name: str) -> list[dict[str, str]]:
    """The dtypes that a model can be trained in, as hyper-parameters."""
    one = "dtype" not in make(name).get_params(deep=False)
    return [{}] if one else [{"dtype": "float32"}, {"dtype": "float64"}]


@pytest.mark.parametrize("name", WITH_EPOCHS)
@pytest.mark.parametrize("watched", [False, True], ids=["plain", "early-stopping"])
def test_goes_on_after_each_epoch(
    name: str, watched: bool, train: cf.Ratings, test: cf.Ratings, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"validation": test, "early_stopping": 2} if watched else {}
    whole = with_epochs(make(name), N_EPOCHS).fit(train, **given)
    for epoch in range(1, len(whole.history_["train_rmse"])):
        path = tmp_path / f"{epoch}.checkpoint"
        model = with_epochs(make(name), N_EPOCHS)
        broken_off(path, model, train, epoch, **given)
        with pytest.raises(cf.NotFittedError):
            model.predict(10, 100)
        same(model.fit(train, checkpoint=path, **given), whole)
        assert np.array_equal(model.predict(test), whole.predict(test))


@pytest.mark.parametrize(
    ("name", "params"), [(name, params) for name in WITH_EPOCHS for params in dtypes(name)]
)
def test_the_number_of_threads_may_change(
    name: str, params: dict[str, str], train: cf.Ratings, tmp_path: Path
) -> None:
    model = with_epochs(make(name), N_EPOCHS).set_params(**params)
    whole = model.clone().set_params(n_threads=1).fit(train)
    for first, second in ((1, 3), (3, 1)):
        path = tmp_path / str(first)
        with policy(minimum_work=0):
            broken_off(path, model.clone().set_params(n_threads=first), train)
            resumed = model.clone().set_params(n_threads=second, verbose=1).fit(train, checkpoint=path)
        same(resumed, whole)


@pytest.mark.parametrize("name", WITH_EPOCHS)
def test_a_finished_fit_is_read_at_once(name: str, train: cf.Ratings, tmp_path: Path) -> None:
    path = tmp_path / "run"
    whole = make(name).fit(train, checkpoint=path)
    content, calls = path.read_bytes(), []
    again = make(name).fit(train, checkpoint=path, callback=lambda epochs, history: calls.append(epochs))
    same(again, whole)
    assert calls == []  # no epoch was trained
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("name", [name for name in MODELS if not has_epochs(name)])
def test_models_without_epochs_ignore_the_path(name: str, train: cf.Ratings, tmp_path: Path) -> None:
    same(make(name).fit(train, checkpoint=tmp_path / "run"), make(name).fit(train))
    assert not list(tmp_path.iterdir())
