"""`explain`: the parts of a prediction add up to it, for every model."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.contracts.conftest import MODELS, make

#: Models whose predictions are no sums over the ratings of the user, or of which a member's are not.
NO_SUMS = re.compile(r"(SVD|BayesianSVD|RBM|UserKNN)(-.*)?|Blend(-features|-mean)?")
#: Those whose predictions are sums over the ratings given with a question alone.
SUMS_OF_GIVEN = ("Baseline-sgd", "Blend-biases")


def of_user(train: cf.Ratings, n: int = 6) -> cf.Ratings:
    """A few ratings of one user."""
    return train.subset(np.flatnonzero(train.users == train.users[0])[:n])


def last_item(train: cf.Ratings) -> Any:
    return train.item_ids[train.item_counts > 0][-1].item()


def is_sum(name: str, given: bool) -> bool:
    """Whether predictions of a model are sums over ratings of training, or over those given."""
    return not NO_SUMS.fullmatch(name) and (given or name not in SUMS_OF_GIVEN)


@pytest.mark.parametrize("by", ["rating", "preference"])
@pytest.mark.parametrize("with_given", [False, True])
def test_parts_add_up(fitted: Any, train: Any, test: Any, with_given: bool, by: str) -> None:
    given = of_user(train) if with_given else None
    user = int(train.users[0])
    items = [last_item(train), *train.item_ids[train.item_counts > 0][:2].tolist()]
    here = fitted.for_users(given) if with_given else fitted
    codes = np.repeat(here.encode_users(user), 3), here.encode_items(items)
    scores = (here.score_codes if by == "rating" else here.preference_codes)(*codes)
    for n in (1, 4, None):
        for found, score in zip(fitted.explain(user, items, n, given=given, by=by), scores, strict=True):
            assert found.base + found.effects.sum() + found.others == pytest.approx(found.score, abs=1e-7)
            assert found.score == pytest.approx(score, abs=1e-6)
            assert len(found.items) == len(found.effects) == len(found.ratings)
            if n is not None:
                assert len(found.items) == n
            assert (np.diff(np.abs(found.effects)) <= 0).all()
            if found.members:
                total = math.prod if by == "preference" else math.fsum
                assert total(found.members.values()) == pytest.approx(score, abs=1e-9)
            if found.exact and n is None:
                assert found.others == 0


@pytest.mark.parametrize("by", ["rating", "preference"])
def test_of_no_items_there_is_nothing_to_explain(fitted: Any, train: Any, by: str) -> None:
    user = int(train.users[0])
    assert fitted.explain(user, [], by=by) == []
    assert len(fitted.explain(user, [], by=by, as_frame="pandas")) == 0


@pytest.mark.parametrize("name", list(MODELS))
def test_sums_are_exact(name: str, train: cf.Ratings) -> None:
    model = make(name).fit(train)
    user, item = int(train.users[0]), last_item(train)
    for given in (None, of_user(train)):
        found = model.explain(user, item, None, given=given, by="rating")
        assert found.exact == is_sum(name, given is not None), given
        mine = train if given is None else given
        rated = dict(zip(found.items.tolist(), found.ratings.tolist(), strict=True))
        own = mine.users == user
        assert rated == dict(zip(mine.items[own].tolist(), mine.values[own].tolist(), strict=True))


def test_leaving_one_out_is_the_difference_to_the_prediction(fitted: Any, train: Any) -> None:
    given, item = of_user(train), last_item(train)
    user = int(given.users[0])
    before = fitted.predict(user, item)
    found = fitted.explain(user, item, None, given=given, leave_one_out=True, by="rating")
    assert not found.exact
    assert sorted(found.items.tolist()) == sorted(given.items.tolist())
    assert fitted.predict(user, item) == before
    low, high = fitted.scale_
    whole = fitted.predict(user, item, given=given)
    for at in (0, len(found.items) - 1):
        without = fitted.predict(user, item, given=given.subset(given.items != found.items[at]))
        if low < whole < high and low < without < high:
            assert whole - without == pytest.approx(found.effects[at], abs=1e-5)
    unknown = fitted.predict(-12_345, item)
    if low < unknown < high:
        assert found.base == pytest.approx(unknown, abs=1e-6)


def test_ratings_of_training_are_those_of_given(fitted: Any, train: Any) -> None:
    """What the model keeps and what is given has the same effects, where the user is solved for alike."""
    user, item = int(train.users[0]), last_item(train)
    own = train.subset(train.users == user)
    kept = fitted.explain(user, item, None, leave_one_out=True, by="rating")
    if fitted.uses_timestamps():
        own = cf.Ratings(own.users, own.items, own.values, scale=own.scale)
    given = fitted.explain(user, item, None, given=own, leave_one_out=True, by="rating")
    if getattr(fitted, "rule_", {}).get("damping") == 0 or isinstance(fitted, cf.RBM):
        # Predictions from few ratings given are shrunk, those of the fit are not.
        assert sorted(kept.items) == sorted(given.items)
        assert kept.base == pytest.approx(given.base, abs=1e-6)
        return
    np.testing.assert_array_equal(kept.items, given.items)
    np.testing.assert_allclose(kept.effects, given.effects, atol=1e-12)


def test_a_session_has_no_user(fitted: Any, train: Any) -> None:
    given, item = of_user(train, 3), last_item(train)
    session = dict(zip(given.items.tolist(), given.values.tolist(), strict=True))
    ids, _ = fitted.explain(None, item, given=session)
    assert set(ids.tolist()) == set(session)
    named = fitted.explain(None, item, given=session)
    assert named.user is None
    assert "for the ratings given" in str(named)
    assert "user" not in named.to_frame()
    assert len(fitted.explain(None, item, given=dict(list(session.items())[:1]))[1]) == 1
    nothing = fitted.explain(None, item, given={})
    assert (len(nothing.items), nothing.others, nothing.exact) == (0, 0, True)
    assert nothing.base == pytest.approx(nothing.score, abs=1e-12)
    with pytest.raises(TypeError, match="takes no user"):
        fitted.explain(1, item, given=session)
    with pytest.raises(TypeError, match="needs the user"):
        fitted.explain(None, item, given=given)
    with pytest.raises(cf.DataError, match="no ratings of user"):
        fitted.explain(int(train.user_ids.max()) + 1, item, given=given)
    with pytest.raises(cf.DataError, match="item 999999 has no training ratings"):
        fitted.explain(None, 999_999, given=session)


def test_what_cannot_be_explained_says_how_to(fitted: Any, train: Any) -> None:
    user, item = int(train.users[0]), last_item(train)
    with pytest.raises(TypeError, match=r"explain\(None, item, given="):
        fitted.explain(None, item)
    with pytest.raises(cf.DataError, match=r"user -7 has no training .*explain\(-7, item, given=ratings\)"):
        fitted.explain(-7, item)
    with pytest.raises(cf.DataError, match="item 999999 has no training ratings"):
        fitted.explain(user, [item, 999_999])
    with pytest.raises(ValueError, match="n must be"):
        fitted.explain(user, item, 0)
    old = fitted.with_parameters(seen_values=None)
    message = rf"keeps no ratings of user {user}: .* 0\.1\.0.*explain\({user}, item, given=ratings\)"
    with pytest.raises(cf.DataError, match=message):
        old.explain(user, item)
    assert old.explain(user, item, given=of_user(train)).score == pytest.approx(
        fitted.explain(user, item, given=of_user(train)).score, abs=1e-9
    )


def test_the_model_stays_as_it_is(fitted: Any, train: Any) -> None:
    before = fitted.predict(train)
    fitted.explain(int(train.users[0]), last_item(train))
    fitted.explain(None, last_item(train), given={last_item(train): 3.0})
    np.testing.assert_array_equal(fitted.predict(train), before)
