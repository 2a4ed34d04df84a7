"""The kernel `svdpp`, its twin and the paper's equations take the same steps, and refuse the same input."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels import available_levels, load_level
from cfcore.models.factorization.block_grid import RATING, rounds, stripes
from cfcore.models.factorization.user_batches import bounds
from cfcore.reference.factorization import svdpp as twin
from tests.kernels.conftest import gradient

LEVELS = {level: load_level("factorization.svdpp", level) for level in available_levels()}
compiled = LEVELS["baseline"]
BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]

RATES = {"lr": 0.05, "reg": 0.1, "lr_bias": 0.03, "reg_bias": 0.04, "lr_implicit": 0.02, "reg_implicit": 0.3}
PARAMETERS = ("user_factors", "item_factors", "implicit_factors", "user_bias", "item_bias")


@dataclass
class Case:
    """Ratings on chunks of grids, sets that hold them and more, and parameters to start from.

    There are users and items without ratings, empty sets, and items that are in sets only.
    """

    n_users: int = 9
    n_items: int = 7
    n: int = 40
    n_chunks: int = 2
    grid: tuple[int, int] = (2, 2)
    n_parts: int = 3
    n_extra: int = 2
    width: int = 16
    dtype: str = "float32"
    seed: int = 0
    rates: dict[str, float] = field(default_factory=lambda: dict(RATES))

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.n = min(self.n, self.n_users * self.n_items)
        cells = rng.choice(self.n_users * self.n_items, self.n, replace=False)
        users, items = (cells // self.n_items).astype(np.int32), (cells % self.n_items).astype(np.int32)
        values = np.round(rng.uniform(1, 5, self.n)).astype(np.float32)
        counts = np.bincount(users, minlength=self.n_users)
        user_stripes = stripes(counts, self.n_chunks * self.grid[0])
        item_stripes = stripes(np.bincount(items, minlength=self.n_items), self.grid[1])
        self.ratings = np.empty(self.n, dtype=RATING)
        per_chunk = self.grid[0] * self.grid[1]
        self.pointers = np.empty(self.n_chunks * per_chunk + 1, dtype=np.int64)
        load_level("factorization.svd", "baseline").lay_out(
            users, items, values, user_stripes, item_stripes, self.pointers, self.ratings, self.grid[1], 1, 1
        )
        n_y = self.n_items + self.n_extra
        has = np.zeros((self.n_users, n_y), dtype=bool)
        has[users, items] = True
        has |= (rng.random(has.shape) < 0.1) & (counts > 0)[:, None]
        blocks = rounds(*self.grid)
        turns = rng.permuted(np.tile(np.arange(len(blocks)), (self.n_chunks, 1)), axis=1)
        self.data = {
            "ratings": self.ratings, "block_ptr": self.pointers,
            "chunks": rng.permutation(self.n_chunks).astype(np.int32),
            "order": blocks[turns].reshape(self.n_chunks, -1),
            "starts": rng.integers(0, 100, self.n_chunks * per_chunk),
            "stripe_ptr": bounds(user_stripes, self.n_chunks * self.grid[0]), "user_counts": counts,
            "indptr": np.append(0, np.cumsum(has.sum(axis=1))),
            "members": np.nonzero(has)[1].astype(np.int32),
            "parts": bounds(stripes(has.sum(axis=0), self.n_parts), self.n_parts),
        }  # fmt: skip
        cuts = np.empty((self.n_users, self.n_parts + 1), dtype=np.int64)
        compiled.cut_sets(self.data["indptr"], self.data["members"], self.data["parts"], cuts, 1)
        self.data["cuts"] = cuts
        for array in self.data.values():
            array.flags.writeable = False
        shapes = [(n, self.width) for n in (self.n_users, self.n_items, n_y)] + [self.n_users, self.n_items]
        self.start = {name: rng.normal(0, 0.3, shape) for name, shape in zip(PARAMETERS, shapes, strict=True)}

    def train(self, module: Any, *, n_threads: int = 1, stops: tuple[int, ...] = (), **changes: Any) -> Any:
        """Parameters and squared errors after a pass, in as many calls as there are stops, and one."""
        arrays = {name: array.astype(self.dtype) for name, array in self.start.items()}
        users = np.full((self.n_users, self.width), 7, dtype=self.dtype)
        given = {
            **self.data, **arrays, "sums": users, "first_sums": users.copy(),
            "partial_sums": np.full((self.n_users, self.n_parts, self.width), 7, dtype=self.dtype),
            "kept": np.zeros(self.n_users, self.dtype), "squares": np.zeros(len(self.data["starts"])),
            "turns": np.full((self.data["order"].size, 3), -7, dtype=np.int32),
            "latest": np.full((self.n_chunks, sum(self.grid)), -7, dtype=np.int32),
            "n_item_stripes": self.grid[1], "mean": 3.0, **self.rates,
        }  # fmt: skip
        for begin, end in pairwise([0, *stops, self.n_chunks]):
            module.train(**{**given, "begin": begin, "end": end, **changes}, n_threads=n_threads)
        return [*arrays.values(), given["squares"]]

    def oracle(self) -> Any:
        """The paper's equations, y by y, on a copy for each user of the y of the chunk's start."""
        p, q, y, b_user, b_item = (array.copy() for array in self.start.values())
        lr, reg, lr_bias, reg_bias, lr_y, reg_y = self.rates.values()
        data, per_chunk = self.data, self.grid[0] * self.grid[1]
        squares = np.zeros(len(data["starts"]))
        sets = [data["members"][a:b] for a, b in pairwise(data["indptr"])]
        for chunk, blocks in zip(data["chunks"], data["order"], strict=True):
            copies = [y.copy() for _ in range(self.n_users)]
            for block in blocks + chunk * per_chunk:
                own = self.ratings[self.pointers[block] : self.pointers[block + 1]]
                for u, i, value in np.roll(own, -data["starts"][block]).tolist():
                    root = len(sets[u]) ** -0.5
                    z = p[u] + root * copies[u][sets[u]].sum(axis=0)
                    error = value - (3.0 + b_user[u] + b_item[i] + z @ q[i])
                    before = q[i].copy()
                    b_user[u] += lr_bias * (error - reg_bias * b_user[u])
                    b_item[i] += lr_bias * (error - reg_bias * b_item[i])
                    q[i] += lr * (error * z - reg * q[i])
                    p[u] += lr * (error * before - reg * p[u])
                    for j in sets[u]:
                        copies[u][j] += lr_y * (error * root * before - reg_y * copies[u][j])
                    squares[block] += error**2
            start = y.copy()
            first, last = data["stripe_ptr"][[chunk * self.grid[0], (chunk + 1) * self.grid[0]]]
            for u in range(first, last):
                kept = (1 - lr_y * reg_y) ** data["user_counts"][u]
                own = sets[u]
                y[own] = kept * y[own] + (copies[u][own] - kept * start[own])
        return [p, q, y, b_user, b_item, squares]

    def loss(self, parameters: list[Any]) -> float:
        """Half the loss of which a pass of small steps descends the gradient."""
        p, q, y, b_user, b_item = parameters
        rates = self.rates
        total = 0.0
        for u, i, value in self.ratings.tolist():
            own = y[self.data["members"][self.data["indptr"][u] : self.data["indptr"][u + 1]]]
            guess = 3.0 + b_user[u] + b_item[i] + q[i] @ (p[u] + len(own) ** -0.5 * own.sum(axis=0))
            total += (value - guess) ** 2
            total += rates["reg"] * (p[u] @ p[u] + q[i] @ q[i])
            total += rates["reg_bias"] * (b_user[u] ** 2 + b_item[i] ** 2)
            total += rates["reg_implicit"] * (own**2).sum()
        return total / 2


cases = st.builds(
    Case,
    n_users=st.integers(1, 12),
    n_items=st.integers(1, 12),
    n=st.integers(1, 60),
    n_chunks=st.integers(1, 5),
    grid=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    n_parts=st.integers(1, 4),
    n_extra=st.integers(0, 3),
    width=st.sampled_from([0, 16, 48, 80, 144]),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 10**6),
)


def same_bits(first: Any, second: Any) -> bool:
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))


@given(cases)
def test_kernel_and_twin_take_the_steps_of_the_paper(case: Case) -> None:
    tolerance = {"rtol": 2e-4, "atol": 2e-5} if case.dtype == "float32" else {"rtol": 1e-9, "atol": 1e-11}
    oracle = case.oracle()
    for module in (compiled, twin):
        for found, expected in zip(case.train(module), oracle, strict=True):
            np.testing.assert_allclose(found, expected, **tolerance)


@given(cases, st.data())
def test_threads_levels_and_slices_do_not_change_a_bit(case: Case, data: st.DataObject) -> None:
    expected = case.train(compiled)
    stop = data.draw(st.integers(0, case.n_chunks))
    for module in LEVELS.values():
        for n_threads in (1, 2, 3, 4):
            assert same_bits(case.train(module, n_threads=n_threads), expected)
        assert same_bits(case.train(module, stops=(stop,)), expected)


def test_many_chunks_on_many_threads() -> None:
    case = Case(n_users=600, n_items=200, n=30_000, n_chunks=16, grid=(8, 8), n_parts=8, width=32)
    expected = case.train(compiled)
    for _ in range(3):
        for n_threads in (2, 3, 4, 9):
            assert same_bits(case.train(compiled, n_threads=n_threads), expected)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("term", range(5), ids=PARAMETERS)
def test_each_gradient_is_that_of_the_loss(module: Any, term: int) -> None:
    # Steps so small that all are taken at the starting point: their sum is that of the gradients.
    pace = 1e-7
    rates = {name: pace if name.startswith("lr") else value for name, value in RATES.items()}
    case = Case(dtype="float64", rates=rates, n=30)
    start = [*case.start.values()]
    step = (case.train(module)[term] - start[term]) / pace
    expected = -gradient(lambda: case.loss(start), start[term])
    np.testing.assert_allclose(step, expected, rtol=1e-4, atol=1e-4)


def test_padding_stays_zero() -> None:
    case = Case(width=32)
    for name in PARAMETERS[:3]:
        case.start[name][:, 20:] = 0
    for array in case.train(compiled)[:3]:
        assert not array[:, 20:].any()


def test_divergence_shows_in_the_squared_errors() -> None:
    case = Case(rates={**RATES, "lr": 1e6}, n=60)
    with np.errstate(all="ignore"):
        for module in (compiled, twin):
            assert not np.isfinite(case.train(module)[-1].sum())


@given(cases)
def test_implicit_sums(case: Case) -> None:
    data, y = case.data, case.start["implicit_factors"].astype(case.dtype)
    y.flags.writeable = False
    expected = [
        y[data["members"][a:b]].astype(float).sum(axis=0) * max(b - a, 1) ** -0.5
        for a, b in pairwise(data["indptr"].tolist())
    ]
    found = []
    for module, n_threads in [*((module, 1) for module in LEVELS.values()), (compiled, 3), (twin, 1)]:
        sums = np.full((case.n_users, case.width), 7, dtype=case.dtype)
        module.implicit_sums(data["indptr"], data["members"], y, sums, n_threads)
        np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-5)
        found.append(sums)
    assert all(np.array_equal(sums, found[0]) for sums in found[:-1])


@given(cases)
def test_cuts_divide_the_sets(case: Case) -> None:
    data = case.data
    for module, n_threads in ((compiled, 3), (twin, 1)):
        cuts = np.empty_like(data["cuts"])
        module.cut_sets(data["indptr"], data["members"], data["parts"], cuts, n_threads)
        assert np.array_equal(cuts, data["cuts"])
    assert np.array_equal(cuts[:, 0], data["indptr"][:-1])
    assert np.array_equal(cuts[:, -1], data["indptr"][1:])
    for row in cuts:
        for part, (begin, end) in enumerate(pairwise(row)):
            own = data["members"][begin:end]
            assert ((own >= data["parts"][part]) & (own < data["parts"][part + 1])).all()


@pytest.mark.parametrize("module", BOTH)
def test_cut_sets_refuses(module: Any) -> None:
    data, cuts = Case().data, np.empty((9, 4), dtype=np.int64)
    for indptr, parts, out, message in (
        (data["indptr"], data["parts"], cuts[:, :3].copy(), "cuts must be"),
        (data["indptr"], data["parts"][:1], cuts[:, :1].copy(), "cuts must be"),
        (data["indptr"], data["parts"][::-1].copy(), cuts, "parts must"),
        (data["indptr"][:-1], data["parts"], cuts, "indptr must run"),
    ):
        with pytest.raises(ValueError, match=message):
            module.cut_sets(indptr, data["members"], parts, out, 1)


@pytest.mark.parametrize("module", BOTH)
class TestTrainRefuses:
    @pytest.mark.parametrize("n_threads", [1, 3])
    def test_codes_out_of_range(self, module: Any, n_threads: int) -> None:
        for column, code in (("user", 9), ("user", -1), ("item", 7), ("item", -(2**31))):
            case = Case()
            ratings = case.ratings.copy()
            ratings[column][-1] = code
            with pytest.raises(ValueError, match="a user or an item in block 7 is out of range"):
                case.train(module, ratings=ratings, n_threads=n_threads)

    @pytest.mark.parametrize("n_threads", [1, 3])
    def test_sets_out_of_range(self, module: Any, n_threads: int) -> None:
        case = Case()
        for user in (0, 8):
            begin, end = case.data["indptr"][user : user + 2]
            for place, code in ((begin, -1), (end - 1, 9), (end - 1, case.data["members"][end - 2])):
                members = case.data["members"].copy()
                members[place] = code
                with pytest.raises(ValueError, match=f"the set of user {user} is not ascending or out of"):
                    case.train(module, members=members, n_threads=n_threads)

    def test_places_out_of_range(self, module: Any) -> None:
        case = Case()
        order = case.data["order"].copy()
        order[1, 2] = 4
        pointers = case.pointers.copy()
        pointers[3] = 41
        down = case.data["indptr"].copy()
        down[3] = down[5]
        for changes, message in (
            ({"order": order}, "block 4 of a chunk is out of range"),
            ({"order": order - 9}, "of a chunk is out of range"),
            ({"chunks": np.array([0, 2], dtype=np.int32)}, "chunk 2 is out of range"),
            ({"block_ptr": pointers}, "block 2 is out of range"),
            ({"starts": np.full(8, -1)}, "start -1 of block 0 is negative"),
            ({"stripe_ptr": np.array([0, 2, 1, 4, 9], dtype=np.int32)}, "users of stripe 1"),
            ({"stripe_ptr": np.array([0, 2, 3, 4, 10], dtype=np.int32)}, "users of stripe 3"),
            ({"indptr": down}, "indptr decreases at user"),
            ({"indptr": case.data["indptr"] + 1}, "indptr must run from 0"),
            ({"cuts": case.data["cuts"] + 1}, "cuts are not"),
            ({"cuts": np.roll(case.data["cuts"], 1, axis=1)}, "cuts are not"),
            ({"parts": np.array([0, 4, 5, 9], dtype=np.int32)}, "cuts are not"),
            ({"parts": np.array([0, 8], dtype=np.int32)}, "parts must run from 0"),
            ({"parts": np.array([0, 5, 3, 9], dtype=np.int32)}, "parts must be ascending"),
        ):
            with pytest.raises(ValueError, match=message):
                case.train(module, **changes)

    def test_shapes_that_do_not_fit(self, module: Any) -> None:
        def zeros(*shape: int, dtype: Any = np.float32) -> Any:
            return np.zeros(shape, dtype=dtype)

        for changes, message in (
            ({"starts": zeros(7, dtype=np.int64)}, "squares and starts"),
            ({"squares": zeros(7, dtype=float)}, "squares and starts"),
            ({"item_factors": zeros(7, 32)}, "factor rows"),
            ({"implicit_factors": zeros(9, 32)}, "factor rows"),
            ({"sums": zeros(9, 32)}, "factor rows"),
            ({"first_sums": zeros(8, 16)}, "the same number of rows"),
            ({"user_bias": zeros(8)}, "the same number of rows"),
            ({"item_bias": zeros(8)}, "the same number of rows"),
            ({"kept": zeros(8)}, "the same number of rows"),
            ({"cuts": zeros(9, 3, dtype=np.int64)}, "cuts must be"),
            ({"cuts": zeros(8, 4, dtype=np.int64)}, "cuts must be"),
            ({"partial_sums": zeros(9, 2, 16)}, "partial_sums"),
            ({"partial_sums": zeros(9, 3, 32)}, "partial_sums"),
            ({"partial_sums": zeros(1, 3, 16)}, "partial_sums"),
            ({"user_counts": zeros(8, dtype=np.int64)}, "the same number of rows"),
            ({"begin": 2, "end": 1}, r"\[begin, end\)"),
            ({"end": 3}, r"\[begin, end\)"),
            ({"chunks": zeros(1, dtype=np.int32)}, "a row for each of chunks"),
            ({"block_ptr": zeros(8, dtype=np.int64)}, "block_ptr"),
            ({"stripe_ptr": zeros(4, dtype=np.int32)}, "block_ptr"),
            ({"turns": zeros(7, 3, dtype=np.int32)}, "turns"),
            ({"latest": zeros(2, 3, dtype=np.int32)}, "latest"),
            ({"n_item_stripes": 3}, "user stripes"),
            ({"n_item_stripes": 0}, "user stripes"),
            ({"implicit_factors": zeros(0, 16)}, "no implicit factors"),
        ):
            with pytest.raises(ValueError, match=message):
                Case().train(module, **changes)
        odd = {name: zeros(n, 20) for name, n in zip(PARAMETERS[:3], (9, 7, 9), strict=True)}
        with pytest.raises(ValueError, match="multiple of 64 bytes"):
            Case().train(module, **odd, sums=zeros(9, 20), first_sums=zeros(9, 20))


@pytest.mark.parametrize("module", BOTH)
def test_implicit_sums_refuses(module: Any) -> None:
    case = Case()
    indptr, members = case.data["indptr"], case.data["members"]
    y, sums = np.zeros((9, 16), dtype=np.float32), np.zeros((9, 16), dtype=np.float32)
    for arguments, message in (
        ((indptr, members, y[:, :8].copy(), sums[:, :8].copy()), "multiple of 64 bytes"),
        ((indptr, members, y, sums[:, :8].copy()), "of one length"),
        ((indptr[:-1], members, y, sums), "indptr must run"),
        ((indptr, members + np.int32(9), y, sums), "the set of user"),
        ((indptr, members, y[:0], sums), "no implicit factors"),
    ):
        with pytest.raises(ValueError, match=message):
            module.implicit_sums(*arguments, 1)
