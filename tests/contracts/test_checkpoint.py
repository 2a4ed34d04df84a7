"""Fits broken off after any epoch go on from their checkpoint to the bits of the unbroken fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.core.checkpoint import Checkpoint
from tests.contracts.conftest import MODELS, make, numbers

WITH_EPOCHS = [name for name in MODELS if "n_epochs" in make(name).get_params() and name != "Baseline-mean"]
N_EPOCHS = 4


class BreakOff(BaseException):
    """As Ctrl-C: nothing that catches Exception stops it."""


def break_after(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break a fit off as soon as it has written its checkpoint `n` times."""
    write, written = Checkpoint.write, []

    def limited(self: Checkpoint, *args: Any) -> None:
        write(self, *args)
        written.append(1)
        if len(written) == n:
            raise BreakOff

    monkeypatch.setattr(Checkpoint, "write", limited)


def same(model: Any, other: Any) -> None:
    """All that a file holds is equal to the bit."""
    for name in model._BASE_ARRAYS + model._array_names:
        one, two = getattr(model, name), getattr(other, name)
        assert (one is None and two is None) or (one.dtype == two.dtype and np.array_equal(one, two)), name
    for name in model._BASE_SCALARS + model._scalar_names:
        assert getattr(model, name, None) == getattr(other, name, None), name


@pytest.fixture(scope="module")
def data() -> tuple[cf.Ratings, cf.Ratings]:
    ratings = cf.Ratings(*numbers())
    held_out = np.arange(len(ratings)) % 5 == 0
    return ratings.subset(~held_out), ratings.subset(held_out)


@pytest.mark.parametrize("name", WITH_EPOCHS)
@pytest.mark.parametrize("watched", [False, True], ids=["plain", "early-stopping"])
def test_goes_on_after_each_epoch(
    name: str, watched: bool, data: tuple[cf.Ratings, cf.Ratings], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    train, held_out = data
    given: dict[str, Any] = {"validation": held_out, "early_stopping": 2} if watched else {}
    whole = make(name).set_params(n_epochs=N_EPOCHS).fit(train, **given)
    for epoch in range(1, len(whole.history_["train_rmse"]) + 1):
        path = tmp_path / f"{epoch}.checkpoint"
        model = make(name).set_params(n_epochs=N_EPOCHS)
        with monkeypatch.context() as patch:
            break_after(epoch, patch)
            with pytest.raises(BreakOff):
                model.fit(train, checkpoint=path, **given)
        with pytest.raises(cf.NotFittedError):
            model.predict(10, 100)
        same(model.fit(train, checkpoint=path, **given), whole)
        assert np.array_equal(model.predict(held_out), whole.predict(held_out))


@pytest.mark.parametrize("name", WITH_EPOCHS)
def test_a_finished_fit_is_read_at_once(
    name: str, data: tuple[cf.Ratings, cf.Ratings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    whole = make(name).fit(data[0], checkpoint=path)
    content = path.read_bytes()
    break_after(1, monkeypatch)  # nothing is written, so nothing breaks off
    same(make(name).fit(data[0], checkpoint=path), whole)
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]
