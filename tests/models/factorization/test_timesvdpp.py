"""`TimeSVDpp`: accuracy of its terms of time, days without ratings, and served parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization.time_terms import TERMS

DAY = 86_400
OFF = dict.fromkeys(TERMS, False)
ON = dict.fromkeys(TERMS, True)


def sample(n: int = 1500, seed: int = 0) -> tuple[Any, ...]:
    """Users that rate on a few days each, with an offset of the day, and items with a trend."""
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
    names = ("user_bias", "item_bias", "user_factors", "item_factors", "implicit_factors")
    static = cf.TimeSVDpp(**model.get_params() | OFF).fit(train)
    static = static.with_parameters(**{name: getattr(model, f"{name}_") for name in names})
    np.testing.assert_allclose(model.predict(users, items), static.predict(users, items), atol=1e-6)


def test_ratings_without_timestamps_are_refused() -> None:
    with pytest.raises(cf.DataError, match="TimeSVDpp needs ratings with timestamps"):
        small().fit(([1, 2], [1, 2], [3.0, 4.0]))


@pytest.mark.parametrize("value", [1, "yes", (0.1,), (0.1, -1), (0, 0.1)])
def test_bad_terms_are_refused(split: tuple[cf.Ratings, cf.Ratings], value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="day_bias"):
        small(day_bias=value).fit(split[0])


def test_days_that_do_not_fit_are_refused_before_they_are_made(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    with pytest.raises(MemoryError, match=r"user-days need .* MiB are free: fit with day_factors=False"):
        small(n_factors=10**9).fit(split[0])


def test_memory_of_days_is_shown(
    split: tuple[cf.Ratings, cf.Ratings], capsys: pytest.CaptureFixture[str]
) -> None:
    small(n_epochs=1, verbose=1).fit(split[0])
    assert "TimeSVDpp: day_factors of" in capsys.readouterr().err
    small(n_epochs=1, verbose=1, day_factors=False).fit(split[0])
    assert "day_factors" not in capsys.readouterr().err


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


# ---------------------------------------------------------------------- state


def test_parameters_that_do_not_fit_are_named(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    model = small(**ON, n_epochs=1).fit(split[0])
    days = model.day_numbers_.copy()
    days[0] = days[1]
    for fields, message in (
        ({"user_slope": model.user_slope_[1:]}, "user_slope_ has 39 rows; it should have 40, or none"),
        ({"day_bias": model.day_bias_[1:]}, r"day_bias_ has \d+ rows; it should have"),
        ({"user_drift": model.user_drift_[:, 1:].copy()}, "user_drift_ has shape"),
        ({"item_weeks": model.item_weeks_[1:]}, "item_weeks_ has shape"),
        ({"day_scale": model.day_scale_.astype(float)}, "day_scale_ is of float64"),
        ({"bin_edges": model.bin_edges_[1:]}, "item_bins_ has 30 columns; bin_edges_ makes 29 bins"),
        ({"item_frequencies": model.item_frequencies_[:, :1].copy()}, "item_frequencies_ has 1 columns"),
        ({"day_numbers": days}, "day_numbers_ must be ascending in each row"),
        ({"day_indptr": model.day_indptr_[::-1].copy()}, "day_indptr_ must ascend from 0"),
        ({"user_dates": np.full(40, np.nan)}, "user_dates_ must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            model.with_parameters(**fields)


def test_parameters_trained_elsewhere_are_served_without_days() -> None:
    q = np.eye(3, dtype=np.float32)
    model = cf.TimeSVDpp(n_factors=3).with_parameters(
        user_ids=np.array([1, 2]), item_ids=np.array([10, 20, 30]), scale=(1, 5), mean=3.0,
        user_factors=q[:2], item_factors=q, implicit_factors=np.zeros((3, 3), dtype=np.float32),
    )  # fmt: skip
    assert model.predict([1, 1, 7], [10, 20, 99], [0, DAY, DAY]).tolist() == [4.0, 3.0, 3.0]
    assert len(model.day_bias_) == 0


def test_other_factors_of_days_make_other_predictions(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, _ = split
    model = small().fit(train)
    before = model.predict(train)
    other = model.with_parameters(day_factors=-model.day_factors_, day_bias=model.day_bias_ + 1)
    assert not np.array_equal(other.predict(train), before)
    np.testing.assert_array_equal(
        other.predict(train.users, train.items), model.predict(train.users, train.items)
    )
    np.testing.assert_array_equal(model.predict(train), before)


def test_cosines_after_similar_items_in_a_callback(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    # Large first factors that shrink: norms of an early epoch would make cosines too small or too large.
    model = small(reg=3.0, init_scale=1.0, n_epochs=6)
    found = []

    def watch(epochs: int, history: dict[str, list[float]]) -> None:
        found.append(model.similar_items(7, 59)[1])
        model.similar_users(7)

    model.fit(split[0], callback=watch)
    code = int(np.flatnonzero(model.item_ids_ == 7)[0])
    unit = model.item_factors_ / np.linalg.norm(model.item_factors_, axis=1, keepdims=True)
    cosines = np.sort(np.delete(unit @ unit[code], code))[::-1]
    np.testing.assert_allclose(model.similar_items(7, 59)[1], cosines, rtol=1e-4, atol=1e-5)
    assert not np.array_equal(found[0], found[-1])
