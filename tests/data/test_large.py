"""Large data: columns are not copied, and the work is done in slices that can be interrupted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cfcore as cf
from cfcore.data import index
from cfcore.models.factorization import block_grid as blocks


def mapped(folder: Path, ratings: cf.Ratings) -> list[np.ndarray]:
    """The columns of codes, values and times as read-only memory maps."""
    columns = []
    for name in ("user_codes", "item_codes", "values", "timestamps"):
        np.save(folder / f"{name}.npy", getattr(ratings, name))
        columns.append(np.load(folder / f"{name}.npy", mmap_mode="r"))
    return columns


def not_needed(*_: object) -> None:
    raise AssertionError("three times the memory of what the model keeps")


@pytest.mark.parametrize("model", [cf.SVD, cf.SVDpp])
def test_memory_maps_are_not_copied(
    model: type[cf.SVD], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cf.datasets.synthetic(60, 40, 900, random_state=1)
    columns = mapped(tmp_path, made)
    ratings = cf.Ratings(*columns)
    kept = (ratings.user_codes, ratings.item_codes, ratings.values, ratings.timestamps)
    for column, own in zip(columns, kept, strict=True):
        assert own is not None
        assert np.shares_memory(column, own)
    monkeypatch.setattr(index, "compress", not_needed)
    fitted = model(n_factors=4, n_epochs=2, random_state=0).fit(ratings)
    monkeypatch.undo()
    expected = model(n_factors=4, n_epochs=2, random_state=0).fit(made)
    assert fitted.user_factors_.tobytes() == expected.user_factors_.tobytes()
    assert fitted.seen_items_ is ratings.items_by_user[1]


@pytest.mark.parametrize("model", [cf.SVD, cf.SVDpp])
def test_interrupted_while_ratings_are_laid_out(model: type[cf.SVD], monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = cf.datasets.synthetic(60, 40, 900, random_state=1)
    expected = model(n_factors=4, n_epochs=2, random_state=0).fit(ratings)
    monkeypatch.setattr("cfcore.data.index.SLICE", 100)
    calls = []

    def until_the_third(n: int) -> object:
        for piece in slices(n):
            calls.append(piece)
            if len(calls) == 3:
                raise KeyboardInterrupt
            yield piece

    slices = blocks.slices
    monkeypatch.setattr(blocks, "slices", until_the_third)
    broken = model(n_factors=4, n_epochs=2, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(ratings)
    assert calls == [(0, 100), (100, 200), (200, 300)]
    with pytest.raises(cf.NotFittedError):
        broken.predict(1, 1)
    monkeypatch.setattr(blocks, "slices", slices)
    assert broken.fit(ratings).user_factors_.tobytes() == expected.user_factors_.tobytes()
