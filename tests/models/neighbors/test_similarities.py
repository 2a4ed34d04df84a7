"""The models' call of the similarity kernel: how ratings are packed, options, progress."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.config import config
from cfcore.kernels.records import (
    MEASURES,
    LevelRatings,
    NearestRows,
    SimilarityMatrix,
    SimilarityRule,
    ValueRatings,
)
from cfcore.models.neighbors.similarities import Comparison, pack
from cfcore.threads import policy, workers_of_last_call

Array = np.ndarray[Any, Any]

SCALES = {
    "whole stars": np.arange(1, 6),
    "half stars": np.arange(1, 11) / 2,
    "0 to 10": np.arange(11),
    "negative": np.arange(-10, -4),
    "too many levels": np.arange(0, 40) / 2,
    "floats": np.array([0.1, 1.7, 2.3, math.pi, -5.5]),
    "thumbs": np.array([0, 1]),
}


def some_ratings(scale: Array, n_users: int = 40, n_items: int = 25, seed: int = 0) -> cf.Ratings:
    rng = np.random.default_rng(seed)
    users, items = np.nonzero(rng.random((n_users, n_items)) < 0.6)
    return cf.Ratings(users, items, rng.choice(scale, len(users)))


def compared(by_row: Any, by_col: Any, rule: SimilarityRule, **options: Any) -> Any:
    """The matrix, or the nearest rows."""
    return Comparison(by_row, by_col, rule, **options).run()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("measure", MEASURES)
def test_compiled_and_reference_agree_on_every_scale(scale: str, measure: str) -> None:
    ratings = some_ratings(SCALES[scale])
    sides, rule = (ratings.by_item, ratings.by_user), SimilarityRule(measure, 10.0, 2, -0.5)
    found = compared(*sides, rule, dtype=np.float64)
    with cf.backend("reference"):
        expected = compared(*sides, rule, dtype=np.float64)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-6, atol=1e-9)
    assert (found.values == found.values.T).all()
    assert (np.diagonal(found.values) == 1).all()


@pytest.mark.parametrize("scale", SCALES)
def test_pearson_is_that_of_numpy(scale: str) -> None:
    rng = np.random.default_rng(1)
    dense = rng.choice(SCALES[scale], (30, 8)).astype(np.float64)
    dense[:2] = SCALES[scale][[0, -1]][:, None]  # every column has some variance
    users, items = np.indices(dense.shape).reshape(2, -1)
    ratings = cf.Ratings(users, items, dense.ravel())
    found = compared(ratings.by_item, ratings.by_user, SimilarityRule("pearson"), dtype=np.float64)
    np.testing.assert_allclose(found.values, np.corrcoef(dense.T), atol=1e-6)


def test_levels_are_packed_where_ratings_are_on_a_grid_and_only_there() -> None:
    for name, scale in SCALES.items():
        ratings = some_ratings(scale)
        packed = pack(ratings.by_item, ratings.by_user, "pearson")
        on_grid = name not in ("floats", "too many levels")
        assert type(packed) is (LevelRatings if on_grid else ValueRatings), name
    for scale in SCALES.values():
        ratings = some_ratings(scale)
        assert type(pack(ratings.by_item, ratings.by_user, "jaccard")) is LevelRatings  # values do not matter


def test_kinds_of_results() -> None:
    ratings = some_ratings(SCALES["half stars"])
    sides, rule = (ratings.by_user, ratings.by_item), SimilarityRule("cosine")
    for dtype in (np.float32, np.float64):
        matrix = compared(*sides, rule, dtype=dtype)
        nearest = compared(*sides, rule, top_k=3, dtype=dtype)
        assert isinstance(matrix, SimilarityMatrix)
        assert isinstance(nearest, NearestRows)
        assert matrix.values.dtype == nearest.values.dtype == dtype
        others = matrix.values - 9 * np.eye(ratings.n_users, dtype=dtype)
        best = np.argsort(-others, axis=1, kind="stable")[:, :3]
        np.testing.assert_array_equal(nearest.codes, best)
        np.testing.assert_array_equal(nearest.values, np.take_along_axis(others, best, axis=1))


def test_values_given_apart_are_used_in_place_of_the_ratings() -> None:
    ratings = some_ratings(SCALES["whole stars"])
    by_item, by_user = ratings.by_item, ratings.by_user
    # The adjusted cosine: ratings less the mean of the co-rater, a user here.
    counts = np.diff(by_user.indptr)
    means = np.add.reduceat(by_user.values, by_user.indptr[:-1]) / counts
    values = (by_user.values - np.repeat(means, counts)).astype(np.float32)
    centred = cf.Ratings(np.repeat(np.arange(ratings.n_users), counts), by_user.indices, values)
    rule = SimilarityRule("cosine")
    apart = compared(by_item, by_user, rule, row_values=values[by_item.to_other], col_values=values)
    own = compared(centred.by_item, centred.by_user, rule)
    np.testing.assert_array_equal(apart.values, own.values)
    assert (apart.values != compared(by_item, by_user, rule).values).any()


@pytest.mark.parametrize("top_k", [None, 4])
def test_progress_adds_up_to_the_rows(top_k: int | None) -> None:
    ratings = some_ratings(SCALES["whole stars"], n_items=70)
    done: list[int] = []
    rule = SimilarityRule("pearson")
    Comparison(ratings.by_item, ratings.by_user, rule, top_k=top_k).run(done.append)
    assert sum(done) == 70


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"top_k": 0}, SimilarityRule("cosine")),
        ({"top_k": 3}, SimilarityRule("cosine", no_overlap=1.0)),
        ({"dtype": np.int32}, SimilarityRule("cosine")),
        ({"n_threads": 0}, SimilarityRule("cosine")),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], rule: SimilarityRule) -> None:
    ratings = some_ratings(SCALES["thumbs"])
    with policy(minimum_work=0), pytest.raises(ValueError, match=next(iter(options))):
        compared(ratings.by_item, ratings.by_user, rule, **options)


@pytest.mark.parametrize("top_k", [None, 4])
def test_parts_are_the_whole(top_k: int | None) -> None:
    ratings = some_ratings(SCALES["half stars"], n_users=900, n_items=150)
    sides, rule = (ratings.by_item, ratings.by_user), SimilarityRule("cosine")
    whole, partly = (Comparison(*sides, rule, top_k=top_k) for _ in range(2))
    parts = partly.parts()
    ranges = [part for part in parts if part.stage == 0]
    assert len(ranges) >= 3
    assert ranges[0].begin == 0
    assert ranges[-1].end == ratings.n_items
    for one, following in pairwise(ranges):
        assert one.end == following.begin
    assert [part.stage for part in parts[len(ranges) :]] == ([1] if top_k is None else [])
    for part in [*ranges[::-1], *parts[len(ranges) :]]:
        partly.run_part(part)
    for (_, found, _), (_, expected, _) in zip(partly.found.arrays(), whole.run().arrays(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_small_comparisons_wake_no_threads() -> None:
    ratings = some_ratings(SCALES["half stars"])
    sides, rule = (ratings.by_item, ratings.by_user), SimilarityRule("cosine")
    compared(*sides, rule, n_threads=3)
    assert workers_of_last_call() == 1
    with policy(minimum_work=0):
        compared(*sides, rule, n_threads=3)
        if config()["openmp"]:
            assert workers_of_last_call() == 3
    large = some_ratings(SCALES["half stars"], n_users=900, n_items=150)
    compared(large.by_item, large.by_user, rule, n_threads=3)
    if config()["openmp"]:
        assert workers_of_last_call() == 3


# What surprise.similarities.pearson_baseline of scikit-surprise 1.1.5 gives for these ratings (0: none),
# with min_support=2 and shrinkage=100: the upper triangle.
SURPRISE_RATINGS = np.array(
    [
        [4, 5, 1, 0, 3],
        [3, 0, 2, 5, 0],
        [2, 0, 3, 3, 0],
        [1, 1, 1, 0, 5],
        [1, 4, 0, 2, 2],
        [3, 2, 0, 0, 5],
        [0, 5, 1, 2, 4],
        [3, 4, 0, 4, 1],
    ]
)
SURPRISE_MEAN = 3.2
SURPRISE_ITEM_BIAS = np.array([0.3, -0.2, 0.1, 0, -0.4])
SURPRISE_USER_BIAS = np.array([0.1, -0.1, 0.4, 0, 0.2, -0.3, -0.2, 0.05])
SURPRISE_SIMILARITIES = [
    1.063477161e-02, 1.672309783e-02, 1.270816205e-02, -5.841926024e-03, -6.473004090e-03,
    -1.078284167e-02, -1.627258086e-02, 8.383362436e-04, -1.574630774e-02, -5.737753718e-03,
]  # fmt: skip


def test_koren_pearson_is_that_of_surprise() -> None:
    users, items = np.nonzero(SURPRISE_RATINGS)
    train = cf.Ratings(users, items, SURPRISE_RATINGS[users, items])
    by_item, by_user = train.by_item, train.by_user
    own_users = np.repeat(np.arange(train.n_users), np.diff(by_user.indptr))
    biases = SURPRISE_ITEM_BIAS[by_user.indices] + SURPRISE_USER_BIAS[own_users]
    of_users = (by_user.values - SURPRISE_MEAN - biases).astype(np.float32)
    similar = compared(
        by_item, by_user, SimilarityRule("cosine", shrinkage=100.0, min_support=2), dtype=np.float64,
        row_values=of_users[by_item.to_other], col_values=of_users,
    ).values  # fmt: skip
    np.testing.assert_allclose(similar[np.triu_indices(5, 1)], SURPRISE_SIMILARITIES, rtol=2e-5)
