"""recommend, similar_items, similar_users."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf


def test_recommend_is_sorted_and_scored_as_predicted(fitted: Any, train: cf.Ratings) -> None:
    user = train.users[3]
    ids, scores = fitted.recommend(user, n=12)
    assert len(ids) == len(scores) == 12
    assert len(set(ids)) == 12
    assert (np.diff(scores) <= 0).all()
    np.testing.assert_array_equal(scores, fitted.predict(user, ids))
    rest = np.setdiff1d(np.asarray(train.items), ids)
    rest = np.setdiff1d(rest, train.items[train.users == user])
    assert fitted.predict(user, rest).max() <= scores[-1]


def test_recommend_leaves_out_what_was_seen(fitted: Any, train: cf.Ratings) -> None:
    user = train.users[3]
    seen = train.items[train.users == user]
    ids, _ = fitted.recommend(user, n=10_000)
    assert not set(ids) & set(seen)
    everything, _ = fitted.recommend(user, n=10_000, exclude_seen=False)
    assert set(everything) == set(ids) | set(seen) == set(train.items)


def test_recommend_min_support(fitted: Any, train: cf.Ratings) -> None:
    ids, _ = fitted.recommend(train.users[0], n=10_000, min_support=15, exclude_seen=False)
    counts = {item: int(np.sum(train.items == item)) for item in set(train.items)}
    assert set(ids) == {item for item, count in counts.items() if count >= 15}


def test_recommend_to_a_stranger(fitted: Any) -> None:
    ids, scores = fitted.recommend(-99, n=5)
    assert len(ids) == 5
    assert (np.diff(scores) <= 0).all()
    np.testing.assert_array_equal(scores, fitted.predict(-98, ids))


def test_recommend_nothing(fitted: Any, train: cf.Ratings) -> None:
    ids, scores = fitted.recommend(train.users[0], n=0)
    assert len(ids) == len(scores) == 0
    assert ids.dtype == fitted.item_ids_.dtype
    with pytest.raises(ValueError, match="n must"):
        fitted.recommend(train.users[0], n=-1)
    with pytest.raises(ValueError, match="min_support"):
        fitted.recommend(train.users[0], min_support=-1)
    with pytest.raises(cf.DataError, match="one id"):
        fitted.recommend(train.users[:2])


@pytest.mark.parametrize("kind", ["item", "user"])
def test_similar(fitted: Any, train: cf.Ratings, kind: str) -> None:
    similar = getattr(fitted, f"similar_{kind}s")
    known = getattr(train, f"{kind}s")
    try:
        ids, similarities = similar(known[0], n=6)
    except TypeError as error:
        assert kind in str(error)  # noqa: PT017 (a model that does not compare them says so)
        return
    assert len(ids) == len(similarities) <= 6
    assert known[0] not in ids
    assert set(ids) <= set(known)
    assert (np.diff(similarities) <= 0).all()
    assert np.isfinite(similarities).all()
    supported, _ = similar(known[0], n=10_000, min_support=15)
    assert all(np.sum(known == one) >= 15 for one in supported)
    with pytest.raises(cf.DataError, match=kind):
        similar(-99)
