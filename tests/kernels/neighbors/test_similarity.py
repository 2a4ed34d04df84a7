"""The similarity kernel against its twin, a naive oracle, and what a user of it relies on."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import cfcore as cf
from cfcore import kernels
from cfcore.models.neighbors import similarities as pairs
from cfcore.kernels.neighbors import similarity
from cfcore.reference.neighbors import similarity as twin

MEASURES = tuple(similarity.MEASURES)
WHOLE_STARS = np.arange(1, 6)
GRIDS = {
    "whole stars": WHOLE_STARS,
    "half stars": np.arange(1, 11) / 2,
    "0 to 10": np.arange(11),
    "negative": np.arange(-10, -4),
    "too many levels": np.arange(0, 40) / 2,
    "floats": np.array([0.1, 1.7, 2.3, math.pi, -5.5]),
    "thumbs": np.array([0, 1]),
}


class Index(NamedTuple):
    """What `pairs.similarities` needs of a compressed side."""

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    to_other: np.ndarray


def both_sides(dense: np.ndarray, rated: np.ndarray) -> tuple[Index, Index]:
    """Ratings by row and by column, from a matrix and a mask; read-only, as those of Ratings are."""
    position = np.full(rated.shape, -1, dtype=np.int64)
    position.T[rated.T] = np.arange(rated.sum())
    other = np.full(rated.shape, -1, dtype=np.int64)
    other[rated] = np.arange(rated.sum())
    sides = []
    for mask, matrix, place in ((rated, dense, position), (rated.T, dense.T, other.T)):
        indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
        values = np.ascontiguousarray(matrix)[mask].astype(np.float32)
        side = Index(indptr, np.nonzero(mask)[1].astype(np.int32), values, place[mask])
        for array in side:
            array.flags.writeable = False
        sides.append(side)
    return sides[0], sides[1]


@st.composite
def ratings(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A small matrix of ratings on some scale, with empty, constant and single-rating rows among its rows."""
    scale = GRIDS[draw(st.sampled_from(sorted(GRIDS)))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 80)), draw(st.integers(1, 25))
    rated = rng.random(shape) < draw(st.sampled_from([0.0, 0.05, 0.4, 1.0]))
    dense = rng.choice(scale, shape)
    dense[rng.random(shape[0]) < 0.3] = scale[0]
    return dense, rated


settings = st.fixed_dictionaries(
    {
        "measure": st.sampled_from(MEASURES),
        "shrinkage": st.sampled_from([0.0, 1.0, 100.0]),
        "min_support": st.integers(0, 4),
        "no_overlap": st.sampled_from([0.0, 1.0, -0.5]),
        "dtype": st.sampled_from([np.float32, np.float64]),
    }
)


def by_definition(x: np.ndarray, y: np.ndarray, union: int, measure: str) -> float:
    """Similarity of two aligned vectors, straight from the textbook, in two passes."""
    if measure == "jaccard":
        return len(x) / union
    if measure == "msd":
        return 1 / (1 + np.mean((x - y) ** 2))
    if measure == "pearson":
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            return 0.0
        x, y = x - x.mean(), y - y.mean()
    if measure == "dot":
        return x @ y
    norms = math.sqrt((x @ x) * (y @ y))
    return (x @ y) / norms if norms > 0 else 0.0


@given(ratings(), settings)
def test_dense_is_what_the_definition_says(data: Any, options: dict[str, Any]) -> None:
    dense, rated = data
    dense = dense.astype(np.float32).astype(np.float64)
    similar = pairs.similarities(*both_sides(dense, rated), n_threads=1, **options)
    expected = np.eye(len(dense))
    for i, j in zip(*np.tril_indices(len(dense), -1), strict=True):
        both = rated[i] & rated[j]
        n, union = both.sum(), (rated[i] | rated[j]).sum()
        value = options["no_overlap"]
        if n:
            value = by_definition(dense[i][both], dense[j][both], union, options["measure"])
            value *= (n - 1) / (n - 1 + options["shrinkage"]) if options["shrinkage"] else 1
            value *= n >= options["min_support"]
        expected[i, j] = expected[j, i] = value
    assert similar.dtype == options["dtype"]
    np.testing.assert_allclose(similar, expected, rtol=1e-5, atol=2e-6)


@given(ratings(), settings, st.integers(1, 4))
def test_compiled_and_twin_agree(data: Any, options: dict[str, Any], n_threads: int) -> None:
    sides = both_sides(*data)
    compiled = pairs.similarities(*sides, n_threads=n_threads, **options)
    with cf.backend("reference"):
        expected = pairs.similarities(*sides, **options)
    np.testing.assert_allclose(compiled, expected, rtol=1e-6, atol=1e-9)


@given(ratings(), settings, st.integers(1, 90), st.integers(1, 4))
def test_top_rows_are_the_best_of_the_dense_ones(
    data: Any, options: dict[str, Any], k: int, n_threads: int
) -> None:
    sides = both_sides(*data)
    options["no_overlap"] = 0.0
    dense = pairs.similarities(*sides, n_threads=1, **options)
    rated = data[1].astype(int)
    eligible = rated @ rated.T >= max(1, options["min_support"])
    np.fill_diagonal(eligible, False)
    codes, values = pairs.similarities(*sides, top_k=k, n_threads=n_threads, **options)
    for row in range(len(dense)):
        candidates = np.flatnonzero(eligible[row])
        best = candidates[np.argsort(-dense[row, candidates], kind="stable")][:k]
        np.testing.assert_array_equal(codes[row, : len(best)], best)
        np.testing.assert_array_equal(values[row, : len(best)], dense[row, best])
        assert (codes[row, len(best) :] == -1).all()
        assert (values[row, len(best) :] == 0).all()


def test_all_threads_slices_and_levels_give_the_same_bits() -> None:
    rng = np.random.default_rng(5)
    rated = rng.random((150, 60)) < 0.4
    for scale in GRIDS.values():
        by_row, by_col = both_sides(rng.choice(scale, rated.shape), rated)
        for measure in ("pearson", "cosine"):
            results = {
                half_by_slices(
                    kernels.load_level("neighbors.similarity", level), by_row, by_col, measure, n_threads, cuts
                )
                for level in kernels.available_levels()
                for n_threads in (1, 2, 3, 4)
                for cuts in ((0, 150), (0, 1, 77, 77, 150))
            }
            assert len(results) == 1


def half_by_slices(
    module: Any, by_row: Index, by_col: Index, measure: str, n_threads: int, cuts: tuple[int, ...]
) -> bytes:
    """Bytes of the dense result and of the best five."""
    n, code = len(by_row.indptr) - 1, module.MEASURES[measure]
    packed = pairs.pack(by_row, by_col, measure)
    scratch = pairs.scratch_for(module, by_row.indptr, packed, code, n_threads)
    out = np.empty((n, n), dtype=np.float64)
    codes, values = np.empty((n, 5), dtype=np.int32), np.empty((n, 5), dtype=np.float32)
    sides = packed.entries, by_row.indptr, packed.co_entries, by_col.indptr, packed.products
    for begin, end in pairwise(cuts):
        module.half_rows(
            *sides[:2], by_row.to_other, *sides[2:], out, scratch, code, packed.offset, packed.step, 10.0, 2,
            0.5, begin, end, n_threads,
        )  # fmt: skip
        module.top_rows(
            *sides, codes, values, scratch, code, packed.offset, packed.step, 10.0, 2, begin, end, n_threads
        )
    for begin, end in pairwise(cuts):
        module.mirror(out, begin, end, n_threads)
    return out.tobytes() + codes.tobytes() + values.tobytes()


@pytest.mark.parametrize(
    ("scale", "n_raters"),
    [("whole stars", 8192 * 2 + 3), ("half stars", 1311), ("0 to 10", 1311 * 3), ("half stars", 405)],
)
@pytest.mark.parametrize("measure", MEASURES)
def test_sums_of_16_bits_are_spilled_before_they_overflow(scale: str, n_raters: int, measure: str) -> None:
    # The ends of the scale, by everyone, are the fastest way to overflow.
    top, bottom = GRIDS[scale].max(), GRIDS[scale].min()
    dense = np.array([[top, top, bottom, bottom]] * n_raters).T
    dense[:, : n_raters // 3] = dense[:, : n_raters // 3][::-1]
    dense[3, 0] = dense[0, 0]
    sides = both_sides(dense, np.ones_like(dense, dtype=bool))
    compiled = pairs.similarities(*sides, measure=measure, dtype=np.float64)
    with cf.backend("reference"):
        expected = pairs.similarities(*sides, measure=measure, dtype=np.float64)
    np.testing.assert_array_equal(compiled, expected)
    assert pairs.similarities(*sides, measure=measure, top_k=2)[1][0, 0] == np.float32(expected[0, 1:].max())
    if measure == "pearson":
        np.testing.assert_allclose(compiled, np.corrcoef(dense), atol=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_equal_and_opposite_rows_have_similarity_one_and_minus_one(shift: float) -> None:
    # 0.3 puts the same ratings off the grid of half stars: the double sums.
    dense = np.array([[1, 2, 3, 5, 4], [1, 2, 3, 5, 4], [5, 4, 3, 1, 2], [2, 2, 2, 2, 2]]) + shift
    similar = pairs.similarities(*both_sides(dense, np.ones(dense.shape, dtype=bool)), dtype=np.float64)
    np.testing.assert_allclose(similar[0], [1, 1, -1, 0], atol=1e-12)
    if shift == 0:
        np.testing.assert_array_equal(similar[0], [1, 1, -1, 0])


def test_packed_sums_are_chosen_where_ratings_are_on_a_grid_and_only_there() -> None:
    rated = np.ones((2, 40), dtype=bool)
    for name, scale in GRIDS.items():
        dense = np.resize(scale, rated.shape)
        packed = pairs.pack(*both_sides(dense, rated), "pearson")
        assert (packed.entries.dtype == np.uint32) == (name not in ("floats", "too many levels")), name


def test_values_given_apart_are_used_in_place_of_the_ratings() -> None:
    rng = np.random.default_rng(0)
    rated = rng.random((30, 20)) < 0.6
    dense = rng.choice(WHOLE_STARS, rated.shape)
    by_row, by_col = both_sides(dense, rated)
    # The adjusted cosine: ratings less the mean of the co-rater, who is a column here.
    means = (dense * rated).sum(axis=0) / np.maximum(rated.sum(axis=0), 1)
    centred = both_sides(dense - means, rated)
    given_apart = pairs.similarities(
        by_row, by_col, measure="cosine", row_values=centred[0].values, col_values=centred[1].values
    )
    np.testing.assert_array_equal(given_apart, pairs.similarities(*centred, measure="cosine"))


def test_progress_adds_up_to_the_rows() -> None:
    sides = both_sides(np.ones((70, 3)), np.ones((70, 3), dtype=bool))
    done: list[int] = []
    pairs.similarities(*sides, progress=done.append)
    assert sum(done) == 70


@pytest.mark.parametrize(
    "options",
    [
        {"measure": "spearman"},
        {"shrinkage": -1.0},
        {"shrinkage": math.nan},
        {"no_overlap": math.inf},
        {"top_k": 0},
        {"top_k": 3, "no_overlap": 1.0},
        {"dtype": np.int32},
        {"n_threads": 0},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    sides = both_sides(np.ones((3, 3)), np.ones((3, 3), dtype=bool))
    with pytest.raises(ValueError, match=next(iter(options))):
        pairs.similarities(*sides, **options)


def arguments(values: np.ndarray) -> dict[str, Any]:
    """Valid arguments of `half_rows` for three rows and four co-raters."""
    by_row, by_col = both_sides(values, np.ones((3, 4), dtype=bool))
    packed = pairs.pack(by_row, by_col, "pearson")
    return {
        "entries": packed.entries.copy(),
        "indptr": by_row.indptr.copy(),
        "ends": by_row.to_other.copy(),
        "co_entries": packed.co_entries.copy(),
        "co_indptr": by_col.indptr.copy(),
        "products": packed.products,
        "out": np.zeros((3, 3), dtype=np.float32),
        "scratch": pairs.scratch_for(similarity, by_row.indptr, packed, 0, 2),
        "measure": 0, "offset": packed.offset, "step": packed.step, "shrinkage": 0.0, "min_support": 1,
        "no_overlap": 0.0, "begin": 0, "end": 3, "n_threads": 2,
    }  # fmt: skip


def spoil(name: str, place: int, value: int | None = None) -> Any:
    """Puts `value`, or the largest there is, at a place of an argument."""

    def change(given: dict[str, Any]) -> None:
        array = given[name]
        array[place] = np.iinfo(array.dtype).max if value is None else value

    return change


SPOILED = {
    "code of a partner": spoil("co_entries", 5),
    "code of a co-rater": spoil("entries", 5),
    "falling indptr": spoil("indptr", 1, 9),
    "falling co_indptr": spoil("co_indptr", 1, 100),
    "indptr from below 0": spoil("indptr", 0, -1),
    "co_indptr beyond the entries": spoil("co_indptr", 4, 13),
    "ends outside the co-rater's row": spoil("ends", 3, 2),
    "a negative end": spoil("ends", 0, -1),
    "unequal lengths": lambda given: given.update(ends=given["ends"][:-1]),
    "out of another shape": lambda given: given.update(out=np.zeros((3, 4), dtype=np.float32)),
    "rows beyond the last": lambda given: given.update(end=4),
    "rows before the first": lambda given: given.update(begin=-1),
    "an unknown measure": lambda given: given.update(measure=5),
    "no threads": lambda given: given.update(n_threads=0),
}
SPOILED_SCRATCH = {
    "too few rows of scratch": lambda given: given.update(n_threads=3),
    "too short rows of scratch": lambda given: given.update(scratch=np.empty((2, 63), dtype=np.uint8)),
}


@pytest.mark.parametrize("shift", [0.0, 0.3])
@pytest.mark.parametrize("what", [*SPOILED, *SPOILED_SCRATCH])
def test_arguments_out_of_bounds_are_refused(what: str, shift: float) -> None:
    matrix = np.resize(WHOLE_STARS, (3, 4)) + shift
    for module in (similarity, twin):
        if module is twin and what in SPOILED_SCRATCH:
            continue
        given_arguments = arguments(matrix)
        module.half_rows(*given_arguments.values())
        {**SPOILED, **SPOILED_SCRATCH}[what](given_arguments)
        with pytest.raises(ValueError, match="similarity"):
            module.half_rows(*given_arguments.values())


def test_inputs_are_left_as_they_were() -> None:
    given_arguments = arguments(np.resize(WHOLE_STARS, (3, 4)))
    names = ("entries", "indptr", "ends", "co_entries", "co_indptr", "products")
    before = {name: given_arguments[name].copy() for name in names}
    similarity.half_rows(*given_arguments.values())
    for name in names:
        np.testing.assert_array_equal(given_arguments[name], before[name])


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
    similar = pairs.similarities(
        by_item, by_user, measure="cosine", shrinkage=100.0, min_support=2, dtype=np.float64,
        row_values=of_users[by_item.to_other], col_values=of_users,
    )  # fmt: skip
    np.testing.assert_allclose(similar[np.triu_indices(5, 1)], SURPRISE_SIMILARITIES, rtol=2e-5)
