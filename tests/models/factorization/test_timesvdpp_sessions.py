"""Biases of users' sessions in `TimeSVDpp`: what they gain, later ratings, files, and clocks too coarse."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization.time_terms import TERMS
from cfcore.models.factorization.time_update import DAMPING, SESSION_DAMPING

FIRST, DAY = 880_000_000 // 86_400 * 86_400, 86_400
LENGTHS = [1_800, 120, 15]
#: A scale to which no prediction is clipped.
WIDE = (-99.0, 99.0)
OFF = dict.fromkeys(TERMS, False)
FILES = Path(__file__).parents[2] / "data_files" / "0.1.0"


def pages(n_users: int = 80, seed: int = 0) -> cf.Ratings:
    """Users who rate pages of ten items within some seconds, with moods of pages and of quarter minutes."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        items = rng.permutation(60)
        for page in range(4):
            begin = FIRST + DAY * int(rng.integers(0, 5)) + int(rng.integers(0, DAY - 600))
            mood, moods = rng.normal(0, 1.0), rng.normal(0, 0.5, 4)
            for item in items[page * 10 : page * 10 + 10]:
                time = begin + int(rng.integers(0, 25))
                value = np.clip(np.round(3 + mood + moods[time // 15 % 4] + 0.3 * (item % 3 - 1)), 1, 5)
                rows.append((user, item, value, time))
    users, items, values, times = map(np.array, zip(*rows, strict=True))
    return cf.Ratings(users, items, values, times, scale=(1, 5))


RATINGS = pages()


@pytest.fixture(scope="module")
def split() -> tuple[cf.Ratings, cf.Ratings]:
    return cf.split.holdout(RATINGS, 0.2, random_state=0)


def small(**params: Any) -> cf.TimeSVDpp:
    return cf.TimeSVDpp(**({"n_factors": 4, "n_epochs": 15, "random_state": 0} | params))


def rmse(model: Any, test: cf.Ratings) -> float:
    return float(cf.metrics.rmse(test.values, model.predict(test)))


def test_moods_of_pages_are_learned(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, test = split
    timed, plain = (small(**OFF, sessions=sessions, lr_bias=0.02).fit(train) for sessions in ("auto", None))
    assert timed.session_lengths_.tolist() == LENGTHS
    assert rmse(timed, test) < 0.85 * rmse(plain, test)


@pytest.mark.parametrize("latest", [False, True])
def test_defaults_gain_on_real_ratings(latest: bool) -> None:
    rows, _ = cf.datasets.load("ml-100k", split="u1")
    if latest:
        train, held_out = cf.split.leave_k_out(rows, 10, latest=True)
    else:
        train, held_out = cf.split.holdout(rows, 0.2, random_state=0)
    timed, plain = (cf.TimeSVDpp(sessions=s, random_state=0).fit(train) for s in ("auto", None))
    assert rmse(timed, held_out) < rmse(plain, held_out) - (0.002 if latest else 0.008)


def test_predictions_have_the_biases_of_the_sessions_that_their_times_are_in(
    split: tuple[cf.Ratings, cf.Ratings],
) -> None:
    train, test = split
    model = small(dtype="float64").fit(train).with_parameters(scale=WIDE)
    plain = model.with_parameters(session_bias=np.zeros(len(model.session_bias_)))
    bias, numbers = model.session_bias_, model.session_numbers_
    known = known_half = 0
    for row in range(0, len(test), 7):
        user, item, time = test.users[row], test.items[row], int(test.timestamps[row])
        code = int(np.flatnonzero(model.user_ids_ == user)[0])
        own = slice(*model.session_indptr_[code : code + 2])
        expected = 0.0
        for level, length in enumerate(LENGTHS):
            at = np.flatnonzero(numbers[own] == time // length + level * 2**55)
            expected += bias[own][at].sum()
            known_half += level == 1 and len(at)
        known += expected != 0
        raw = plain.predict(user, item, time)
        assert model.predict(user, item, time) == pytest.approx(raw + expected, abs=1e-12)
        later = time + 400 * DAY
        assert model.predict(user, item, later) == plain.predict(user, item, later)
    assert known > 10
    assert known_half
    np.testing.assert_array_equal(
        model.predict(test, timestamps=False), plain.predict(test, timestamps=False)
    )


@pytest.mark.parametrize("unit", [DAY, None])
def test_coarse_and_rebuilt_clocks_have_no_sessions(unit: int | None) -> None:
    times = FIRST + DAY * np.arange(len(RATINGS)) if unit is None else RATINGS.timestamps // unit * unit
    coarse = RATINGS.with_timestamps(times)
    model, plain = (small(sessions=s, n_epochs=3).fit(coarse) for s in ("auto", None))
    assert not len(model.session_lengths_)
    assert not len(model.session_bias_)
    np.testing.assert_array_equal(model.predict(coarse), plain.predict(coarse))


def test_each_level_has_rates_of_its_own(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    model = small(n_epochs=2).fit(split[0])
    rates = [
        (model.rates_[f"lr_session_{length}"], model.rates_[f"reg_session_{length}"]) for length in LENGTHS
    ]
    assert all(lr > 0 and reg > 0 for lr, reg in rates)
    assert len({lr for lr, _ in rates}) == 3
    assert not any("session" in name for name in small(n_epochs=2, sessions=None).fit(split[0]).rates_)


@pytest.mark.parametrize("value", [True, "day", 1800, False])
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="sessions"):
        small(sessions=value).fit(RATINGS)


def test_the_twin_threads_and_validation_agree(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, test = split
    params = {"n_epochs": 2, "dtype": "float64", "user_slope": True, "item_weeks": True}
    compiled = small(**params, n_threads=1).fit(train, validation=test)
    assert compiled.history_["validation_rmse"][-1] == pytest.approx(
        cf.metrics.rmse(test.values, compiled.predict(test)), abs=1e-3
    )
    more = small(**params, n_threads=3).fit(train)
    np.testing.assert_array_equal(more.session_bias_, compiled.session_bias_)
    np.testing.assert_array_equal(more.predict(test), compiled.predict(test))
    with cf.backend("reference"):
        twin = small(**params).fit(train)
    np.testing.assert_allclose(twin.session_bias_, compiled.session_bias_, rtol=0, atol=1e-10)


# ---------------------------------------------------------------------- files and states


def test_files_pickles_and_checkpoints_keep_sessions(
    split: tuple[cf.Ratings, cf.Ratings], tmp_path: Path
) -> None:
    train, test = split
    model = small(n_epochs=4).fit(train, checkpoint=tmp_path / "fit")
    resumed = small(n_epochs=4).fit(train, checkpoint=tmp_path / "fit")
    model.save(tmp_path / "model")
    for other in (resumed, cf.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        assert other.sessions == "auto"
        np.testing.assert_array_equal(other.session_bias_, model.session_bias_)
        np.testing.assert_array_equal(other.predict(test), model.predict(test))


@pytest.mark.parametrize("name", ["TimeSVDpp", "TimeSVDpp-days"])
def test_files_of_the_first_version_have_none(name: str, tmp_path: Path) -> None:
    model = cf.load(FILES / f"{name}.cf")
    assert model.sessions is None
    assert len(model.session_lengths_) == len(model.session_bias_) == 0
    model.save(tmp_path / "model")
    assert cf.load(tmp_path / "model").sessions is None


def test_other_units_give_the_same_model(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, test = split
    finer = [part.with_timestamps(np.asarray(part.timestamps) * 1000) for part in split]
    with pytest.warns(cf.DataWarning, match="milliseconds"):
        model = small(n_epochs=3).fit(finer[0])
    expected = small(n_epochs=3).fit(train)
    assert model.session_lengths_.tolist() == LENGTHS
    np.testing.assert_array_equal(model.session_bias_, expected.session_bias_)
    np.testing.assert_array_equal(model.predict(finer[1]), expected.predict(test))


def test_sessions_that_do_not_fit_are_named(split: tuple[cf.Ratings, cf.Ratings]) -> None:
    model = small(n_epochs=1).fit(split[0])
    high = model.session_numbers_ + 2**57
    for fields, message in (
        ({"session_bias": model.session_bias_[1:]}, "session_bias_ has shape"),
        (
            {"session_lengths": np.array([1800, 100, 15])},
            "session_lengths_ must be at most 16 parts of a day",
        ),
        (
            {"session_lengths": np.array([1000, 100, 20])},
            "session_lengths_ must be at most 16 parts of a day",
        ),
        ({"session_lengths": np.array([1800, 120])}, "of lengths that session_lengths_ does not have"),
        ({"session_numbers": high}, "of lengths that session_lengths_ does not have"),
        ({"session_numbers": model.session_numbers_[::-1].copy()}, "session_numbers_ must be ascending"),
    ):
        with pytest.raises(ValueError, match=message):
            model.with_parameters(**fields)


# ---------------------------------------------------------------------- later ratings

LATE = RATINGS.users % 5 == 0
EARLY, LATER = RATINGS.subset(~LATE), RATINGS.subset(LATE)


def own(model: cf.TimeSVDpp, user: int) -> dict[int, float]:
    """The biases of a user's sessions, by number."""
    code = int(np.flatnonzero(model.user_ids_ == user)[0])
    span = slice(*model.session_indptr_[code : code + 2])
    return dict(zip(model.session_numbers_[span].tolist(), model.session_bias_[span].tolist(), strict=True))


def fitted(**params: Any) -> cf.TimeSVDpp:
    return small(**params).fit(
        cf.Ratings(EARLY.users, EARLY.items, EARLY.values, EARLY.timestamps, scale=(1, 5))
    )


def test_fold_in_gives_sessions_of_new_users_damped_means() -> None:
    model, before = fitted(dtype="float64"), fitted(dtype="float64")
    user = int(LATER.users[0])
    given = LATER.subset(LATER.users == user)
    model.fold_in(given)
    for other in before.user_ids_[:20].tolist():
        assert own(model, other) == own(before, other)
    # Without days and sessions what is left is that of the other terms.
    none = model.with_parameters(
        day_bias=np.zeros(len(model.day_bias_)), session_bias=np.zeros(len(model.session_bias_)), scale=WIDE
    )
    left = given.values - none.predict(given)
    times, found = np.asarray(given.timestamps), own(model, user)
    for level, length in enumerate([DAY, *LENGTHS]):
        damping = SESSION_DAMPING if level else DAMPING
        numbers = times // length
        sums = {n: left[numbers == n].sum() / (np.sum(numbers == n) + damping) for n in numbers.tolist()}
        if level:
            for number, expected in sums.items():
                assert found.pop(number + (level - 1) * 2**55) == pytest.approx(expected, abs=1e-9)
        left = left - np.array([sums[n] for n in numbers.tolist()])
    assert not found


def test_given_ratings_are_answered_as_after_fold_in() -> None:
    half = np.random.default_rng(0).random(len(LATER)) < 0.6
    given, asked = LATER.subset(half), LATER.subset(~half)
    for params in ({}, OFF):
        model = fitted(**params)
        answers = model.predict(asked, given=given)
        folded = copy.deepcopy(model).fold_in(given)
        np.testing.assert_allclose(answers, folded.predict(asked), atol=1e-6)
        untimed = model.predict(asked, given=(given.users, given.items, given.values))
        assert cf.metrics.rmse(asked.values, answers) < cf.metrics.rmse(asked.values, untimed) - 0.01


def test_partial_fit_trains_new_sessions_and_keeps_others(tmp_path: Path) -> None:
    model = fitted()
    user = int(EARLY.users[0])
    before, when = own(model, user), int(EARLY.timestamps.max()) + 3 * DAY
    model.save(tmp_path / "model")
    new = ([user, user, 999], [1, 2, 3], [1, 1, 5], [when, when + 3, when])
    loaded = cf.load(tmp_path / "model")
    for one, n_threads in ((model, 1), (loaded, 2)):
        one.set_params(n_threads=n_threads).partial_fit(new, n_epochs=3)
    np.testing.assert_array_equal(loaded.session_bias_, model.session_bias_)
    after = own(model, user)
    assert {number: after[number] for number in before} == before
    added = {number: bias for number, bias in after.items() if number not in before}
    assert {number // 2**55 for number in added} == {0, 1, 2}
    assert max(added.values()) < 0
    assert min(own(model, 999).values()) > 0


def test_models_without_sessions_stay_without() -> None:
    model = fitted(sessions=None)
    model.fold_in(LATER.subset(slice(0, 40))).partial_fit(LATER, n_epochs=1)
    assert len(model.session_lengths_) == len(model.session_bias_) == 0
    assert model.session_indptr_.tolist() == [0] * (len(model.user_ids_) + 1)


def test_users_who_are_forgotten_leave_the_sessions_of_others() -> None:
    model, before = fitted(), fitted()
    gone = int(model.user_ids_[3])
    model.forget([gone])
    for user in model.user_ids_.tolist():
        assert own(model, user) == own(before, user)
    assert len(model.session_bias_) == len(before.session_bias_) - len(own(before, gone))


def test_sessions_without_an_effect_are_left_out() -> None:
    values = np.random.default_rng(5).permutation(RATINGS.values)
    shuffled = cf.Ratings(RATINGS.users, RATINGS.items, values, RATINGS.timestamps)
    model = small(n_epochs=2).fit(shuffled)
    assert model.session_lengths_.tolist() == []
    plain = small(n_epochs=2, sessions=None).fit(shuffled)
    np.testing.assert_array_equal(model.predict(shuffled), plain.predict(shuffled))
