"""Effects by leaving one rating out: those of models that solve for the user again without each rating."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization.leaving_out import rows_without_each
from cfcore.models.factorization.ridge import RowPrior, ridge_row
from tests.contracts.conftest import numbers

RATINGS = cf.Ratings(*numbers(60, 50, 1800))
COUNTS = RATINGS.user_counts
#: Users with few ratings, as many equations being solved as they have ratings, and with many.
FEWEST, MOST = (int(RATINGS.user_ids[pick(COUNTS)]) for pick in (np.argmin, np.argmax))
ITEMS = RATINGS.item_ids[[0, 17, 49]].tolist()


def problem(n: int, n_factors: int, spread: float, biased: bool) -> tuple[Any, Any, RowPrior]:
    rng = np.random.default_rng(n)
    size = n_factors + biased
    half = rng.normal(size=(size, size)) * spread
    prior = RowPrior(rng.normal(size=size), half @ half.T + 0.01 * np.eye(size))
    return rng.normal(size=(n, n_factors)), rng.normal(size=n) * 2, prior


@pytest.mark.parametrize("n", [2, 5, 40, 300])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize(("spread", "noise"), [(0.1, 0.8), (1.0, 0.8), (30.0, 1e-3)])
def test_rows_are_those_of_a_regression_without_each_rating(
    n: int, biased: bool, spread: float, noise: float
) -> None:
    """Also with ratings that alone determine a direction, whose leverage is almost 1."""
    factors, targets, prior = problem(n, 12, spread, biased)
    found = rows_without_each(factors, targets, prior, noise)
    assert found.shape == (n + 1, 12 + biased)
    for at in range(n + 1):
        kept = np.arange(n) != at
        refit = ridge_row(factors[kept], targets[kept], prior, prior.mean, noise)
        np.testing.assert_allclose(found[at], refit, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "model",
    [
        cf.SVD(), cf.SVD(biased=False), cf.SVDpp(), cf.AsymmetricSVD(), cf.TimeSVDpp(),
        cf.TimeSVDpp(item_weekdays=True, item_frequencies=True, user_slope=True),
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("by", ["rating", "preference"])
def test_effects_are_differences_to_answers_without_each_rating(model: Any, dtype: str, by: str) -> None:
    model = model.clone().set_params(n_factors=16, n_epochs=4, random_state=0, dtype=dtype).fit(RATINGS)
    time = int(RATINGS.timestamps[7]) if model.uses_timestamps() else None
    for user in (FEWEST, MOST):
        own = RATINGS.subset(RATINGS.users == user)
        found = model.explain(
            user, ITEMS, None, given=own, by=by, leave_one_out=True, timestamps=time
        )  # fmt: skip
        expected: dict[Any, Any] = {}
        for rated in [*own.items.tolist(), None]:
            here = model.for_users(own.subset(own.items != rated))
            codes = np.repeat(here.encode_users(user), len(ITEMS)), here.encode_items(ITEMS)
            times = None if time is None else np.full(len(ITEMS), time)
            score = here.score_codes if by == "rating" else here.preference_codes
            expected[rated] = score(*codes, times)
        for at, one in enumerate(found):
            assert set(one.items.tolist()) == set(own.items.tolist())
            assert np.abs(one.effects).max() > 1e-4
            for rated, effect in zip(one.items.tolist(), one.effects.tolist(), strict=True):
                refit = expected[None][at] - expected[rated][at]
                assert effect == pytest.approx(refit, abs=2e-6 if dtype == "float32" else 1e-10)


def test_a_subclass_that_scores_otherwise_solves_by_its_scores() -> None:
    class Squared(cf.SVDpp):
        def _score(self, users: Any, items: Any, timestamps: Any) -> Any:
            return super()._score(users, items, timestamps) ** 2 / 5

    model = Squared(n_factors=8, n_epochs=4, random_state=0, dtype="float64").fit(RATINGS)
    own = RATINGS.subset(RATINGS.users == FEWEST)
    found = model.explain(FEWEST, ITEMS[0], 1, given=own, leave_one_out=True)
    here = model.for_users(own.subset(own.items != found.items[0]))
    without = here.score_codes(here.encode_users(FEWEST), here.encode_items(ITEMS[:1]))[0]
    assert found.effects[0] == pytest.approx(found.score - without, abs=1e-10)


def test_an_effect_does_not_depend_on_the_other_items() -> None:
    model = cf.SVD(n_factors=16, n_epochs=4, random_state=0).fit(RATINGS)
    together = model.explain(MOST, RATINGS.item_ids, None)
    for at in (0, 49):
        alone = model.explain(MOST, int(RATINGS.item_ids[at]), None)
        np.testing.assert_array_equal(alone.effects, together[at].effects)


def test_a_single_rating_leaves_nobody_known() -> None:
    model = cf.SVD(n_factors=16, n_epochs=4, random_state=0).fit(RATINGS)
    found = model.explain(None, ITEMS[0], given={ITEMS[1]: 5.0})
    assert found.effects[0] == pytest.approx(found.score - found.base, abs=1e-9)
    assert found.base == pytest.approx(model.predict(-1, ITEMS[0]), abs=1e-9)
