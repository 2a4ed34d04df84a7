"""Lists of the best items by rounded weights: those of a sort of exact scores, whatever the weights are."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given

from cfcore import kernels
from cfcore.kernels.lists import top_lists as compiled
from cfcore.kernels.lists import weighted_sums
from cfcore.kernels.records import (
    CandidateScratch,
    ItemOrder,
    ItemWeights,
    ListQueries,
    RatingMultiples,
    RatingRows,
    TopLists,
    UserScores,
    WeightPanels,
)
from cfcore.reference.lists import top_lists as twin

Array = np.ndarray[Any, Any]
IMPLEMENTATIONS = [compiled, twin]


class Case:
    """Ratings, weights, users whose lists are asked for, and items that may be listed."""

    def __init__(
        self, n_items: int = 300, n_users: int = 6, share: float = 0.2, seed: int = 0, kind: str = "stars"
    ) -> None:
        self.rng = rng = np.random.default_rng(seed)
        rated = rng.random((n_users, n_items)) < share
        indptr = np.append(0, np.cumsum(rated.sum(axis=1)))
        items = np.nonzero(rated)[1].astype(np.int32)
        values = (rng.integers(1, 6, len(items)) / 5).astype(np.float32)
        weights = rng.normal(size=(n_items, n_items)).astype(np.float32)
        if kind == "any":
            values = rng.random(len(items), dtype=np.float32)
        elif kind == "negative":
            values = rng.normal(size=len(items)).astype(np.float32)
        elif kind == "few values":  # many scores are equal
            weights = rng.integers(-1, 2, weights.shape).astype(np.float32) / 64
        elif kind == "nearly equal":
            weights = (1 + weights * 1e-6).astype(np.float32)
        elif kind == "tiny":
            weights *= np.float32(1e-36)
        elif kind == "huge":
            weights *= np.float32(1e37)
        elif kind == "zeros":
            weights[:] = 0
        elif kind == "nan" and n_items:
            weights[rng.integers(0, n_items), rng.integers(0, n_items)] = np.nan
        weights.flags.writeable = False
        self.n_fine: int | None = None
        self.rated = RatingRows(indptr, items, values, n_items)
        self.weights, self.n_items = ItemWeights(weights), n_items
        self.excluded = items
        self.users = rng.integers(0, n_users, 40).astype(np.int32)
        self.listed = rng.permutation(n_items)[: n_items - n_items // 5].astype(np.int32)
        self.sources = np.full((-(-n_items // 64), 64), -1, dtype=np.int32)
        self.sources.reshape(-1)[:n_items] = rng.permutation(n_items)

    def panels(self, kernel: ModuleType, n_threads: int = 1) -> WeightPanels:
        n, n_panels = self.n_items, len(self.sources)
        places = np.full(n, -1, dtype=np.int32)
        places[self.sources.reshape(-1)[:n]] = np.arange(n)
        n_pairs = n_panels // 2 if self.n_fine is None else (n_panels - self.n_fine) // 2
        n_blocks, n_group_blocks = WeightPanels.blocks(n_panels - 2 * n_pairs, n_pairs)
        panels = WeightPanels(
            self.sources, self.sources, places, np.full((n_panels - 2 * n_pairs, n, 64), 9, dtype=np.int16),
            np.full((n_pairs, n, 128), 9, dtype=np.int8), np.full((2 * n_pairs, 64), 9, dtype=np.float32),
            np.zeros((n_blocks, n, 64), dtype=np.int16),
            np.full((n_group_blocks, n, 64), 9, dtype=np.int8), np.full((n_group_blocks, 64), 9, np.float32),
            np.full((64 * n_panels, n), np.nan, dtype=np.float32), np.full(n, np.nan, dtype=np.float32),
        )  # fmt: skip
        kernel.fill_panels(self.weights, panels, n_threads)
        return panels

    def multiples(
        self, kernel: ModuleType, panels: WeightPanels, n_threads: int = 1, per_one: int = 5
    ) -> RatingMultiples:
        multiples = RatingMultiples(
            np.zeros(self.rated.n, dtype=np.int16), *np.zeros((2, self.rated.n_rows), dtype=np.int32),
            np.zeros(self.rated.n, dtype=np.uint8), np.zeros(self.rated.n_rows),
            *np.zeros((2, self.rated.n_rows), dtype=np.int32), per_one
        )  # fmt: skip
        kernel.fill_multiples(self.rated, panels, multiples, n_threads)
        return multiples

    def lists(
        self, kernel: ModuleType, n: int = 7, n_threads: int = 1, together: int = 3, users: Any = None
    ) -> TopLists:
        """Lists without what the users rated."""
        users, indptr = self.users if users is None else users, self.rated.indptr
        known = np.minimum(users, self.rated.n_rows - 1)
        positions = np.full(self.n_items, -1, dtype=np.int32)
        positions[self.listed] = np.arange(len(self.listed))
        panels = self.panels(kernel, n_threads)
        lists = TopLists(np.full((len(users), n), 99, dtype=np.int32), np.full((len(users), n), 9.0))
        n_words, n_codes = CandidateScratch.sizes(together, len(self.sources), n)
        bitmaps = np.zeros((n_threads, n_words), dtype=np.uint64)
        kernel.best_lists(
            self.rated,
            self.multiples(kernel, panels, n_threads),
            panels,
            ListQueries(users, indptr[known], indptr[known + 1], self.excluded),
            ItemOrder(self.listed, positions),
            lists,
            CandidateScratch(bitmaps, np.full((n_threads, n_codes), 77, dtype=np.int32)),
            n_threads,
        )
        assert not bitmaps.any()
        return lists

    def expected(self, n: int = 7) -> tuple[Array, Array]:
        """Positions and scores of a stable sort of all scores."""
        scores = np.empty((len(self.users), self.n_items), dtype=np.float32)
        weighted_sums.score_rows(self.rated, self.weights, UserScores(self.users, scores), 1)
        keys = scores.astype(np.float64)
        keys[np.isnan(keys)] = -np.inf
        for k, user in enumerate(self.users):
            keys[k, self.rated.indices[self.rated.indptr[user] : self.rated.indptr[user + 1]]] = -np.inf
        keys = keys[:, self.listed]
        order = np.argsort(-keys, axis=1, kind="stable")[:, :n]
        found = np.take_along_axis(keys, order, axis=1)
        missing = ((0, 0), (0, n - order.shape[1]))
        return (
            np.pad(np.where(found > -np.inf, order, -1), missing, constant_values=-1),
            np.pad(np.where(found > -np.inf, found, 0), missing),
        )


KINDS = ("stars", "any", "negative", "few values", "nearly equal", "tiny", "huge", "zeros", "nan")


@given(
    st.integers(0, 300), st.sampled_from([0.0, 0.02, 0.3, 1.0]), st.integers(0, 1000), st.sampled_from(KINDS),
    st.sampled_from([1, 7, 90]),
)  # fmt: skip
@example(300, 0.3, 0, "nearly equal", 7)
@example(300, 0.02, 0, "few values", 90)
def test_lists_are_those_of_a_sort_of_the_scores(
    n_items: int, share: float, seed: int, kind: str, n: int
) -> None:
    case = Case(n_items, share=share, seed=seed, kind=kind)
    positions, scores = case.expected(n)
    found = [case.lists(twin, n)]
    for level in kernels.available_levels():
        with kernels.use_level(level):
            found += [
                case.lists(compiled, n, n_threads, together) for n_threads, together in ((1, 50), (3, 2))
            ]
    for lists in found:
        np.testing.assert_array_equal(lists.positions, positions)
        np.testing.assert_array_equal(lists.scores, scores)


@pytest.mark.parametrize("kind", ["stars", "any", "few values", "nearly equal"])
def test_lists_do_not_depend_on_which_weights_have_8_bits(kind: str) -> None:
    for n_items, numbers in ((300, (1, 3, 5)), (256, (0, 2, 4))):
        case = Case(n_items, kind=kind, share=0.4)
        positions, scores = case.expected(20)
        for case.n_fine in numbers:
            for level in kernels.available_levels():
                with kernels.use_level(level):
                    lists = case.lists(compiled, 20)
                np.testing.assert_array_equal(lists.positions, positions)
                np.testing.assert_array_equal(lists.scores, scores)


@pytest.mark.parametrize("n_fine", [18, 2, 0])
def test_lists_are_right_where_few_panels_can_hold_an_item_of_them(n_fine: int) -> None:
    case = popular_first()
    positions, scores = case.expected(10)
    case.n_fine = n_fine
    for level in kernels.available_levels():
        with kernels.use_level(level):
            for together in (40, 7):
                lists = case.lists(compiled, 10, 1, together)
                np.testing.assert_array_equal(lists.positions, positions)
                np.testing.assert_array_equal(lists.scores, scores)


def popular_first() -> Case:
    """A case of 1500 items whose panels begin with those that have the largest weights."""
    case = Case(1500, n_users=12, share=0.08)
    sizes = np.exp(case.rng.normal(size=1500)).astype(np.float32)
    case.weights = ItemWeights((case.weights.values + np.float32(0.5)) * sizes)
    case.sources.reshape(-1)[:1500] = np.argsort(-sizes)
    case.listed = case.rng.permutation(1500).astype(np.int32)
    return case


@pytest.mark.parametrize("kernel", IMPLEMENTATIONS, ids=["compiled", "twin"])
def test_bounds_of_groups_are_the_largest_weights_rounded_up(kernel: ModuleType) -> None:
    case = popular_first()
    case.n_fine = 2
    panels = case.panels(kernel)
    weights = np.pad(case.weights.values.astype(np.float64), ((0, 0), (0, 1)))
    weights = weights[:, case.sources[2:]].reshape(1500, -1, 16)
    n_groups = weights.shape[1]
    unit = float(panels.peaks.max()) / 32767 * panels.group_scales.reshape(-1).astype(np.float64)
    bounds = (panels.groups.transpose(1, 0, 2).reshape(1500, -1) * unit)[:, :n_groups]
    largest = weights.max(axis=2, initial=0)
    assert (bounds >= largest * (1 - 1e-6)).all()
    assert (bounds - largest <= unit[:n_groups] * (1 + 1e-5)).all()
    assert not panels.groups[-1, :, n_groups % 64 :].any()
    of_columns = panels.scales.reshape(-1, 16).max(axis=1)
    np.testing.assert_allclose(panels.group_scales.reshape(-1)[:n_groups], of_columns * 127 / 126, rtol=1e-6)
    case.n_fine = 20
    panels = case.panels(kernel)
    np.testing.assert_array_equal(panels.most[0, :, :20], panels.rounded.max(axis=2, initial=0).T)
    assert not panels.most[0, :, 20:].any()


def test_levels_are_the_stars_where_ratings_are_and_else_as_fine_as_bytes_permit() -> None:
    for kind, steps in (("stars", 5), ("any", 127)):
        case = Case(200, kind=kind)
        multiples = case.multiples(compiled, case.panels(compiled))
        rows = np.repeat(np.arange(case.rated.n_rows), np.diff(case.rated.indptr))
        error = multiples.levels / multiples.level_steps[rows] - case.rated.values
        assert np.abs(error).max() <= (1e-6 if kind == "stars" else 0.51 / 127)
        np.testing.assert_allclose(multiples.level_steps, steps, rtol=0.1)
        highest = np.maximum.reduceat(multiples.levels, case.rated.indptr[:-1])
        assert (multiples.runs * highest.astype(np.int64) * 127 < 2**15).all()
        assert (multiples.runs >= 2).all()


def test_scores_have_the_same_bits_beside_lists_of_more_and_fewer_ratings() -> None:
    case = Case(n_users=13, kind="any")
    cut = case.rated.indptr[:-1] + np.diff(case.rated.indptr) * (np.arange(13) * 5 % 13) // 12
    order = np.concatenate([np.arange(a, b) for a, b in zip(case.rated.indptr[:-1], cut, strict=True)])
    indptr = np.append(0, np.cumsum(cut - case.rated.indptr[:-1]))
    items = np.ascontiguousarray(case.rated.indices[order])
    case.rated, case.excluded = RatingRows(indptr, items, case.rated.values[order], case.n_items), items
    assert 0 in np.diff(indptr)
    assert len(set(np.diff(indptr))) > 10
    positions, scores = case.expected(7)
    for level in kernels.available_levels():
        with kernels.use_level(level):
            for together in (1, 3, 40):
                lists = case.lists(compiled, 7, 1, together)
                np.testing.assert_array_equal(lists.positions, positions)
                np.testing.assert_array_equal(lists.scores, scores)


def test_a_list_alone_has_the_bits_of_a_list_among_many() -> None:
    case = Case(kind="any")
    many = case.lists(compiled, together=40)
    for k, user in enumerate(case.users):
        one = case.lists(compiled, users=np.array([user], dtype=np.int32))
        assert one.positions.tobytes() == many.positions[k].tobytes()
        assert one.scores.tobytes() == many.scores[k].tobytes()


@given(st.integers(1, 200), st.integers(0, 1000), st.sampled_from([*KINDS]))
def test_panels_and_multiples_are_those_of_the_twin(n_items: int, seed: int, kind: str) -> None:
    case = Case(n_items, seed=seed, kind=kind)
    expected = case.panels(twin)
    margins = case.multiples(twin, expected)
    for level in kernels.available_levels():
        with kernels.use_level(level):
            for n_threads in (1, 3):
                panels = case.panels(compiled, n_threads)
                for name in (
                    "rounded",
                    "coarse",
                    "scales",
                    "most",
                    "groups",
                    "group_scales",
                    "exact",
                    "peaks",
                ):
                    np.testing.assert_array_equal(getattr(panels, name), getattr(expected, name), name)
                multiples = case.multiples(compiled, panels, n_threads)
                np.testing.assert_array_equal(multiples.steps, margins.steps)
                for name in ("values", "levels", "level_steps", "runs"):
                    np.testing.assert_array_equal(getattr(multiples, name), getattr(margins, name), name)
                np.testing.assert_allclose(multiples.margins, margins.margins, atol=1)
                np.testing.assert_allclose(multiples.level_margins, margins.level_margins, atol=1)


@given(st.integers(1, 200), st.integers(0, 1000), st.sampled_from(["stars", "any", "nearly equal"]))
def test_margins_bound_the_error_of_rounded_sums(n_items: int, seed: int, kind: str) -> None:
    case = Case(n_items, seed=seed, kind=kind, share=0.5)
    panels = case.panels(compiled)
    multiples = case.multiples(compiled, panels)
    users = np.arange(case.rated.n_rows, dtype=np.int32)
    scores = np.empty((len(users), n_items), dtype=np.float32)
    weighted_sums.score_rows(case.rated, case.weights, UserScores(users, scores), 1)
    scores = np.pad(scores, ((0, 0), (0, 1)))[:, panels.columns]  # of panels; 0 where they are filled up
    units = np.append(np.ones(64 * panels.n_fine), panels.scales) * (float(panels.peaks.max()) / 32767)
    fine, coarse = np.split(units.reshape(-1, 64), [panels.n_fine])
    assert (multiples.margins > 0).all()
    for k in users:
        row = slice(case.rated.indptr[k], case.rated.indptr[k + 1])
        for weights, unit, numbers, steps, margin in (
            (panels.rounded, fine, multiples.values, multiples.steps, multiples.margins),
            (panels.coarse, coarse, multiples.levels, multiples.level_steps, multiples.level_margins),
        ):
            rows = weights[:, case.rated.indices[row]].astype(np.int64)
            sums = np.einsum("e,pec->pc", numbers[row].astype(np.int64), rows).reshape(unit.shape)
            found = scores[k, : panels.n_fine] if unit is fine else scores[k, panels.n_fine :]
            assert (np.abs(sums - found / (unit / steps[k])) <= margin[k]).all()
            assert (np.abs(sums) < 2**31).all()


@pytest.mark.parametrize("kernel", IMPLEMENTATIONS, ids=["compiled", "twin"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 1e30])
def test_users_whose_ratings_are_no_multiples_have_no_margin(kernel: ModuleType, value: float) -> None:
    case = Case(80)
    case.rated.values[case.rated.indptr[2]] = value
    margins = case.multiples(kernel, case.panels(kernel)).margins
    assert margins[2] == -1
    assert (np.delete(margins, 2) > 0).all()


@pytest.mark.parametrize("kernel", IMPLEMENTATIONS, ids=["compiled", "twin"])
def test_large_ratings_have_coarse_multiples_or_no_margin(kernel: ModuleType) -> None:
    case = Case(30, share=1.0)
    case.rated.values[:] *= 1000
    multiples = case.multiples(kernel, case.panels(kernel))
    sums = np.add.reduceat(multiples.values.astype(np.int64), case.rated.indptr[:-1])
    assert (multiples.margins > 0).all()
    assert (sums * 32767 < 2**34).all()
    assert (multiples.steps < 33).all()
    case.rated.values[:] *= 1000
    assert (case.multiples(kernel, case.panels(kernel)).margins == -1).all()


@pytest.mark.parametrize("kernel", IMPLEMENTATIONS, ids=["compiled", "twin"])
def test_what_does_not_fit_is_refused(kernel: ModuleType) -> None:
    case = Case(80)
    with pytest.raises(ValueError, match="best_lists: scratch is too small"):
        case.lists(kernel, together=0)
    case.users[3] = 6
    with pytest.raises(ValueError, match="user 6 is out of range"):
        case.lists(kernel)
    case.users[3], case.excluded = 0, np.full(case.rated.n, 80, dtype=np.int32)
    with pytest.raises(ValueError, match="excluded item 80 is out of range"):
        case.lists(kernel)
    panels = case.panels(kernel)
    with pytest.raises(ValueError, match="fill_panels: panels must have a row"):
        kernel.fill_panels(ItemWeights(np.zeros((3, 3), np.float32)), panels, 1)
    one = np.zeros(1, np.int32)
    few = RatingMultiples(
        np.zeros(2, np.int16), one, one.copy(), np.zeros(2, np.uint8), np.zeros(1), one.copy(), one.copy(), 5
    )
    with pytest.raises(ValueError, match="multiples must be of the ratings in rated"):
        kernel.fill_multiples(case.rated, panels, few, 1)


def test_panels_that_contradict_themselves_are_refused() -> None:
    panels = Case(80).panels(twin)
    names = [name for name in vars(panels) if isinstance(getattr(panels, name), np.ndarray)]
    fields = {name: getattr(panels, name) for name in names}
    for name, value in (("columns", fields["columns"][0, 1]), ("places", 5), ("sources", -1)):
        changed = fields[name].copy()
        changed.reshape(-1)[0] = value
        with pytest.raises(ValueError, match=r"WeightPanels: (columns|places)"):
            WeightPanels(**{**fields, name: changed})
