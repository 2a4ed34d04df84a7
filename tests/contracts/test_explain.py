"""`explain`: the effect of a rating is the difference that it makes to the prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf


def of_user(train: cf.Ratings, n: int = 6) -> cf.Ratings:
    """A few ratings of one user."""
    return train.subset(np.flatnonzero(train.users == train.users[0])[:n])


def test_an_effect_is_the_difference_to_the_prediction_without_the_rating(fitted: Any, train: Any) -> None:
    given = of_user(train)
    item = train.item_ids[train.item_counts > 0][-1]
    user = int(given.users[0])
    before = fitted.predict(user, item)
    ids, effects = fitted.explain(user, item, n=100, given=given)
    assert sorted(ids.tolist()) == sorted(given.items.tolist())
    assert np.isfinite(effects).all()
    assert (np.diff(np.abs(effects)) <= 0).all()
    assert fitted.predict(user, item) == before
    low, high = fitted.scale_
    whole = fitted.predict(user, item, given=given)
    for at in (0, len(ids) - 1):
        without = fitted.predict(user, item, given=given.subset(given.items != ids[at]))
        if low < whole < high and low < without < high:
            assert whole - without == pytest.approx(effects[at], abs=1e-5)
    few = fitted.explain(user, item, n=2, given=given)
    np.testing.assert_array_equal(few[0], ids[:2])


def test_a_session_has_no_user(fitted: Any, train: Any) -> None:
    given = of_user(train, 3)
    item = train.item_ids[train.item_counts > 0][-1]
    session = dict(zip(given.items.tolist(), given.values.tolist(), strict=True))
    ids, _ = fitted.explain(None, item, given=session)
    assert set(ids.tolist()) == set(session)
    assert len(fitted.explain(None, item, given=dict(list(session.items())[:1]))[1]) == 1
    with pytest.raises(TypeError, match="takes no user"):
        fitted.explain(1, item, given=session)
    with pytest.raises(TypeError, match="needs the user"):
        fitted.explain(None, item, given=given)
    with pytest.raises(cf.DataError, match="no ratings of user"):
        fitted.explain(int(train.user_ids.max()) + 1, item, given=given)
    with pytest.raises(cf.DataError, match="has no training ratings"):
        fitted.explain(None, 999_999, given=session)


def test_a_high_rating_of_a_like_item_is_a_reason() -> None:
    train, _ = cf.datasets.load("ml-100k", split="u1")
    model = cf.ItemKNN().fit(train)
    likest = model.similar_items(50, n=1)[0][0].item()  # of Star Wars
    ids, effects = model.explain(None, 50, given={likest: 5, 1: 3, 7: 3, 9: 3})
    assert ids[0] == likest
    assert effects[0] > 0
