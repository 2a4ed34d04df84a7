"""New items in `fold_in`: rows from ratings by users that the model knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf

N_USERS, N_ITEMS, NEW = 120, 50, 45  # items from NEW on are new
SAMPLER: dict[str, Any] = {"n_factors": 2, "n_samples": 80, "burn_in": 40, "random_state": 0, "n_threads": 1}
MODELS: dict[str, Any] = {
    "BayesianSVD": lambda: cf.BayesianSVD(**SAMPLER),
    "ordinal": lambda: cf.BayesianSVD(**SAMPLER, likelihood="ordinal"),
    "ALS": lambda: cf.ALS(n_factors=2, reg=1, random_state=0),
    "SVD": lambda: cf.SVD(n_factors=4, random_state=0),
    "SVDpp": lambda: cf.SVDpp(n_factors=4, random_state=0),
}


def world(seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """Users, items, means and ratings, 30 of each user, rounded to halves."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(N_USERS), 30)
    items = np.concatenate([rng.choice(N_ITEMS, 30, replace=False) for _ in range(N_USERS)])
    tastes = [rng.normal(0, 0.8, (n, 2)) for n in (N_USERS, N_ITEMS)]
    means = 3 + rng.normal(0, 0.4, N_USERS)[users] + rng.normal(0, 0.6, N_ITEMS)[items]
    means += np.sum(tastes[0][users] * tastes[1][items], axis=1)
    values = np.clip(np.rint(2 * (means + rng.normal(0, 0.4, len(users)))) / 2, 0.5, 6)
    return users, items, np.clip(means, 0.5, 6), values


USERS, ITEMS, MEANS, VALUES = world()
#: Ratings of new items that are given, and those that are held out.
LATE = ITEMS >= NEW
GIVEN = LATE & (np.arange(len(USERS)) % 2 == 0)
HELD = LATE & ~GIVEN


def part(rows: Any) -> Any:
    return USERS[rows], ITEMS[rows], VALUES[rows]


@pytest.mark.parametrize("name", MODELS)
def test_new_items_are_as_good_as_fitted_ones(name: str) -> None:
    model, whole = MODELS[name]().fit(part(~LATE)), MODELS[name]().fit(part(~LATE | GIVEN))
    before = float(cf.metrics.rmse(MEANS[HELD], model.predict(USERS[HELD], ITEMS[HELD])))
    old = model.predict(USERS[~LATE], ITEMS[~LATE])
    counts = model.item_counts_.copy()
    model.fold_in(part(GIVEN), unknown_items="add")
    found, fitted = (
        float(cf.metrics.rmse(MEANS[HELD], one.predict(USERS[HELD], ITEMS[HELD]))) for one in (model, whole)
    )
    assert found < 0.6 * before
    assert found < 1.3 * fitted
    # Users, and items with ratings, are held; in `SVDpp` the sets of users have the new items too.
    np.testing.assert_allclose(
        model.predict(USERS[~LATE], ITEMS[~LATE]), old, atol=0.1 if name == "SVDpp" else 1e-5
    )
    np.testing.assert_array_equal(model.item_counts_[:NEW], counts)
    np.testing.assert_array_equal(model.item_counts_[NEW:], np.bincount(ITEMS[GIVEN])[NEW:])
    assert model.knows(items=np.arange(NEW, N_ITEMS)).all()
    assert NEW in model.recommend(int(USERS[HELD][0]), n=50, exclude_seen=False)[0]


@pytest.mark.parametrize("name", MODELS)
def test_new_users_and_new_items_come_together(name: str, tmp_path: Path) -> None:
    users = USERS >= 100
    model = MODELS[name]().fit(part(~LATE & ~users))
    model.fold_in(part(GIVEN | (users & ~LATE)), unknown_items="add")
    error = cf.metrics.rmse(MEANS[HELD & users], model.predict(USERS[HELD & users], ITEMS[HELD & users]))
    assert error < 0.75 * np.std(MEANS[HELD & users])
    # The rows of the users are those without the new items.
    alone = MODELS[name]().fit(part(~LATE & ~users)).fold_in(part(users & ~LATE))
    asked = users & ~LATE
    np.testing.assert_allclose(
        model.predict(USERS[asked], ITEMS[asked]),
        alone.predict(USERS[asked], ITEMS[asked]),
        atol=0.1 if name == "SVDpp" else 1e-5,
    )
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(
        cf.load(tmp_path / "model").predict(USERS, ITEMS), model.predict(USERS, ITEMS)
    )


@pytest.mark.parametrize("name", MODELS)
def test_items_that_cannot_be_found_are_named(name: str) -> None:
    model = MODELS[name]().fit(part(~LATE))
    with pytest.raises(
        cf.DataError, match='1 of the items have no training ratings: 46; pass unknown_items="add"'
    ):
        model.fold_in(([1], [46], [3.0]))
    with pytest.raises(cf.DataError, match="user 999 has ratings of new items alone"):
        model.fold_in(([999, 1], [46, 46], [3.0, 4.0]), unknown_items="add")
    with pytest.raises(ValueError, match="unknown_items must be one of"):
        model.fold_in(([1], [46], [3.0]), unknown_items="keep")


def test_intervals_of_new_items_hold_their_ratings() -> None:
    held = []
    for seed in range(4):  # of one of these alone the mean has a standard error of 0.03
        users, items, _, values = world(seed)
        late, even = items >= NEW, np.arange(len(users)) % 2 == 0
        first, given, rest = (
            (users[rows], items[rows], values[rows]) for rows in (~late, late & even, late & ~even)
        )
        model = MODELS["BayesianSVD"]().fit(first).fold_in(given, unknown_items="add")
        low, high = model.predict_interval(*rest[:2], coverage=0.8)
        held.append(np.mean((rest[2] >= low) & (rest[2] <= high)))
    assert 0.76 < np.mean(held) < 0.86


def test_the_mean_of_an_item_is_less_certain_of_few_ratings() -> None:
    model = MODELS["BayesianSVD"]().fit(part(~LATE)).fold_in(part(GIVEN), unknown_items="add")
    few = (
        MODELS["BayesianSVD"]().fit(part(~LATE)).fold_in(([1, 2], [46, 46], [3.0, 4.0]), unknown_items="add")
    )
    codes = np.arange(60)
    narrow, wide = (one.predict(codes, np.full(60, 46), return_std="mean")[1] for one in (model, few))
    assert np.mean(wide) > 1.5 * np.mean(narrow)


def test_the_row_of_an_item_does_not_depend_on_the_others() -> None:
    both = MODELS["BayesianSVD"]().fit(part(~LATE)).fold_in(part(GIVEN), unknown_items="add")
    one = MODELS["BayesianSVD"]().fit(part(~LATE)).fold_in(part(GIVEN & (ITEMS == 47)), unknown_items="add")
    asked = ITEMS == 47
    np.testing.assert_array_equal(
        one.predict(USERS[asked], ITEMS[asked]), both.predict(USERS[asked], ITEMS[asked])
    )


def test_new_items_start_from_their_features_and_count_by_sessions() -> None:
    """With features and few ratings, the prior mean is that of the features; times find known sessions."""
    times = 880_000_000 + 86_400 * (USERS % 7) + 3_600 * (np.arange(len(USERS)) % 5)
    genre = np.where(np.arange(N_ITEMS) % 2, "War", "Comedy")
    values = np.clip(VALUES + np.where(ITEMS % 2, 1.5, -1.5), 0.5, 6)

    def table(items: Any) -> dict[str, Any]:
        return {"item": items, "genre": genre[items].tolist()}

    model = cf.BayesianSVD(**SAMPLER)
    model.fit((USERS[~LATE], ITEMS[~LATE], values[~LATE], times[~LATE]), item_features=table(np.arange(NEW)))
    rating = ([1, 1], [46, 47], [3.0, 3.0], [880_100_000, 880_100_000])
    model.fold_in(rating, unknown_items="add", item_features=table(np.array([46, 47])))
    comedy, war = model.predict(np.arange(60), np.full(60, 46)), model.predict(np.arange(60), np.full(60, 47))
    assert np.mean(war) > np.mean(comedy) + 1
    model.partial_fit(rating, 8)  # goes on from there
    assert model.item_counts_[np.searchsorted(model.item_ids_, 46)] == 1
