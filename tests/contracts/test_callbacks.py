"""A callback may use the model: values derived from the parameters of one epoch are not kept for the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.checkpoints import same
from tests.contracts.conftest import MODELS, compares, has_epochs, make

WITH_EPOCHS = [name for name in MODELS if has_epochs(name)]


def everything(model: Any, train: cf.Ratings) -> list[Any]:
    """All that a model answers: predictions, lists of one and of many users, and similarities."""
    users = np.tile(train.user_ids, 3)
    found = [model.predict(train), *model.recommend(train.user_ids[0]), *model.recommend(users, 5)]
    for kind in ("item", "user"):
        if compares(model, kind):
            similar = model.similar_items if kind == "item" else model.similar_users
            ids = train.item_ids if kind == "item" else train.user_ids
            for one in ids[:3]:
                found += similar(one, len(ids))
            found.append(model.similarity_row(kind, 0))
    return found


@pytest.mark.parametrize("name", WITH_EPOCHS)
def test_what_a_callback_asks_changes_nothing(name: str, train: cf.Ratings) -> None:
    alone = make(name).fit(train)
    model, asked = make(name), []

    def watch(epochs: int, history: dict[str, list[float]]) -> None:
        assert model.is_fitted()
        assert model.n_epochs_ == epochs
        assert model.history_ == history
        asked.append(everything(model, train))

    model.fit(train, callback=watch)
    assert len(asked) == model.n_epochs_ >= 3
    same(model, alone)
    for found, expected in zip(everything(model, train), everything(alone, train), strict=True):
        np.testing.assert_array_equal(found, expected)
    # The last callback saw the model as it is now, and the first one another.
    for found, expected in zip(asked[-1], everything(alone, train), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(asked[0][0], asked[-1][0])


@pytest.mark.parametrize("name", WITH_EPOCHS)
def test_cosines_after_a_callback_are_cosines(name: str, train: cf.Ratings) -> None:
    model = make(name)

    def watch(epochs: int, history: dict[str, list[float]]) -> None:
        for kind, one in (("item", train.item_ids[0]), ("user", train.user_ids[0])):
            if compares(model, kind):
                (model.similar_items if kind == "item" else model.similar_users)(one)

    model.fit(train, callback=watch)
    for kind, ids in (("item", train.item_ids), ("user", train.user_ids)):
        if compares(model, kind):
            similar = model.similar_items if kind == "item" else model.similar_users
            for one in ids:
                _, cosines = similar(one, len(ids))
                assert np.abs(cosines).max() <= 1 + 1e-6


@pytest.mark.parametrize("name", WITH_EPOCHS)
def test_a_snapshot_of_an_epoch_is_kept(name: str, train: cf.Ratings) -> None:
    """Later epochs, and the end of the fit, leave a snapshot that a callback took as it is."""
    model, kept = make(name), []

    def watch(epochs: int, history: dict[str, list[float]]) -> None:
        kept.append((model.snapshot(), model.predict(train), model.history_))

    model.fit(train, callback=watch)
    for snapshot, expected, history in kept:
        np.testing.assert_array_equal(snapshot.predict(train), expected)
        assert snapshot.history_ == history
    assert [snapshot.n_epochs_ for snapshot, _, _ in kept] == list(range(1, len(kept) + 1))
