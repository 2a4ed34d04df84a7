"""Splits: each row once, one vocabulary, the same parts for the same seed."""

from __future__ import annotations

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
