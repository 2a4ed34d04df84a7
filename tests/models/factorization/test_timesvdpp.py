"""TimeSVDpp: what time buys, what it leaves alone, and days never seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization import timesvdpp
from cfcore.models.factorization.timesvdpp import TERMS

DAY = 86_400
OFF = dict.fromkeys(TERMS, False)
ON = dict.fromkeys(TERMS, True)


def sample(n: int = 1500, seed: int = 0) -> tuple[Any, ...]:
    """Users who rate on a few days each, with a mood of the day and items that come into fashion."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, 40, n), rng.integers(0, 60, n)
    days = (users * 7 + rng.integers(0, 4, n) * 30) % 200
    mood = rng.normal(0, 0.8, (40, 200))[users, days]
    values = np.clip(np.round(3.2 + mood + 0.01 * (days - 100) * (items % 3 - 1)), 1, 5)
    first = np.unique(users * 60 + items, return_index=True)[1]
    return users[first], items[first], values[first], 880_000_000 + days[first] * DAY


@pytest.fixture(scope="module")
def split() -> tuple[cf.Ratings, cf.Ratings]:
    return cf.split.holdout(cf.Ratings(*sample()), 0.2, random_state=0)


def small(**params: Any) -> cf.TimeSVDpp:
    return cf.TimeSVDpp(**({"n_factors": 6, "n_epochs": 15, "random_state": 0} | params))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_without_terms_of_time_it_is_svdpp(split: tuple[cf.Ratings, cf.Ratings], dtype: str) -> None:
    train, test = split
    timed = small(**OFF, dtype=dtype).fit(train)
    plain = cf.SVDpp(n_factors=6, n_epochs=15, random_state=0, dtype=dtype).fit(train)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(timed.item_factors_, plain.item_factors_, rtol=0, atol=tolerance)
    np.testing.assert_allclose(timed.predict(test), plain.predict(test), rtol=0, atol=tolerance)
    for name in TERMS:
        assert getattr(timed, f"{name}_").size == 0


def test_moods_of_days_are_learned(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, test = split
    errors = [
        cf.metrics.rmse(test.values, model.fit(train).predict(test))
        for model in (small(**OFF, n_epochs=40), small(**OFF | {"day_bias": (0.05, 0.05)}, n_epochs=40))
    ]
    assert errors[1] < 0.8 * errors[0]


def test_real_ratings_within_the_training_part() -> None:
    rows, _ = cf.datasets.load("ml-100k", split="u1")
    train, held_out = cf.split.holdout(rows, 0.2, random_state=0)
    plain, timed = (
        cf.metrics.rmse(held_out.values, model.fit(train).predict(held_out))
        for model in (cf.SVDpp(random_state=0), cf.TimeSVDpp(random_state=0))
    )
    assert timed < plain - 0.002


def test_terms_of_time_do_no_harm_where_ratings_are_sparse() -> None:
    rows, _ = cf.datasets.load("ml-100k", split="u1")
    few = rows.subset(np.random.default_rng(0).random(len(rows)) < 0.1)
    train, held_out = cf.split.holdout(few, 0.2, random_state=0)
    plain, timed = (
        cf.metrics.rmse(held_out.values, model.fit(train).predict(held_out))
        for model in (cf.SVDpp(random_state=0), cf.TimeSVDpp(random_state=0))
    )
    assert timed < plain + 0.002


@pytest.mark.parametrize("name", TERMS)
def test_each_term_has_its_own_switch(split: tuple[cf.Ratings, cf.Ratings], name: str) -> None:
    train, _ = split
    model = small(**OFF | {name: True}, n_epochs=3).fit(train)
    start = 1.0 if name == "user_scale" else 0.0
    assert np.any(getattr(model, f"{name}_") != start)
    assert all(getattr(model, f"{other}_").size == 0 for other in TERMS if other != name)


def test_a_day_never_seen_drops_the_terms_of_days(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, _ = split
    model = small(**ON).fit(train)
    user, item = int(train.users[0]), int(train.items[0])
    code_u, code_i = train.user_codes[0], train.item_codes[0]
    far = int(train.timestamps.max()) + 1000 * DAY
    date = np.datetime64(far // DAY, "D")
    week = int((date - date.astype("datetime64[Y]").astype("datetime64[D]")).astype(int)) // 7
    dev = abs(far // DAY - model.user_dates_[code_u]) ** 0.4
    own = model.seen_items_[model.seen_indptr_[code_u] : model.seen_indptr_[code_u + 1]]
    taste = model.user_factors_[code_u] + dev * model.user_drift_[code_u]
    taste = taste + model.implicit_factors_[own].sum(axis=0) / np.sqrt(len(own))
    of_item = (model.item_bias_[code_i] + model.item_bins_[code_i, -1]) * model.user_scale_[code_u]
    of_item += model.item_weekdays_[code_i, (far // DAY + 3) % 7] + model.item_weeks_[code_i, week]
    of_user = model.user_bias_[code_u] + model.user_slope_[code_u] * dev
    expected = model.mean_ + of_user + of_item + taste @ model.item_factors_[code_i]
    assert model.predict(user, item, far) == pytest.approx(np.clip(expected, *model.scale_), abs=1e-5)
    early = model.predict(user, item, 0)  # before the first bin: the nearest is taken
    assert np.isfinite(early)


def test_without_timestamps_predictions_are_for_the_mean_date(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, test = split
    model = small(**OFF | {"user_slope": True, "user_drift": True}).fit(train)
    users, items = np.asarray(test.users), np.asarray(test.items)
    static = cf.TimeSVDpp(**model.get_params() | OFF)
    static.fit(train)
    for name in ("user_bias_", "item_bias_", "user_factors_", "item_factors_", "implicit_factors_"):
        setattr(static, name, getattr(model, name))
    static._cache.clear()
    np.testing.assert_allclose(model.predict(users, items), static.predict(users, items), atol=1e-6)


def test_ratings_without_timestamps_are_refused() -> None:
    with pytest.raises(cf.DataError, match="TimeSVDpp needs ratings with timestamps"):
        small().fit(([1, 2], [1, 2], [3.0, 4.0]))


@pytest.mark.parametrize("value", [1, "yes", (0.1,), (0.1, -1), (0, 0.1)])
def test_bad_terms_are_refused(split: tuple[cf.Ratings, cf.Ratings], value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="day_bias"):
        small(day_bias=value).fit(split[0])


def test_days_that_do_not_fit_are_refused_before_they_are_made(
    split: tuple[cf.Ratings, cf.Ratings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timesvdpp, "available_memory", lambda: 1000)
    with pytest.raises(MemoryError, match=r"user-days need .* day_factors=False"):
        small().fit(split[0])
    small(day_factors=False).fit(split[0])


def test_pairs_of_rates_survive_files_and_clones(
    split: tuple[cf.Ratings, cf.Ratings], tmp_path: Path
) -> None:
    train, test = split
    model = small(day_bias=(0.02, 0.1), item_weeks=True).fit(train)
    model.save(tmp_path / "model")
    loaded = cf.load(tmp_path / "model")
    assert tuple(loaded.get_params()["day_bias"]) == (0.02, 0.1)
    np.testing.assert_array_equal(loaded.predict(test), model.predict(test))
    again = loaded.clone().fit(train)
    np.testing.assert_array_equal(again.predict(test), model.predict(test))


def test_the_twin_agrees(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, test = split
    params = {**ON, "n_epochs": 2, "dtype": "float64"}
    compiled = small(**params).fit(train)
    with cf.backend("reference"):
        twin = small(**params).fit(train)
        from_twin = twin.predict(test)
    np.testing.assert_allclose(from_twin, compiled.predict(test), rtol=0, atol=1e-10)


def test_the_scale_of_ratings_is_only_a_scale(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, test = split
    tenfold = cf.Ratings(train.users, train.items, train.values * 10, train.timestamps)
    small_, large = (small(dtype="float64", n_epochs=5).fit(x) for x in (train, tenfold))
    np.testing.assert_allclose(large.predict(test), 10 * small_.predict(test), rtol=0, atol=0.5)
