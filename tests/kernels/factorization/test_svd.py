"""The kernel `svd`, its twin and a plain oracle take the same steps, and refuse the same input."""

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
from cfcore.reference.factorization import svd as twin
from tests.kernels.conftest import gradient

LEVELS = {level: load_level("factorization.svd", level) for level in available_levels()}
compiled = LEVELS["baseline"]
BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]

RATES = {"lr": 0.05, "reg": 0.1, "lr_bias": 0.03, "reg_bias": 0.04}


@dataclass
class Case:
    """Ratings of users and items of whom some have none, on a grid, and factors to start from."""

    n_users: int = 9
    n_items: int = 7
    n: int = 40
    grid: tuple[int, int] = (3, 2)
    width: int = 16
    dtype: str = "float32"
    seed: int = 0
    step: float = 0.5
    in_turn: bool = False
    clip: bool = False
    rates: dict[str, float] = field(default_factory=lambda: dict(RATES))

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.n = min(self.n, self.n_users * self.n_items)
        cells = rng.choice(self.n_users * self.n_items, self.n, replace=False)
        self.users = (cells // self.n_items).astype(np.int32)
        self.items = (cells % self.n_items).astype(np.int32)
        self.values = (np.round(rng.uniform(1, 5, self.n) / self.step) * self.step).astype(np.float32)
        self.user_stripes = stripes(np.bincount(self.users, minlength=self.n_users), self.grid[0])
        self.item_stripes = stripes(np.bincount(self.items, minlength=self.n_items), self.grid[1])
        blocks = rounds(*self.grid)
        self.order = blocks[rng.permutation(len(blocks))].ravel()
        self.starts = rng.integers(0, 100, len(self.order))
        self.start = [rng.normal(0, 0.3, (n, self.width)) for n in (self.n_users, self.n_items)]
        self.start += [rng.normal(0, 0.3, n) for n in (self.n_users, self.n_items)]
        for array in (self.users, self.items, self.values, self.order, self.starts):
            array.flags.writeable = False

    def layout(self, module: Any = compiled, n_threads: int = 1) -> tuple[Any, Any]:
        pointers = np.empty(self.grid[0] * self.grid[1] + 1, dtype=np.int64)
        ratings = np.empty(self.n, dtype=RATING)
        module.lay_out(
            self.users, self.items, self.values, self.user_stripes, self.item_stripes, pointers, ratings,
            self.grid[1], 12345 + self.seed, n_threads,
        )  # fmt: skip
        return ratings, pointers

    def train(self, module: Any, *, n_threads: int = 1, cuts: tuple[int, ...] = (), **changes: Any) -> Any:
        """Factors, biases and squared errors after a pass, in as many calls as there are cuts, and one."""
        ratings, pointers = self.layout()
        arrays = [array.astype(self.dtype) for array in self.start]
        n_blocks = len(pointers) - 1
        given = {
            "ratings": ratings, "block_ptr": pointers, "order": self.order, "starts": self.starts,
            "user_factors": arrays[0], "item_factors": arrays[1], "user_bias": arrays[2],
            "item_bias": arrays[3], "squares": np.zeros(n_blocks),
            "turns": np.full((len(self.order), 3), -7, dtype=np.int32),
            "latest": np.full(sum(self.grid), -7, dtype=np.int32), "n_item_stripes": self.grid[1],
            "mean": 3.0, "low": 1.0 if self.clip else -np.inf, "high": 5.0 if self.clip else np.inf,
            **self.rates, "in_turn": self.in_turn,
        }  # fmt: skip
        bounds = [0, *cuts, len(self.order)]
        for begin, end in pairwise(bounds):
            module.train(**{**given, "begin": begin, "end": end, **changes}, n_threads=n_threads)
        return [*arrays, given["squares"]]

    def oracle(self) -> Any:
        """The equations, one rating after the other, in Python's doubles."""
        ratings, pointers = self.layout()
        p, q, b_user, b_item = (array.copy() for array in self.start)
        low, high = (1.0, 5.0) if self.clip else (-np.inf, np.inf)
        lr, reg, lr_bias, reg_bias = self.rates.values()
        squares = np.zeros(len(pointers) - 1)
        for block in self.order:
            own = np.roll(ratings[pointers[block] : pointers[block + 1]], -self.starts[block])
            for u, i, value in own.tolist():
                error = value - min(max(3.0 + b_user[u] + b_item[i] + p[u] @ q[i], low), high)
                b_user[u] += lr_bias * (error - reg_bias * b_user[u])
                b_item[i] += lr_bias * (error - reg_bias * b_item[i])
                before = q[i].copy()
                q[i] += lr * (error * p[u] - reg * q[i])
                p[u] += lr * (error * (q[i] if self.in_turn else before) - reg * p[u])
                squares[block] += error**2
        return [p, q, b_user, b_item, squares]

    def loss(self) -> float:
        """Half the loss of which a pass of small steps descends the gradient."""
        p, q, b_user, b_item = self.start
        total = 0.0
        for u, i, value in zip(self.users.tolist(), self.items.tolist(), self.values.tolist(), strict=True):
            total += (value - (3.0 + b_user[u] + b_item[i] + p[u] @ q[i])) ** 2
            total += self.rates["reg"] * (p[u] @ p[u] + q[i] @ q[i])
            total += self.rates["reg_bias"] * (b_user[u] ** 2 + b_item[i] ** 2)
        return total / 2


cases = st.builds(
    Case,
    n_users=st.integers(1, 12),
    n_items=st.integers(1, 12),
    n=st.integers(1, 60),
    grid=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    width=st.sampled_from([0, 16, 48, 144]),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 10**6),
    step=st.sampled_from([0.5, 1.0, 5.0]),
    in_turn=st.booleans(),
    clip=st.booleans(),
)


def same_bits(first: Any, second: Any) -> bool:
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))


@given(cases)
def test_kernel_twin_and_oracle_take_the_same_steps(case: Case) -> None:
    tolerance = {"rtol": 2e-4, "atol": 2e-5} if case.dtype == "float32" else {"rtol": 1e-10, "atol": 1e-12}
    oracle = case.oracle()
    for module in (compiled, twin):
        for found, expected in zip(case.train(module), oracle, strict=True):
            np.testing.assert_allclose(found, expected, **tolerance)


@given(cases, st.data())
def test_threads_levels_and_slices_do_not_change_a_bit(case: Case, data: st.DataObject) -> None:
    expected = case.train(compiled)
    cut = data.draw(st.integers(0, len(case.order)))
    for module in LEVELS.values():
        for n_threads in (1, 2, 3, 4):
            assert same_bits(case.train(module, n_threads=n_threads), expected)
        assert same_bits(case.train(module, cuts=(cut,)), expected)


def test_many_blocks_on_many_threads() -> None:
    case = Case(n_users=300, n_items=200, n=20_000, grid=(16, 8), width=32)
    expected = case.train(compiled)
    for _ in range(5):
        for n_threads in (2, 3, 4, 9):
            assert same_bits(case.train(compiled, n_threads=n_threads), expected)


def test_blocks_that_share_a_user_wait_for_each_other() -> None:
    case = Case(n_users=40, n_items=40, n=1200, grid=(4, 4), width=32)
    case.order = np.sort(case.order)  # the four blocks of a user stripe one after the other
    assert same_bits(case.train(compiled, n_threads=4), case.train(compiled))


@given(cases)
def test_layout_is_a_shuffle_within_blocks(case: Case) -> None:
    ratings, pointers = case.layout()
    for module, n_threads in ((compiled, 3), (twin, 1)):
        again, where = case.layout(module, n_threads)
        assert again.tobytes() == ratings.tobytes()
        assert where.tolist() == pointers.tolist()
    block = case.user_stripes[ratings["user"]] * case.grid[1] + case.item_stripes[ratings["item"]]
    assert block.tolist() == np.repeat(np.arange(len(pointers) - 1), np.diff(pointers)).tolist()
    given = zip(case.users.tolist(), case.items.tolist(), case.values.tolist(), strict=True)
    assert sorted(ratings.tolist()) == sorted(given)


def test_each_place_within_a_block_is_as_likely() -> None:
    case, places = Case(grid=(1, 1), n_users=5, n_items=1, n=5), np.zeros((5, 5))
    for seed in range(2000):
        case.seed = seed
        places[np.arange(5), case.layout()[0]["user"]] += 1
    assert np.abs(places - 400).max() < 100  # 5.6 standard deviations


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("term", range(4), ids=["user_factors", "item_factors", "user_bias", "item_bias"])
@pytest.mark.parametrize("in_turn", [False, True])
def test_each_gradient_is_that_of_the_loss(module: Any, term: int, in_turn: bool) -> None:
    # Steps so small that all are taken at the starting point: their sum is that of the gradients.
    pace = 1e-7
    rates = {name: pace if name.startswith("lr") else value for name, value in RATES.items()}
    case = Case(dtype="float64", rates=rates, in_turn=in_turn)
    step = (case.train(module)[term] - case.start[term]) / pace
    np.testing.assert_allclose(step, -gradient(case.loss, case.start[term]), rtol=1e-4, atol=1e-4)


def test_padding_stays_zero() -> None:
    case = Case(width=32)
    for array in case.start[:2]:
        array[:, 20:] = 0
    for array in case.train(compiled)[:2]:
        assert not array[:, 20:].any()


def test_no_biases_without_mean_and_learning_rate() -> None:
    case = Case(rates={**RATES, "lr_bias": 0.0})
    case.start[2][:] = case.start[3][:] = 0
    _, _, b_user, b_item, _ = case.train(compiled, mean=0.0)
    assert not b_user.any()
    assert not b_item.any()


def test_divergence_shows_in_the_squared_errors() -> None:
    case = Case(rates={**RATES, "lr": 1e6}, n=60)
    with np.errstate(all="ignore"):
        for module in (compiled, twin):
            assert not np.isfinite(case.train(module)[-1].sum())


@pytest.mark.parametrize("module", BOTH)
class TestTrainRefuses:
    def test_codes_out_of_range(self, module: Any) -> None:
        for column, code in (("user", 9), ("user", -1), ("item", 7), ("item", -(2**31))):
            case = Case()
            ratings, _ = case.layout()
            ratings[column][-1] = code
            with pytest.raises(ValueError, match="a user or an item in block 5 is out of range"):
                case.train(module, ratings=ratings)

    def test_blocks_out_of_range(self, module: Any) -> None:
        for block in (-1, 6):
            with pytest.raises(ValueError, match=f"block {block} is out of range"):
                Case().train(module, order=np.full(6, block, dtype=np.int32))
        for pointers in ([0, 9, 3, 9, 9, 9, 40], [0, 9, 9, 9, 9, 9, 41], [-1, 9, 9, 9, 9, 9, 40]):
            with pytest.raises(ValueError, match="is out of range"):
                Case().train(module, block_ptr=np.array(pointers, dtype=np.int64))
        with pytest.raises(ValueError, match="start -1 of block"):
            Case().train(module, starts=np.full(6, -1))

    def test_shapes_that_do_not_fit(self, module: Any) -> None:
        for changes, message in (
            ({"starts": np.zeros(5, dtype=np.int64)}, "starts and squares"),
            ({"squares": np.zeros(5)}, "starts and squares"),
            ({"item_factors": np.zeros((7, 32), dtype=np.float32)}, "factor rows"),
            ({"user_bias": np.zeros(8, dtype=np.float32)}, "biases and factors"),
            ({"begin": 4, "end": 3}, "not within order"),
            ({"end": 7}, "not within order"),
            ({"turns": np.zeros((5, 3), dtype=np.int32)}, "turns"),
            ({"latest": np.zeros(4, dtype=np.int32)}, "latest"),
            ({"n_item_stripes": 0}, "latest"),
        ):
            with pytest.raises(ValueError, match=message):
                Case().train(module, **changes)
        odd = {name: np.zeros((n, 20), dtype=np.float32) for name, n in (("user", 9), ("item", 7))}
        with pytest.raises(ValueError, match="multiple of 64 bytes"):
            Case().train(module, user_factors=odd["user"], item_factors=odd["item"])

    def test_ratings_of_nobody(self, module: Any) -> None:
        nobody = {
            "user_factors": np.zeros((0, 16), dtype=np.float32),
            "user_bias": np.zeros(0, dtype=np.float32),
        }
        with pytest.raises(ValueError, match="no users or no items"):
            Case().train(module, **nobody)


@pytest.mark.parametrize("module", BOTH)
def test_lay_out_in_slices(module: Any) -> None:
    case = Case()
    whole, pointers = case.layout(module)
    assert sorted(whole[["user", "item", "value"]].tolist()) == sorted(
        zip(case.users.tolist(), case.items.tolist(), case.values.tolist(), strict=True)
    )
    found, own = np.empty_like(whole), np.empty_like(pointers)
    given = (
        case.users, case.items, case.values, case.user_stripes, case.item_stripes, own, found, case.grid[1],
        12345 + case.seed, 2,
    )  # fmt: skip
    for begin, end in pairwise([0, 1, 7, case.n]):
        module.lay_out(*given, begin, end)
    assert found.tobytes() == whole.tobytes()
    assert (own == pointers).all()
    with pytest.raises(ValueError, match="within the ratings"):
        module.lay_out(*given, 0, case.n + 1)


def test_lay_out_refuses_to_go_on_from_nothing() -> None:
    case = Case()
    ratings, pointers = case.layout()
    pointers[:] = case.n
    with pytest.raises(ValueError, match="not from the call before"):
        compiled.lay_out(
            case.users, case.items, case.values, case.user_stripes, case.item_stripes, pointers, ratings,
            case.grid[1], 1, 1, 1, case.n,
        )  # fmt: skip


@pytest.mark.parametrize("module", BOTH)
def test_lay_out_refuses(module: Any) -> None:
    for name, index, value, message in (
        ("users", 3, 9, "out of range"),
        ("items", 3, -1, "out of range"),
        ("user_stripes", 0, 3, "out of range"),
        ("item_stripes", 0, -1, "out of range"),
        ("values", None, 39, "of one length"),
    ):
        case = Case()
        array = getattr(case, name)
        array = array[:value].copy() if index is None else array.copy()
        if index is not None:
            array[index] = value
        setattr(case, name, array)
        with pytest.raises(ValueError, match=message):
            case.layout(module)
    for grid in ((3, 0), (0, 2)):
        case = Case()
        case.grid = grid
        with pytest.raises(ValueError, match="n_item_stripes"):
            case.layout(module)


@given(cases, st.data())
def test_predictions(case: Case, data: st.DataObject) -> None:
    p, q, b_user, b_item = (array.astype(case.dtype) for array in case.start)
    rng = np.random.default_rng(case.seed)
    n = data.draw(st.integers(0, 30))
    users = rng.integers(-1, case.n_users, n).astype(np.int32)
    items = rng.integers(-1, case.n_items, n).astype(np.int32)
    for array in (p, q, b_user, b_item, users, items):
        array.flags.writeable = False
    expected = np.full(n, 2.5)
    expected += np.where(users >= 0, b_user[users], 0) + np.where(items >= 0, b_item[items], 0)
    inner = (p[users].astype(float) * q[items].astype(float)).sum(axis=1)
    expected += np.where((users >= 0) & (items >= 0), inner, 0)
    outs = []
    for module, n_threads in [*((module, 1) for module in LEVELS.values()), (compiled, 3), (twin, 1)]:
        out = np.empty(n)
        module.predict(users, items, p, q, b_user, b_item, out, 2.5, n_threads)
        outs.append(out)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
    assert all(np.array_equal(out, outs[0]) for out in outs[:-1])


@pytest.mark.parametrize("module", BOTH)
def test_predict_refuses(module: Any) -> None:
    arrays = [array.astype(np.float32) for array in Case().start]
    for user, item in ((9, 0), (-2, 0), (0, 7), (0, -2)):
        codes = np.array([[0, user], [0, item]], dtype=np.int32)
        with pytest.raises(ValueError, match=r"pair 1 .* is out of range"):
            module.predict(codes[0], codes[1], *arrays, np.empty(2), 0.0, 1)
    one = np.zeros(1, dtype=np.int32)
    with pytest.raises(ValueError, match="of one length"):
        module.predict(one, one, *arrays, np.empty(2), 0.0, 1)
    with pytest.raises(ValueError, match="factor rows"):
        module.predict(
            one, one, arrays[0], np.zeros((7, 32), dtype=np.float32), *arrays[2:], np.empty(1), 0.0, 1
        )
    with pytest.raises(ValueError, match="biases and factors"):
        module.predict(one, one, *arrays[:3], arrays[2], np.empty(1), 0.0, 1)
