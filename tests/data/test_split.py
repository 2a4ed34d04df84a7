"""Splits: each row once, one vocabulary, the same parts for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

import cfcore as cf


@pytest.fixture(scope="module")
def ratings() -> cf.Ratings:
    return cf.datasets.synthetic(50, 40, 600, random_state=3)


def rows_of(part: cf.Ratings) -> set[tuple[int, int]]:
    return set(zip(part.user_codes.tolist(), part.item_codes.tolist(), strict=True))


def check_parts(whole: cf.Ratings, train: cf.Ratings, test: cf.Ratings) -> None:
    assert rows_of(train) | rows_of(test) == rows_of(whole)
    assert len(train) + len(test) == len(whole)
    assert train.user_ids is test.user_ids is whole.user_ids
    assert train.scale == test.scale == whole.scale


def test_holdout(ratings: cf.Ratings) -> None:
    train, test = cf.split.holdout(ratings, test=0.25, random_state=1)
    check_parts(ratings, train, test)
    assert len(test) == 150
    again, other = (cf.split.holdout(ratings, 0.25, random_state=seed)[1] for seed in (1, 2))
    assert rows_of(test) == rows_of(again) != rows_of(other)


def test_kfold(ratings: cf.Ratings) -> None:
    parts = list(cf.split.kfold(ratings, 7, random_state=1))
    assert len(parts) == 7
    for train, test in parts:
        check_parts(ratings, train, test)
        assert len(test) in (85, 86)
    assert set.union(*(rows_of(test) for _, test in parts)) == rows_of(ratings)


def test_by_time(ratings: cf.Ratings) -> None:
    train, test = cf.split.by_time(ratings, test=0.2)
    check_parts(ratings, train, test)
    assert train.timestamps is not None
    assert test.timestamps is not None
    assert train.timestamps.max() < test.timestamps.min()
    assert len(test) == pytest.approx(120, abs=5)


def test_by_time_never_divides_ratings_of_one_timestamp() -> None:
    whole = cf.Ratings(np.arange(10), np.ones(10, dtype=int), np.ones(10), [1, 2, 2, 2, 2, 2, 2, 2, 3, 3])
    assert len(cf.split.by_time(whole, test=0.3)[1]) == 2
    assert len(cf.split.by_time(whole, test=0.8)[1]) == 9


def test_ratings_of_every_type_can_be_split() -> None:
    columns = (np.arange(10), np.arange(10), np.ones(10), np.arange(10))
    assert [len(part) for part in cf.split.holdout(columns, 0.3, 0)] == [7, 3]
    assert [len(part) for part in cf.split.by_time(columns, 0.2)] == [8, 2]
    assert [len(test) for _, test in cf.split.kfold(columns, 2, 0)] == [5, 5]
    with pytest.raises(cf.DataError, match="ratings must be"):
        cf.split.holdout([1, 2])


def test_refused(ratings: cf.Ratings) -> None:
    for fraction in (0, 1, -0.5, 3, 0.0001, 0.9999):
        with pytest.raises(ValueError, match="test"):
            cf.split.holdout(ratings, fraction)
        with pytest.raises(ValueError, match="test"):
            cf.split.by_time(ratings, fraction)
    for k in (1, 0, 601, 2.5):
        with pytest.raises(ValueError, match="k must be an integer from 2"):
            cf.split.kfold(ratings, k)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs ratings with timestamps"):
        cf.split.by_time(cf.Ratings([1, 2], [1, 1], [1, 2]))
    with pytest.raises(ValueError, match="two different timestamps"):
        cf.split.by_time(cf.Ratings([1, 2], [1, 1], [1, 2], [5, 5]), 0.5)


def test_repeated_kfold(ratings: cf.Ratings) -> None:
    parts = list(cf.split.repeated_kfold(ratings, 3, 2, random_state=1))
    assert len(parts) == 6
    for train, test in parts:
        check_parts(ratings, train, test)
    for start in (0, 3):
        assert set().union(*(rows_of(test) for _, test in parts[start : start + 3])) == rows_of(ratings)
    assert rows_of(parts[0][1]) != rows_of(parts[3][1])
    with pytest.raises(ValueError, match="repeats"):
        cf.split.repeated_kfold(ratings, 3, 0)


def test_user_holdout_takes_a_fraction_of_each_user(ratings: cf.Ratings) -> None:
    train, test = cf.split.user_holdout(ratings, 0.2, random_state=1)
    check_parts(ratings, train, test)
    np.testing.assert_array_equal(test.user_counts, ratings.user_counts // 5)
    other = cf.split.user_holdout(ratings, 0.2, random_state=2)[1]
    assert rows_of(test) != rows_of(other)
    for bad in (0, 1, 1e-9):
        with pytest.raises(ValueError, match="test"):
            cf.split.user_holdout(ratings, bad)


def test_leave_k_out(ratings: cf.Ratings) -> None:
    train, test = cf.split.leave_k_out(ratings, 3, random_state=1)
    check_parts(ratings, train, test)
    np.testing.assert_array_equal(test.user_counts, np.where(ratings.user_counts > 3, 3, 0))
    small = cf.Ratings([1, 1, 1, 2, 2], [1, 2, 3, 1, 2], [1, 2, 3, 4, 5], [7, 9, 9, 2, 1])
    latest = cf.split.leave_k_out(small, latest=True)[1]
    assert rows_of(latest) == {(0, 2), (1, 0)}
    assert rows_of(cf.split.leave_k_out(small, 2, latest=True)[1]) == {(0, 1), (0, 2)}
    for k in (0, 1.5, True):
        with pytest.raises(ValueError, match="k must"):
            cf.split.leave_k_out(small, k)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no user"):
        cf.split.leave_k_out(small, 3)
    with pytest.raises(ValueError, match="timestamps"):
        cf.split.leave_k_out(cf.Ratings([1, 1], [1, 2], [1, 2]), latest=True)


def test_time_folds_train_on_earlier_ratings(ratings: cf.Ratings) -> None:
    times = ratings.timestamps
    assert times is not None
    seen = 0
    for train, test in cf.split.time_folds(ratings, 4):
        assert train.timestamps is not None
        assert test.timestamps is not None
        assert train.timestamps.max() < test.timestamps.min()
        assert len(train) == np.sum(times < test.timestamps.min())
        assert abs(len(test) - len(ratings) / 5) < 0.05 * len(ratings)
        seen += len(test)
    assert len(train) + len(test) == len(ratings)
    assert abs(seen - 0.8 * len(ratings)) < 0.05 * len(ratings)
    with pytest.raises(ValueError, match="3 parts"):
        cf.split.time_folds(cf.Ratings([1, 1, 2], [1, 2, 1], [1, 2, 3], [5, 5, 6]), 2)
    with pytest.raises(ValueError, match="timestamps"):
        cf.split.time_folds(cf.Ratings([1, 1], [1, 2], [1, 2]), 1)


#: Digests of the parts that version 0.1.0 made; every split with the same seed must stay as it was.
SPLITS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "holdout": (lambda r: [cf.split.holdout(r, 0.25, 1)], "2fbc0bbde281432f"),
    "kfold": (lambda r: cf.split.kfold(r, 7, 1), "758640db6a20d2de"),
    "repeated_kfold": (lambda r: cf.split.repeated_kfold(r, 3, 2, 1), "9f3b5cc61400c8f2"),
    "user_holdout": (lambda r: [cf.split.user_holdout(r, 0.2, 1)], "d87e18f591a3b38e"),
    "leave_k_out": (lambda r: [cf.split.leave_k_out(r, 3, random_state=1)], "497e44652f2d657a"),
    "latest": (lambda r: [cf.split.leave_k_out(r, 2, latest=True)], "934fba1824eaa111"),
    "by_time": (lambda r: [cf.split.by_time(r, 0.2)], "f472161a952a689b"),
    "time_folds": (lambda r: cf.split.time_folds(r, 4), "baff87f530f4215d"),
}


@pytest.mark.parametrize(("split", "digest"), SPLITS.values(), ids=SPLITS)
def test_parts_are_those_of_earlier_versions(
    ratings: cf.Ratings, split: Callable[[Any], Iterable[tuple[cf.Ratings, ...]]], digest: str
) -> None:
    found = hashlib.sha256()
    for pair in split(ratings):
        for part in pair:
            for column in (part.user_codes, part.item_codes, part.values, part.timestamps):
                assert column is not None
                found.update(np.ascontiguousarray(column).tobytes())
    assert found.hexdigest()[:16] == digest


THREE: dict[str, Callable[..., Any]] = {
    "holdout": lambda r, **how: cf.split.holdout(r, (0.2, 0.1), 1, **how),
    "users": lambda r, **how: cf.split.users(r, (0.2, 0.1), 1, **how),
    "items": lambda r, **how: cf.split.items(r, (0.2, 0.1), 1, **how),
    "user_holdout": lambda r, **how: cf.split.user_holdout(r, [0.2, 0.1], 1, **how),
    "by_time": lambda r, **how: cf.split.by_time(r, np.array([0.2, 0.1]), **how),
    "by_time at": lambda r, **how: cf.split.by_time(r, at=("2008", "2010-06"), **how),
    "leave_k_out": lambda r, **how: cf.split.leave_k_out(r, (2, 1), random_state=1, **how),
    "latest": lambda r, **how: cf.split.leave_k_out(r, (2, 1), latest=True, **how),
}


@pytest.mark.parametrize("split", THREE.values(), ids=THREE)
def test_three_parts_and_their_rows(ratings: cf.Ratings, split: Callable[..., Any]) -> None:
    train, valid, test, *rows = split(ratings, return_rows=True)
    assert sorted(np.concatenate(rows).tolist()) == list(range(len(ratings)))
    for part, own in zip((train, valid, test), rows, strict=True):
        assert own.dtype == np.int64
        assert (np.diff(own) > 0).all()
        assert rows_of(part) == rows_of(ratings.subset(own))
        assert part.user_ids is ratings.user_ids
        assert part.scale == ratings.scale
    again = split(ratings)
    assert [part.values.tolist() for part in again] == [part.values.tolist() for part in (train, valid, test)]


def test_fractions_of_three_parts(ratings: cf.Ratings) -> None:
    sizes = [len(part) for part in cf.split.holdout(ratings, (0.2, 0.1), 1)]
    assert sizes == [420, 120, 60]
    for given in ((0.7, 0.2, 0.1), [0.7, 0.2, 0.1]):
        assert [len(part) for part in cf.split.holdout(ratings, given, 1)] == sizes
    assert [len(part) for part in cf.split.holdout(ratings, [1 / 3] * 3, 1)] == [200] * 3
    assert len(cf.split.holdout(ratings, (0.2, 0.1, 0.1, 0.1), 1)) == 5
    assert [len(part) for part in cf.split.holdout(ratings, np.array(0.25), 1)] == [450, 150]  # type: ignore[arg-type]
    # The test part is that of the same fraction alone.
    assert rows_of(cf.split.holdout(ratings, (0.2, 0.1), 1)[2]) == rows_of(
        cf.split.holdout(ratings, 0.1, 1)[1]
    )
    train, valid, test = cf.split.by_time(ratings, (0.2, 0.1))
    assert train.timestamps.max() < valid.timestamps.min() <= valid.timestamps.max() < test.timestamps.min()
    assert [len(part) for part in (train, valid, test)] == pytest.approx(sizes, abs=5)
    assert rows_of(test) == rows_of(cf.split.by_time(ratings, 0.1)[1])
    _, valid, test = cf.split.leave_k_out(ratings, (2, 1), latest=True)
    assert rows_of(test) == rows_of(cf.split.leave_k_out(ratings, 1, latest=True)[1])
    assert rows_of(test) | rows_of(valid) == rows_of(cf.split.leave_k_out(ratings, 3, latest=True)[1])
    for wrong in ((0.6, 0.6), (), (1.0,), (0.5, -0.1), (0.1, "a"), "half", True, (0.999, 0.0001)):
        for split in (cf.split.holdout, cf.split.users, cf.split.user_holdout, cf.split.by_time):
            with pytest.raises(ValueError, match="test"):
                split(ratings, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["user", "item"])
def test_whole_users_or_items_are_held_out(ratings: cf.Ratings, kind: str) -> None:
    split = {"user": cf.split.users, "item": cf.split.items}[kind]
    some = ratings.subset(slice(0, 300))  # not all users of the vocabulary have ratings
    train, test = split(some, 0.2, random_state=3)
    check_parts(some, train, test)
    counts = [getattr(part, f"{kind}_counts") for part in (some, train, test)]
    assert not ((counts[1] > 0) & (counts[2] > 0)).any()
    present = np.count_nonzero(counts[0])
    assert np.count_nonzero(counts[2]) == round(0.2 * present)
    assert rows_of(test) == rows_of(split(some, 0.2, random_state=3)[1]) != rows_of(split(some, 0.2, 4)[1])
    with pytest.raises(ValueError, match=rf"test=0.001 of {present} {kind}s leaves one part empty"):
        split(some, 0.001)


@pytest.mark.parametrize(
    "split",
    [
        lambda r: cf.split.holdout(r, 0.3, 1, return_rows=True),
        lambda r: next(cf.split.kfold(r, 3, 1, return_rows=True)),
        lambda r: next(cf.split.repeated_kfold(r, 3, 2, 1, return_rows=True)),
        lambda r: next(cf.split.time_folds(r, 1, return_rows=True)),
        lambda r: cf.split.by_time(r, 0.3, return_rows=True),
    ],
)
def test_rows_select_from_the_frame_that_was_split(split: Callable[[Any], Any]) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"user": np.arange(20) % 4, "item": np.arange(20), "rating": np.arange(20.0), "time": np.arange(20)}
    )
    train, test, train_rows, test_rows = split(frame)
    for part, rows in ((train, train_rows), (test, test_rows)):
        assert frame["rating"].iloc[rows].tolist() == part.values.tolist()
    assert sorted([*train_rows, *test_rows]) == list(range(20))


def test_k_core_of_any_input_with_rows() -> None:
    columns = ([1, 1, 2, 2, 3], [5, 6, 5, 6, 7], [1.0, 2.0, 3.0, 4.0, 5.0])
    core, rows = cf.split.k_core(columns, 2, 2, return_rows=True)
    assert rows.tolist() == [0, 1, 2, 3]
    assert core.values.tolist() == cf.split.k_core(columns, users=2, items=2).values.tolist() == [1, 2, 3, 4]


DAY = 86_400
MARCH = 888_710_400  # 1998-03-01


@pytest.mark.parametrize(
    ("at", "n_test"),
    [
        ("1998-03-01", 2),
        ("1998-03", 2),
        ("1998", 3),
        ("19980301", 2),
        (" 1998-03-01 ", 2),
        ("1998-03-01T00:00:01", 1),
        ("1998-03-01 01:00:00+01:00", 2),
        ("1998-02-28T23:59:59Z", 2),
        (date(1998, 3, 1), 2),
        (datetime(1998, 3, 1), 2),
        (datetime(1998, 3, 1, tzinfo=UTC), 2),
        (datetime(1998, 3, 1, tzinfo=timezone(timedelta(hours=-1))), 1),
        (np.datetime64("1998-03-01"), 2),
        (np.datetime64("1998-03-01T00:00:00", "ns"), 2),
        (MARCH, 2),
        (np.int64(MARCH), 2),
        (float(MARCH) + 0.5, 1),
    ],
)
@pytest.mark.parametrize("unit", [1, 1000])
def test_a_moment_divides_by_time(at: Any, n_test: int, unit: int) -> None:
    times = np.array([MARCH + DAY, MARCH - DAY, MARCH, 852_076_800 + DAY]) * unit
    ratings = cf.Ratings([1, 2, 3, 4], [1, 1, 1, 1], [1.0, 2.0, 3.0, 4.0], times)
    assert ratings.timestamps is not None
    if isinstance(at, (int, float, np.integer)):
        at = at * int(ratings.timestamps[2] // MARCH)
    assert len(cf.split.by_time(ratings, at=at)[1]) == n_test


def test_moments_that_cannot_divide() -> None:
    ratings = cf.Ratings([1, 2, 3], [1, 1, 1], [1.0, 2.0, 3.0], [MARCH, MARCH + DAY, MARCH + 2 * DAY])
    for at in ("1998-03-01", "1990-01-01", "2020-01-01", 0, ("1998-03-02", "1999-01-01")):
        with pytest.raises(ValueError, match=r"leaves a part empty: .* 1998-03-01T00:00:00 to 1998-03-03T"):
            cf.split.by_time(ratings, at=at)
    nat = np.datetime64("NaT")
    for at in (
        "March",
        "now",
        "",
        "1998-13-01",
        True,
        nat,
        float("nan"),
        float("inf"),
        [],
        {},
        ["1999", "1998"],
    ):
        with pytest.raises(ValueError, match="at must be a moment"):
            cf.split.by_time(ratings, at=at)
    with pytest.raises(ValueError, match="test or at, not both"):
        cf.split.by_time(ratings, 0.2, at="1998-03-02")
    with pytest.raises(ValueError, match="ratings are from 3 to 9"):
        cf.split.by_time(cf.Ratings([1, 2], [1, 1], [1, 2], [3, 9]), at=100)
    assert [len(part) for part in cf.split.by_time(ratings, at=["1998-03-02", "1998-03-03"])] == [1, 1, 1]


def test_times_that_cannot_be_read_are_left_out_with_a_word() -> None:
    ratings = ([1, 1, 2, 2], [1, 2, 1, 2], [4, 3, 2, 1], ["05/23/2014"] * 4)
    with pytest.warns(
        cf.DataWarning, match=r"times are left out: column 'timestamps': '05/23/2014' at row 0"
    ):
        train, test = cf.split.holdout(ratings, 0.5, random_state=0)
    assert train.timestamps is None
    assert test.timestamps is None
    with pytest.raises(cf.DataError, match="'05/23/2014' at row 0 is neither"):
        cf.split.by_time(ratings, 0.5)
    with pytest.raises(cf.DataError, match="'05/23/2014' at row 0 is neither"):
        cf.split.leave_k_out(ratings, 1, latest=True)
