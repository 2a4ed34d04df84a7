"""`fold_in` and `partial_fit` of `TimeSVDpp`: what becomes of days, and of the terms that they have."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization.time_terms import TERMS
from cfcore.models.factorization.time_update import DAMPING

FIRST, DAY = 880_000_000, 86_400
OFF, ON = dict.fromkeys(TERMS, False), dict.fromkeys(TERMS, True)


def some_ratings(n_users: int = 40, n_items: int = 30, n: int = 700) -> cf.Ratings:
    """Users 10, 12, ... who rate on up to four days, with a mood of the day."""
    rng = np.random.default_rng(0)
    cells = rng.choice(n_users * n_items, n, replace=False)
    users, items = cells // n_items, cells % n_items
    days = (users * 5 + items % 4 * 20) % 90
    mood = rng.normal(0, 0.9, (n_users, 90))[users, days]
    values = np.clip(np.round(3 + mood + 0.5 * (items % 3 - 1)), 1, 5)
    return cf.Ratings(users * 2 + 10, items + 100, values, FIRST + DAY * days, scale=(1, 5))


RATINGS = some_ratings()
LATE = RATINGS.users % 5 == 0
EARLY, LATER = RATINGS.subset(~LATE), RATINGS.subset(LATE)


def fitted(**params: Any) -> cf.TimeSVDpp:
    model = cf.TimeSVDpp(**({"n_factors": 4, "n_epochs": 8, "random_state": 0} | params))
    return model.fit(cf.Ratings(EARLY.users, EARLY.items, EARLY.values, EARLY.timestamps, scale=(1, 5)))


def days_of(model: cf.TimeSVDpp, user: int) -> tuple[list[int], slice]:
    """The days that the model knows of a user, and where they are in its arrays."""
    code = np.flatnonzero(model.user_ids_ == user)[0]
    span = slice(model.day_indptr_[code], model.day_indptr_[code + 1])
    return model.day_numbers_[span].tolist(), span


def own(model: cf.TimeSVDpp, user: int) -> dict[str, list[Any]]:
    """What the model has learned of a user."""
    days, span = days_of(model, user)
    code = np.flatnonzero(model.user_ids_ == user)[0]
    names = [name for name in TERMS if name[:4] != "item" and len(getattr(model, f"{name}_"))]
    found = {name: getattr(model, f"{name}_") for name in ("user_bias", "user_factors", *names)}
    return {
        **{name: array[span if name.startswith("day") else code].tolist() for name, array in found.items()},
        "days": days, "f": model.day_frequencies_[span].tolist(), "date": [model.user_dates_[code]],
    }  # fmt: skip


@pytest.mark.parametrize("method", ["fold_in", "partial_fit"])
def test_without_timestamps_the_model_stays_as_it_was(method: str) -> None:
    model = fitted()
    before = model.predict(RATINGS)
    with pytest.raises(cf.DataError, match="TimeSVDpp needs ratings with timestamps"):
        getattr(model, method)((LATER.users, LATER.items, LATER.values))
    assert model.user_ids_.tolist() == np.unique(EARLY.users).tolist()
    np.testing.assert_array_equal(model.predict(RATINGS), before)


def test_days_are_those_of_all_ratings_and_others_keep_what_they_learned() -> None:
    model, before = fitted(**ON), fitted(**ON)
    model.fold_in(LATER)
    assert len(model.day_bias_) == len(model.day_scale_) == len(model.day_factors_) == model.day_indptr_[-1]
    for user in model.user_ids_.tolist():
        numbers = (RATINGS.timestamps // DAY)[RATINGS.users == user]
        days, span = days_of(model, user)
        distinct, counts = np.unique(numbers, return_counts=True)
        assert days == distinct.tolist()
        powers = model.frequency_base ** np.arange(1, 5)
        assert model.day_frequencies_[span].tolist() == [int(np.sum(powers <= count)) for count in counts]
        assert own(model, user)["date"] == pytest.approx([numbers.mean()])
        if user in before.user_ids_:
            assert own(model, user) == own(before, user)


def test_new_user_is_solved_for_with_all_terms_of_items_and_then_the_days() -> None:
    model = fitted(**ON, dtype="float64")
    user = int(LATER.users[0])
    given = LATER.subset(LATER.users == user)
    model.fold_in(given)
    code = int(np.flatnonzero(model.user_ids_ == user)[0])
    items = np.searchsorted(model.item_ids_, given.items)
    numbers = given.timestamps // DAY
    days, span = days_of(model, user)
    frequencies = model.day_frequencies_[span][np.searchsorted(days, numbers)]
    bins = np.searchsorted(model.bin_edges_, numbers, side="right")
    dates = numbers.astype("datetime64[D]")
    weeks = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) // 7
    target = (
        given.values.astype(float) - model.mean_ - model.item_bias_[items] - model.item_bins_[items, bins]
    )
    target -= model.item_frequencies_[items, frequencies]
    target -= model.item_weekdays_[items, (numbers + 3) % 7] + model.item_weeks_[items, weeks]
    q = model.item_factors_[items]
    sum_y = model.implicit_factors_[np.unique(items)].sum(axis=0) / np.sqrt(len(items))
    target -= q @ sum_y
    design = np.column_stack([q, np.ones(len(q))])
    penalty = model.noise_variance_ * np.linalg.inv(model.user_prior_covariance_)
    mean = model.user_prior_mean_ - np.append(sum_y, 0)  # of the factors without the sum, and of the bias
    solved = mean + np.linalg.solve(design.T @ design + penalty, design.T @ (target - design @ mean))
    np.testing.assert_allclose(model.user_factors_[code], solved[:4], atol=1e-9)
    np.testing.assert_allclose(model.user_bias_[code], solved[4], atol=1e-9)
    left = target - design @ solved
    expected = [left[numbers == day].sum() / (np.count_nonzero(numbers == day) + DAMPING) for day in days]
    np.testing.assert_allclose(model.day_bias_[span], expected, atol=1e-9)
    assert np.abs(expected).max() > 0.01
    others = own(model, user)
    assert others["user_scale"] == 1
    for name in ("user_slope", "user_drift", "day_scale", "day_factors"):
        assert not np.any(others[name])


def test_moods_of_days_given_are_those_of_ratings_to_come() -> None:
    half = np.arange(len(LATER)) % 2 == 0
    model = fitted(**OFF | {"day_bias": True}).fold_in(LATER.subset(half))
    test = LATER.subset(~half)
    dated = cf.metrics.rmse(test.values, model.predict(test))
    assert dated < cf.metrics.rmse(test.values, model.predict(test.users, test.items)) - 0.03


def test_known_user_counts_anew_and_keeps_the_days_rated_before() -> None:
    model = fitted()
    user = int(EARLY.users[0])
    before, _ = days_of(model, user)
    later = max(before) + 1
    model.fold_in(([user, user], [100, 101], [1, 2], [later * DAY, later * DAY + 5]))
    days, span = days_of(model, user)
    assert days == [*before, later]
    assert not model.day_bias_[span][:-1].any()
    assert model.day_bias_[span][-1] < 0
    assert own(model, user)["date"] == [later]


def test_partial_fit_keeps_dates_of_known_users_and_trains_new_days() -> None:
    model = fitted()
    user = int(EARLY.users[0])
    before = own(model, user)
    later = max(before["days"]) + 1
    model.partial_fit(([user, 1], [100, 101], [1, 2], [later * DAY, later * DAY + 5]), n_epochs=2)
    after = own(model, user)
    assert after["date"] == before["date"]
    assert after["days"] == [*before["days"], later]
    assert after["day_bias"][:-1] == before["day_bias"]
    assert after["day_bias"][-1] != 0
    assert own(model, 1)["date"] == [later]


def test_a_day_of_more_ratings_than_any_in_training() -> None:
    model = fitted(item_frequencies=True, frequency_base=2.0)
    n_columns = model.item_frequencies_.shape[1]
    items = np.arange(100, 130)
    model.fold_in((np.ones(30, dtype=int), items, items % 5 + 1, np.full(30, FIRST)))
    assert own(model, 1)["f"] == [4]
    assert n_columns < model.item_frequencies_.shape[1] == 5
    assert np.isfinite(model.predict(1, items, np.full(30, FIRST))).all()
    model.partial_fit((np.ones(30, dtype=int), items, items % 5 + 1, np.full(30, FIRST)))
    assert model.item_frequencies_[:, -1].any()


@pytest.mark.parametrize("terms", [OFF, ON, *(OFF | {name: True} for name in TERMS)], ids=str)
def test_each_term_goes_on_and_survives_files(terms: dict[str, bool], tmp_path: Path) -> None:
    model = fitted(**terms, n_epochs=3)
    model.fold_in(LATER)
    model.save(tmp_path / "model")
    loaded = cf.load(tmp_path / "model")
    first = cf.metrics.rmse(RATINGS.values, model.predict(RATINGS))
    for one, n_threads in ((model, 1), (loaded, 2)):
        one.set_params(n_threads=n_threads).partial_fit(RATINGS)
    np.testing.assert_array_equal(loaded.predict(RATINGS), model.predict(RATINGS))
    assert cf.metrics.rmse(RATINGS.values, model.predict(RATINGS)) < first
    for name in TERMS:
        start = 1.0 if name == "user_scale" else 0.0
        assert bool(np.any(getattr(model, f"{name}_") != start)) == terms[name]


def test_days_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted()
    before = model.predict(RATINGS)
    monkeypatch.setattr("cfcore.models.factorization.timesvdpp.available_memory", lambda: 100)
    with pytest.raises(MemoryError, match="user-days need"):
        model.partial_fit(LATER)
    np.testing.assert_array_equal(model.predict(RATINGS), before)


def test_days_of_ratings_given_have_biases_as_after_fold_in() -> None:
    data = cf.datasets.load("ml-100k")
    late = np.isin(data.user_codes, np.argsort(-data.user_counts)[:50])
    rated = np.random.default_rng(0).random(len(data)) < 0.5
    model = cf.TimeSVDpp(n_factors=8, n_epochs=5, random_state=0).fit(data.subset(~late))
    given, asked = data.subset(late & rated), data.subset(late & ~rated)
    asked = asked.subset(model.knows(items=asked.items))
    given = given.subset(model.knows(items=given.items))
    answers = model.predict(asked, given=given)
    np.testing.assert_allclose(answers, copy.deepcopy(model).fold_in(given).predict(asked), atol=1e-6)
    without = model.predict(asked, given=(given.users, given.items, given.values))
    assert cf.metrics.rmse(asked.values, answers) < cf.metrics.rmse(asked.values, without)
