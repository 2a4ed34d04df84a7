"""A subclass that scores otherwise is listed, answered and explained by its own scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf

RATINGS = cf.datasets.synthetic(200, 40, 3000, random_state=0)


def turned(kind: Any) -> Any:
    """A subclass that ranks items the other way round."""

    class Turned(kind):  # type: ignore[misc]
        def _score(self, users: Any, items: Any, timestamps: Any) -> Any:
            return 6.0 - super()._score(users, items, timestamps)

    return Turned


@pytest.mark.parametrize("name", ["SVD", "SVDpp", "AsymmetricSVD", "ItemKNN", "UserKNN", "Baseline"])
def test_scores_of_a_subclass_are_those_of_all_answers(name: str) -> None:
    model = turned(getattr(cf, name))(**cf.registry.BY_NAME[name].small).fit(RATINGS)
    users = RATINGS.user_ids
    ids, scores = model.recommend(users, n=5, by="rating")
    for k in (0, 17, 199):
        user = users[k].item()
        np.testing.assert_array_equal(scores[k], model.predict(np.repeat(user, 5), ids[k]))
        one_ids, one_scores = model.recommend(user, n=5, by="rating")
        np.testing.assert_array_equal(one_ids, ids[k])
        np.testing.assert_array_equal(one_scores, scores[k])
    lowest = model.recommend(users[0].item(), n=40, by="rating", exclude_seen=False)[0][::-1]
    kind = getattr(cf, name)(**cf.registry.BY_NAME[name].small).fit(RATINGS)
    assert set(lowest[:3]) & set(kind.recommend(users[0].item(), n=6, by="rating", exclude_seen=False)[0])


@pytest.mark.parametrize("name", ["SVDpp", "AsymmetricSVD", "ItemKNN", "Baseline"])
def test_explanations_of_a_subclass_are_of_its_scores(name: str) -> None:
    own = cf.registry.BY_NAME[name].small
    plain, other = getattr(cf, name)(**own).fit(RATINGS), turned(getattr(cf, name))(**own).fit(RATINGS)
    user, item = RATINGS.user_ids[3].item(), RATINGS.item_ids[5].item()
    assert plain.explain(user, item).exact
    found = other.explain(user, item, n=None)
    assert not found.exact
    assert found.base + found.effects.sum() + found.others == pytest.approx(found.score, abs=1e-6)
    if name in ("SVDpp", "AsymmetricSVD"):  # rows of users are solved for by the scores of the subclass
        return
    expected = plain.explain(user, item, n=None, leave_one_out=True)
    effects = dict(zip(found.items.tolist(), found.effects.tolist(), strict=True))
    for rated, effect in zip(expected.items.tolist(), expected.effects.tolist(), strict=True):
        assert effects[rated] == pytest.approx(-effect, abs=1e-9)


def test_choices_of_a_subclass_are_those_of_all_lists() -> None:
    class Turned(cf.EASE):
        def _choice_rows(self, users: Any) -> Any:
            return -super()._choice_rows(users)

    model = Turned().fit(RATINGS)
    users = RATINGS.user_ids
    ids, scores = model.recommend(users, n=4)
    for k in (0, 17, 199):
        user = users[k].item()
        np.testing.assert_array_equal(scores[k], model.preference(np.repeat(user, 4), ids[k]))
        np.testing.assert_array_equal(model.recommend(user, n=4)[0], ids[k])
    given = {RATINGS.item_ids[2].item(): 4, RATINGS.item_ids[9].item(): 2}
    columns = [0, 0], list(given), list(given.values())
    np.testing.assert_array_equal(model.recommend(given=given)[0], model.recommend(given=columns)[0][0])
