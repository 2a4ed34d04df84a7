"""Kernels `products` and `topk`, their twins and a full sort of `svd.predict` list the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfcore.kernels import available_levels, load_level, svd
from cfcore.kernels.top_n import scores as topk
from cfcore.reference.top_n import products as twin
from cfcore.reference.top_n import scores as twin_of_topk

LEVELS = {level: load_level("top_n.products", level) for level in available_levels()}
compiled = LEVELS["baseline"]
BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]
BOTH_OF_TOPK = [pytest.param(topk, id="compiled"), pytest.param(twin_of_topk, id="reference")]
EVERYTHING = [
    *(pytest.param(LEVELS[level], id=level) for level in LEVELS),
    pytest.param(twin, id="reference"),
]


def rotation(seed: int, width: int) -> Any:
    """An orthogonal matrix: which one may not matter."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


class Case:
    """Factors, a choice of items in some order, and what each list leaves out."""

    def __init__(
        self, seed: int, n_users: int = 40, n_items: int = 150, width: int = 16, dtype: str = "float32",
        *, whole: bool = False, scale: float = 1.0, density: float = 0.2, allowed: float = 0.8,
    ) -> None:  # fmt: skip
        rng = np.random.default_rng(seed)

        def draw(*shape: int) -> Any:
            numbers = rng.normal(0, scale, shape)
            return (np.round(numbers) if whole else numbers).astype(dtype)  # whole numbers: many ties

        self.user_factors, self.item_factors = draw(n_users, width), draw(n_items, width)
        self.user_bias, self.item_bias = draw(n_users), draw(n_items)
        self.users = rng.integers(0, n_users, n_users + 3).astype(np.int32)
        self.order = rng.permutation(np.flatnonzero(rng.random(n_items) < allowed)).astype(np.int32)
        self.places_of = np.full(n_items, -1, dtype=np.int32)
        self.places_of[self.order] = np.arange(len(self.order))
        lists = [np.flatnonzero(rng.random(n_items) < density) for _ in self.users]
        self.stops = np.cumsum([len(one) for one in lists], dtype=np.int64)
        self.starts = self.stops - [len(one) for one in lists]
        self.excluded = np.concatenate(lists).astype(np.int32)
        for array in vars(self).values():
            array.flags.writeable = False

    def room(self, n: int) -> tuple[Any, Any]:
        shape = len(self.users), n
        return np.full(shape, 99, dtype=np.int32), np.full(shape, 9.0)

    def packed(self, module: Any, rows: Any, head: int, bias: Any) -> tuple[Any, Any, Any]:
        panels = np.full((-(-len(rows) // 32), module.n_lines(head), 32), 5, dtype=np.float32)
        tails = np.full((len(rows), -(-(rows.shape[1] - head) // 16) * 16), 5, dtype=np.float32)
        bounds = np.full(2, 5.0)
        module.pack(np.ascontiguousarray(rows), np.ascontiguousarray(bias), panels, tails, bounds)
        return panels, tails, bounds

    mean = 3.1

    def products(
        self, module: Any, n: int = 7, n_threads: int = 1, *, head: int = 999, **changed: Any
    ) -> tuple[Any, Any]:
        m, width = len(self.order), self.user_factors.shape[1]
        standing = np.random.default_rng(m).permutation(m).astype(np.int32)
        columns, column_of = self.order[standing], np.full(len(self.places_of), -1, dtype=np.int32)
        column_of[columns] = np.arange(m)
        dtype = self.item_factors.dtype
        # Factors that no item has need not be turned.
        had = np.flatnonzero(self.item_factors[columns].any(axis=0))
        turn = np.zeros((width, len(had)), dtype=dtype)
        turn[had] = rotation(m, len(had))
        head = min(head, len(had))
        turned, _, _ = self.packed(module, turn.T, width, np.zeros(len(had), dtype=dtype))
        rows = self.item_factors[columns] @ turn
        panels, tails, bounds = self.packed(module, rows, head, self.item_bias[columns])
        words, floats, codes = module.scratch_sizes(m, width, head, tails.shape[1], n)
        given = {
            "users": self.users, "item_factors": self.item_factors, "columns": columns,
            "column_of": column_of,
            "standing": standing, "starts": self.starts, "stops": self.stops, "excluded": self.excluded,
            "turn": turned, "panels": panels, "tails": tails, "bounds": bounds, "item_bias": self.item_bias,
            "marks": np.zeros((n_threads, words), dtype=np.uint64),
            "rows": np.full((n_threads, floats), np.nan, dtype=np.float32),
            "found": np.full((n_threads, codes), -9, dtype=np.int32), **changed,
        }  # fmt: skip
        places, scores = self.room(n)
        module.best_products(
            given["users"], self.user_factors, given["item_factors"], self.user_bias, given["item_bias"],
            given["columns"], given["column_of"], given["standing"], given["starts"], given["stops"],
            given["excluded"], given["turn"], given["panels"], given["tails"], given["bounds"], places,
            scores, given["marks"], given["rows"], given["found"], self.mean, n_threads,
        )  # fmt: skip
        assert not given["marks"].any()  # as they were, for the next call
        return places, scores

    def predictions(self) -> Any:
        """Scores of all lists and all places, by the kernel that predicts."""
        m = len(self.order)
        out = np.empty(len(self.users) * m)
        svd.predict(
            np.repeat(self.users, m), np.tile(self.order, len(self.users)), self.user_factors,
            self.item_factors, self.user_bias, self.item_bias, out, self.mean, 1,
        )  # fmt: skip
        return out.reshape(len(self.users), m)

    def selected(self, module: Any, given_scores: Any, n: int = 7, n_threads: int = 1) -> tuple[Any, Any]:
        places, scores = self.room(n)
        marks = np.zeros((n_threads, -(-len(self.order) // 64)), dtype=np.uint64)
        module.best_scores(
            given_scores, np.arange(len(self.users), dtype=np.int32), self.order, self.places_of, self.starts,
            self.stops, self.excluded, places, scores, marks, n_threads,
        )  # fmt: skip
        assert not marks.any()
        return places, scores

    def sorted(self, given_scores: Any, n: int) -> tuple[Any, Any]:
        """The lists by sorting everything."""
        places, scores = np.full((len(self.users), n), -1), np.zeros((len(self.users), n))
        for k, row in enumerate(given_scores):
            out = set(self.excluded[self.starts[k] : self.stops[k]].tolist())
            left = [(-score, place) for place, score in enumerate(row) if self.order[place] not in out]
            for j, (score, place) in enumerate(sorted(left)[:n]):
                places[k, j], scores[k, j] = place, -score
        return places, scores


def same(ours: tuple[Any, Any], theirs: tuple[Any, Any]) -> None:
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("module", LEVELS.values(), ids=LEVELS)
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 200)),
    groups=st.integers(0, 5),
    dtype=st.sampled_from(["float32", "float64"]),
    whole=st.booleans(),
    scale=st.sampled_from([1e-4, 0.3, 1.0, 50.0]),
    density=st.sampled_from([0.0, 0.2, 1.0]),
    n=st.integers(1, 40),
    head=st.sampled_from([0, 5, 16, 32, 99]),
)
def test_lists_are_those_of_sorting_all_predictions(
    module: Any, seed: int, shape: tuple[int, int], groups: int, dtype: str, whole: bool, scale: float,
    density: float, n: int, head: int,
) -> None:  # fmt: skip
    width = groups * (16 if dtype == "float32" else 8)
    case = Case(seed, *shape, width, dtype, whole=whole, scale=scale, density=density)
    scores = case.predictions()
    expected = case.sorted(scores, n)
    same(case.products(module, n, head=head), expected)
    same(case.selected(topk, scores, n), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_twin_agrees(dtype: str) -> None:
    for seed in range(10):
        case = Case(seed, dtype=dtype, whole=True)  # sums of whole numbers are exact in any order
        same(case.products(twin), case.products(compiled))
        scores = case.predictions()
        same(case.selected(twin_of_topk, scores), case.selected(topk, scores))
    rough = Case(99, dtype=dtype)
    np.testing.assert_allclose(rough.products(twin)[1], rough.products(compiled)[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("module", LEVELS.values(), ids=LEVELS)
def test_scores_that_differ_by_less_than_rounding_of_sums_are_told_apart(module: Any) -> None:
    # Items that are the same but for the order of large terms that cancel: only the exact sum ranks them.
    rng = np.random.default_rng(0)
    case = Case(1, 33, 400, 64)
    row = rng.normal(0, 30, 64)
    factors = np.stack([row + rng.normal(0, 1e-5, 64) for _ in range(400)]).astype(np.float32)
    case.item_factors = factors
    case.item_bias = np.zeros(400, dtype=np.float32)
    expected = case.sorted(case.predictions(), 25)
    for head in (0, 16, 64):
        same(case.products(module, 25, head=head), expected)


@pytest.mark.parametrize("module", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize(
    ("dtype", "users", "items"),
    [
        ("float32", 1e-24, 1e4), ("float32", 1e4, 1e-24), ("float64", 1e-25, 1e-25), ("float64", 1e-44, 1e18),
        ("float64", 1e18, 1e18), ("float64", 1e30, 1e30), ("float64", 1e38, 1e-7), ("float64", 1e-7, 1e38),
    ],
)  # fmt: skip
def test_numbers_that_float32_is_too_narrow_for(module: Any, dtype: str, users: float, items: float) -> None:
    # Squares or products that vanish in float32, or overflow, with nothing added that would hide it.
    case = Case(2, dtype=dtype)
    rng = np.random.default_rng(2)
    alike = 1 + rng.normal(0, 1e-7, case.item_factors.shape)  # items that only the exact sum tells apart
    for items_factors in (case.item_factors, alike * case.item_factors[0]):
        case.mean = 0.0
        case.user_bias, case.item_bias = np.zeros(40, dtype=dtype), np.zeros(150, dtype=dtype)
        case.user_factors = (case.user_factors / np.abs(case.user_factors).max() * users).astype(dtype)
        case.item_factors = (items_factors / np.abs(items_factors).max() * items).astype(dtype)
        expected = case.sorted(case.predictions(), 7)
        for head in (0, 16):
            same(case.products(module, head=head), expected)


@pytest.mark.parametrize("module", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("n_had", [0, 1, 20, 40])
def test_factors_that_no_item_has(module: Any, n_had: int) -> None:
    case = Case(3, 50, 120, 64)
    factors = case.item_factors.copy()
    factors[:, n_had:] = 0
    case.item_factors = factors
    for head in (0, 16, 40):
        same(case.products(module, 9, head=head), case.sorted(case.predictions(), 9))


@pytest.mark.parametrize("module", LEVELS.values(), ids=LEVELS)
def test_what_is_packed(module: Any) -> None:
    case = Case(8, n_items=70, width=48)
    for head in (0, 16, 20, 48):
        ours = case.packed(module, case.item_factors, head, case.item_bias)
        theirs = case.packed(twin, case.item_factors, head, case.item_bias)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-12)
        for line, begin in enumerate(twin.checks(head)):  # what is left is never said to be less than it is
            left = np.linalg.norm(case.item_factors[:, begin:].astype(float), axis=1)
            assert (ours[0][:, head + 1 + line].ravel()[:70] >= left).all()


@pytest.mark.parametrize("n_threads", [2, 3])
def test_any_number_of_threads(n_threads: int) -> None:
    case = Case(3, 300, 90)
    scores = case.predictions()
    for head in (0, 16):
        same(case.products(compiled, n_threads=n_threads, head=head), case.products(compiled))
    same(case.selected(topk, scores, n_threads=n_threads), case.selected(topk, scores))


@pytest.mark.parametrize("module", EVERYTHING)
def test_nan_is_never_listed(module: Any) -> None:
    case = Case(4, 10, 50, density=0)
    factors = case.item_factors.copy()
    factors[case.order[::2]] = np.nan
    case.item_factors = factors
    places, _ = case.products(module, 40)
    assert not np.isin(places[places >= 0], np.arange(0, len(case.order), 2)).any()
    assert (places >= 0).sum(axis=1).tolist() == [len(case.order) // 2] * len(case.users)


@pytest.mark.parametrize("module", EVERYTHING)
def test_minus_infinity_is_never_listed(module: Any) -> None:
    case = Case(4, 10, 50, density=0, width=16)
    bias = case.item_bias.copy()
    bias[case.order[::2]] = -np.inf
    case.item_bias = bias
    given = case.predictions()
    ranking = topk if module is not twin else twin_of_topk
    for places, _ in (case.products(module, 40), case.selected(ranking, given, 40)):
        assert not np.isin(places[places >= 0], np.arange(0, len(case.order), 2)).any()
        assert (places >= 0).sum(axis=1).tolist() == [len(case.order) // 2] * len(case.users)


@pytest.mark.parametrize("module", EVERYTHING)
def test_no_items(module: Any) -> None:
    places, scores = Case(5, allowed=0).products(module)
    assert (places == -1).all()
    assert (scores == 0).all()
    with pytest.raises(ValueError, match="excluded item 150"):
        Case(5, allowed=0).products(module, excluded=np.full(9_999, 150, dtype=np.int32))


@pytest.mark.parametrize("module", BOTH_OF_TOPK)
def test_no_items_by_scores(module: Any) -> None:
    case = Case(5, allowed=0)
    places, scores = case.selected(module, np.empty((len(case.users), 0)))
    assert (places == -1).all()
    assert (scores == 0).all()


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"users": np.full(43, 40, dtype=np.int32)}, "user 40 is out of range"),
        ({"users": np.full(43, -1, dtype=np.int32)}, "user -1 is out of range"),
        ({"excluded": np.full(9_999, 150, dtype=np.int32)}, "excluded item 150"),
        ({"stops": np.full(43, 10**6, dtype=np.int64)}, "excluded items"),
        ({"starts": np.full(2, 0, dtype=np.int64)}, "starts and stops"),
        ({"column_of": np.full(150, 999, dtype=np.int32)}, "place 999"),
        ({"column_of": np.full(150, 0, dtype=np.int32)}, "do not belong together"),
        ({"columns": np.zeros(3, dtype=np.int32)}, "rows of all columns"),
        ({"panels": np.zeros((4, 3, 32), dtype=np.float32)}, "rows of all columns"),
        ({"tails": np.zeros((3, 16), dtype=np.float32)}, "rows of all columns"),
        ({"standing": np.zeros(3, dtype=np.int32)}, "an entry for each column"),
        ({"turn": np.zeros((0, 20, 32), dtype=np.float32)}, "turn and bounds"),
        ({"turn": np.zeros((1, 7, 32), dtype=np.float32)}, "turn and bounds"),
        ({"bounds": np.zeros(3)}, "turn and bounds"),
        ({"item_bias": np.zeros(149, dtype=np.float32)}, "same number of rows"),
        ({"marks": np.zeros((1, 5), dtype=np.uint64)}, "too small"),
        ({"rows": np.zeros((1, 5), dtype=np.float32)}, "too small"),
        ({"found": np.zeros((0, 9999), dtype=np.int32)}, "too small"),
        ({"standing": np.full(Case(6).order.shape, 2, dtype=np.int32)}, "no permutation: place 2"),
        ({"item_factors": np.zeros((150, 32), dtype=np.float32)}, "one length"),
    ],
)
def test_bad_arguments(module: Any, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Case(6).products(module, **changed)


@pytest.mark.parametrize("module", BOTH_OF_TOPK)
def test_bad_scores(module: Any) -> None:
    case = Case(7)
    with pytest.raises(ValueError, match="a column for each item"):
        case.selected(module, np.zeros((50, 3)))
    with pytest.raises(ValueError, match=r"row \d+ is out of range"):
        case.selected(module, np.zeros((2, len(case.order))))
    case.excluded = np.full(9_999, 150, dtype=np.int32)
    with pytest.raises(ValueError, match="excluded item 150"):
        case.selected(module, np.zeros((len(case.users), len(case.order))))


@pytest.mark.parametrize("module", BOTH)
def test_bad_lists(module: Any) -> None:
    case = Case(7)
    with pytest.raises(ValueError, match="room for an item"):
        case.products(module, n=0)
    for panels, tails, bounds, bias, message in (
        ((1, module.n_lines(16), 32), (150, 0), 2, 150, "panels must have shape"),
        ((5, module.n_lines(0), 32), (150, 0), 2, 150, "tails must have shape"),
        ((5, module.n_lines(16), 32), (150, 16), 2, 150, "tails must have shape"),
        ((5, module.n_lines(16), 32), (150, 0), 3, 150, "bounds"),
        ((5, module.n_lines(16), 32), (150, 0), 2, 149, "same number of rows"),
    ):
        with pytest.raises(ValueError, match=message):
            module.pack(
                case.item_factors, case.item_bias[:bias], np.empty(panels, dtype=np.float32),
                np.empty(tails, dtype=np.float32), np.empty(bounds),
            )  # fmt: skip
