"""The kernel `timesvdpp` and its twin descend the paper's loss, to the same bits however they are run."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels import available_levels, load_level
from cfcore.models.factorization.block_grid import RATING, rounds, stripes
from cfcore.models.factorization.user_batches import bounds
from cfcore.reference.factorization import timesvdpp as twin
from tests.kernels.conftest import gradient

LEVELS = {level: load_level("factorization.timesvdpp", level) for level in available_levels()}
compiled = LEVELS["baseline"]
BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]

TERMS = compiled.TERMS
#: Fields of a user-day that name a column of an item's table, and how many there are here.
TABLES = {
    "bin": ("item_bins", 4), "frequency": ("item_frequencies", 3), "weekday": ("item_weekdays", 7),
    "week": ("item_weeks", 5),
}  # fmt: skip
SWITCHES = (
    "user_slope", "user_scale", "day_bias", "day_scale", "user_drift", "day_factors",
    *(term for term, _ in TABLES.values()),
)  # fmt: skip
DAY = np.dtype(
    [("user", "i4"), ("dev", "f4"), ("bin", "u1"), ("frequency", "u1"), ("weekday", "u1"), ("week", "u1")]
)
MEAN = 3.0


@dataclass
class Case:
    """Ratings on some days of some users, sets that hold them and more, and parameters to start from.

    There are users and items without ratings, days without ratings, and items that are in sets only.
    """

    n_users: int = 9
    n_items: int = 7
    n: int = 40
    most_days: int = 3
    n_chunks: int = 2
    grid: tuple[int, int] = (2, 2)
    n_parts: int = 3
    n_extra: int = 2
    width: int = 16
    dtype: str = "float32"
    off: frozenset[str] = frozenset()
    pace: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.n = min(self.n, self.n_users * self.n_items)
        cells = rng.choice(self.n_users * self.n_items, self.n, replace=False)
        users, items = (cells // self.n_items).astype(np.int32), (cells % self.n_items).astype(np.int32)
        values = np.round(rng.uniform(1, 5, self.n)).astype(np.float32)
        counts = np.bincount(users, minlength=self.n_users)

        n_days = rng.integers(1, self.most_days, self.n_users, endpoint=True)
        ends = np.cumsum(n_days)
        self.days = np.zeros(ends[-1], dtype=DAY)
        self.days["user"] = np.repeat(np.arange(self.n_users), n_days)
        self.days["dev"] = rng.normal(0, 1.5, len(self.days))
        for place, (_, n_columns) in TABLES.items():
            self.days[place] = rng.integers(0, n_columns, len(self.days))
        codes = ((ends - n_days)[users] + rng.integers(0, n_days[users])).astype(np.int32)

        user_stripes = stripes(counts, self.n_chunks * self.grid[0])
        item_stripes = stripes(np.bincount(items, minlength=self.n_items), self.grid[1])
        per_chunk = self.grid[0] * self.grid[1]
        self.ratings = np.empty(self.n, dtype=RATING)
        self.pointers = np.empty(self.n_chunks * per_chunk + 1, dtype=np.int64)
        load_level("factorization.svd", "baseline").lay_out(
            codes, items, values, user_stripes[self.days["user"]], item_stripes, self.pointers, self.ratings,
            self.grid[1], 1, 1,
        )  # fmt: skip
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
        load_level("factorization.svdpp", "baseline").cut_sets(
            *(self.data[k] for k in ("indptr", "members", "parts")), cuts, 1
        )
        self.data |= {
            "cuts": cuts, "days": self.days,
            "rates": self.pace * np.linspace(0.01, 0.04, len(TERMS)),
            "regs": np.linspace(0.5, 0.01, len(TERMS)),
        }  # fmt: skip
        for array in self.data.values():
            array.flags.writeable = False
        self.start = {term: self._first(term, rng) for term in TERMS}

    def _first(self, term: str, rng: np.random.Generator) -> Any:
        owners = {"user": self.n_users, "day": len(self.days), "item": self.n_items}
        rows = owners.get(term.split("_")[0], self.n_items + self.n_extra)
        columns = {name: (n,) for name, n in TABLES.values()}.get(term, ())
        if term.endswith(("factors", "drift")):
            columns = (self.width,)
        if term in self.off:
            rows, columns = (rows, (0,)) if term.startswith("item") else (0, columns)
        return rng.normal(1 if term == "user_scale" else 0, 0.3, (rows, *columns))

    def train(self, module: Any, *, n_threads: int = 1, stops: tuple[int, ...] = (), **changes: Any) -> Any:
        """Parameters and squared errors after a pass, in as many calls as there are stops, and one."""
        arrays = {term: array.astype(self.dtype) for term, array in self.start.items()}
        users = np.full((self.n_users, self.width), 7, dtype=self.dtype)
        given = {
            **self.data, **arrays, "sums": users, "first_sums": users.copy(),
            "partial_sums": np.full((self.n_users, self.n_parts, self.width), 7, dtype=self.dtype),
            "kept": np.zeros(self.n_users, self.dtype), "squares": np.zeros(len(self.data["starts"])),
            "turns": np.full((self.data["order"].size, 3), -7, dtype=np.int32),
            "latest": np.full((self.n_chunks, sum(self.grid)), -7, dtype=np.int32),
            "n_item_stripes": self.grid[1], "mean": MEAN,
        }  # fmt: skip
        for begin, end in pairwise([0, *stops, self.n_chunks]):
            module.train(**{**given, "begin": begin, "end": end, **changes}, n_threads=n_threads)
        return [*arrays.values(), given["squares"]]

    def set_of(self, u: int) -> Any:
        return self.data["members"][self.data["indptr"][u] : self.data["indptr"][u + 1]]

    def guess(self, x: dict[str, Any], day: int, i: int) -> float:
        """The prediction for a rating as the paper has it; of a term that is switched off nothing remains."""
        u, dev, *places = self.days[day].tolist()
        on = {term: term not in self.off for term in TERMS}
        found = MEAN + x["user_bias"][u]
        found += x["user_slope"][u] * dev if on["user_slope"] else 0
        found += x["day_bias"][day] if on["day_bias"] else 0
        c = x["user_scale"][u] if on["user_scale"] else 1
        c += x["day_scale"][day] if on["day_scale"] else 0
        at = {term: x[term][i, place] for term, place in zip(SWITCHES[6:], places, strict=True) if on[term]}
        found += (x["item_bias"][i] + at.pop("item_bins", 0)) * c + sum(at.values())
        own = x["implicit_factors"][self.set_of(u)]
        z = x["user_factors"][u] + len(own) ** -0.5 * own.sum(axis=0)
        z = z + (x["user_drift"][u] * dev if on["user_drift"] else 0)
        z = z + (x["day_factors"][day] if on["day_factors"] else 0)
        return float(found + x["item_factors"][i] @ z)

    def loss(self, x: dict[str, Any], term: str) -> float:
        """Half the loss of which a pass of small steps descends the gradient along `term`."""
        total, reg = 0.0, self.data["regs"][TERMS.index(term)]
        for day, i, value in self.ratings.tolist():
            u, _, *places = self.days[day].tolist()
            total += (value - self.guess(x, day, i)) ** 2
            row: Any = {"user": u, "day": day, "item": i}.get(term.split("_")[0], self.set_of(u))
            if term in SWITCHES[6:]:
                row = row, places[SWITCHES[6:].index(term)]
            total += reg * np.sum((x[term][row] - (term == "user_scale")) ** 2)
        return total / 2


cases = st.builds(
    Case,
    n_users=st.integers(1, 12),
    n_items=st.integers(1, 12),
    n=st.integers(1, 60),
    most_days=st.integers(1, 4),
    n_chunks=st.integers(1, 5),
    grid=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    n_parts=st.integers(1, 4),
    n_extra=st.integers(0, 3),
    width=st.sampled_from([0, 16, 32, 64, 112, 144]),
    dtype=st.sampled_from(["float32", "float64"]),
    off=st.frozensets(st.sampled_from(SWITCHES)),
    seed=st.integers(0, 10**6),
)


def same_bits(first: Any, second: Any) -> bool:
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))


def test_terms_are_the_parameters() -> None:
    assert TERMS == twin.TERMS
    assert all(module.TERMS == TERMS for module in LEVELS.values())


@given(cases)
def test_kernel_and_twin_agree(case: Case) -> None:
    tolerance = {"rtol": 2e-4, "atol": 3e-5} if case.dtype == "float32" else {"rtol": 1e-9, "atol": 1e-11}
    for found, expected in zip(case.train(compiled), case.train(twin), strict=True):
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
    for n_threads in (2, 3, 4, 9):
        assert same_bits(case.train(compiled, n_threads=n_threads), expected)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("off", [(), SWITCHES], ids=["all on", "all others off"])
def test_each_gradient_is_that_of_the_loss(module: Any, term: str, off: tuple[str, ...]) -> None:
    # Steps so small that all are taken at the starting point: their sum is that of the gradients.
    case = Case(dtype="float64", pace=1e-6, n=30, n_extra=1, off=frozenset(off) - {term})
    place = TERMS.index(term)
    step = (case.train(module)[place] - case.start[term]) / case.data["rates"][place]
    places = [*np.ndindex(step.shape)]
    if term.endswith(("factors", "drift")):
        step[:, 4:] = 0  # four factors stand for all
        places = [place for place in places if place[1] < 4]
    expected = -gradient(lambda: case.loss(case.start, term), case.start[term], places)
    assert np.count_nonzero(expected) >= 7
    np.testing.assert_allclose(step, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("width", [0, 16])
def test_without_time_it_is_svdpp(module: Any, width: int) -> None:
    case = Case(most_days=1, off=frozenset(SWITCHES), width=width, dtype="float64")
    rates, regs = (dict(zip(TERMS, case.data[name], strict=True)) for name in ("rates", "regs"))
    rates["item_bias"], regs["item_bias"] = rates["user_bias"], regs["user_bias"]
    rates["item_factors"], regs["item_factors"] = rates["user_factors"], regs["user_factors"]
    found = case.train(module, rates=np.array([*rates.values()]), regs=np.array([*regs.values()]))
    found = dict(zip(TERMS, found, strict=False))
    shared = ("user_factors", "item_factors", "implicit_factors", "user_bias", "item_bias")
    x = {term: case.start[term].copy() for term in shared}
    users = np.zeros((case.n_users, width))
    load_level("factorization.svdpp", "baseline").train(
        *(case.data[name] for name in [*case.data][:-3]), *x.values(), users, users.copy(),
        np.zeros((case.n_users, case.n_parts, width)), np.zeros(case.n_users), np.zeros(8),
        np.zeros((8, 3), dtype=np.int32), np.zeros((2, 4), dtype=np.int32), 2, MEAN,
        rates["user_factors"], regs["user_factors"], rates["user_bias"], regs["user_bias"],
        rates["implicit_factors"], regs["implicit_factors"], 0, 2, 1,
    )  # fmt: skip
    for term, array in x.items():
        np.testing.assert_allclose(found[term], array, rtol=1e-9, atol=1e-12)


def test_padding_stays_zero() -> None:
    case = Case(width=32)
    rows = [term for term in TERMS if term.endswith(("factors", "drift"))]
    for term in rows:
        case.start[term][:, 20:] = 0
    found = dict(zip(TERMS, case.train(compiled), strict=False))
    assert len(rows) == 5
    for term in rows:
        assert not found[term][:, 20:].any()


def test_divergence_shows_in_the_squared_errors() -> None:
    case = Case(pace=1e6, n=60)
    with np.errstate(all="ignore"):
        for module in (compiled, twin):
            assert not np.isfinite(case.train(module)[-1].sum())


@pytest.mark.parametrize("module", BOTH)
class TestTrainRefuses:
    @pytest.mark.parametrize("n_threads", [1, 3])
    def test_codes_out_of_range(self, module: Any, n_threads: int) -> None:
        for column, code in (("user", len(Case().days)), ("user", -1), ("item", 7), ("item", -(2**31))):
            case = Case()
            ratings = case.ratings.copy()
            ratings[column][-1] = code
            with pytest.raises(ValueError, match="or an item in block 7 is out of range"):
                case.train(module, ratings=ratings, n_threads=n_threads)

    def test_days_out_of_range(self, module: Any) -> None:
        for place, code in (("user", 9), ("user", -1), *((place, n) for place, (_, n) in TABLES.items())):
            case = Case()
            days = case.days.copy()
            days[place][case.ratings["user"][-1]] = code
            with pytest.raises(
                ValueError, match=r"its record in days, or an item in block \d is out of range"
            ):
                case.train(module, days=days)

    def test_a_term_that_is_off_has_no_range(self, module: Any) -> None:
        case = Case(off=frozenset({"item_bins", "item_weeks"}))
        days = case.days.copy()
        days["bin"] = days["week"] = 255
        assert same_bits(case.train(module, days=days), case.train(module))

    def test_shapes_that_do_not_fit(self, module: Any) -> None:
        def zeros(*shape: int, dtype: Any = np.float32) -> Any:
            return np.zeros(shape, dtype=dtype)

        n_days = len(Case().days)
        for changes, message in (
            ({"rates": np.zeros(14)}, "rates and regs must have 15 entries"),
            ({"regs": np.zeros(16)}, "rates and regs must have 15 entries"),
            ({"user_bias": zeros(0)}, "user_bias must have 9 rows$"),
            ({"user_slope": zeros(8)}, "user_slope must have 9 rows, or none"),
            ({"user_scale": zeros(10)}, "user_scale must have 9 rows, or none"),
            ({"day_bias": zeros(n_days - 1)}, f"day_bias must have {n_days} rows, or none"),
            ({"day_scale": zeros(9)}, "day_scale must have"),
            ({"day_factors": zeros(9, 16)}, "day_factors must have"),
            ({"user_drift": zeros(8, 16)}, "user_drift must have 9 rows, or none"),
            ({"item_bias": zeros(9)}, "item_bias must have 7 rows$"),
            ({"item_bins": zeros(6, 4)}, "item_bins must have 7 rows$"),
            ({"item_weeks": zeros(0, 0)}, "item_weeks must have 7 rows$"),
            ({"user_drift": zeros(0, 32)}, "factor rows"),
            ({"day_factors": zeros(n_days, 32)}, "factor rows"),
            ({"item_factors": zeros(7, 32)}, "factor rows"),
            ({"implicit_factors": zeros(9, 32)}, "factor rows"),
            ({"sums": zeros(8, 16)}, "the same number of rows"),
            ({"kept": zeros(8)}, "the same number of rows"),
            ({"user_counts": zeros(8, dtype=np.int64)}, "the same number of rows"),
            ({"partial_sums": zeros(1, 3, 16)}, "partial_sums"),
            ({"squares": zeros(7, dtype=float)}, "squares and starts"),
            ({"end": 3}, r"\[begin, end\)"),
        ):
            with pytest.raises(ValueError, match=message):
                Case().train(module, **changes)
        off = {"day_bias": zeros(0), "day_scale": zeros(0), "day_factors": zeros(0, 16)}
        with pytest.raises(ValueError, match="no users, no days or no items"):
            Case().train(module, **off, days=Case().days[:0])


class TestPredict:
    def known(self, case: Case) -> tuple[Any, Any, Any]:
        days, items = (array.ravel().astype(np.int32) for array in np.indices((len(case.days), case.n_items)))
        return items, days, case.days[days]

    def predict(self, module: Any, case: Case, items: Any, days: Any, when: Any, n_threads: int = 1) -> Any:
        out = np.full(len(items), 7.0)
        module.predict(items, days, when, *self.rows(case).values(), out, MEAN, n_threads)
        return out

    def rows(self, case: Case) -> dict[str, Any]:
        x = {term: array.astype(case.dtype) for term, array in case.start.items()}
        y = x.pop("implicit_factors")
        for u in range(case.n_users):
            own = y[case.set_of(u)]
            x["user_factors"][u] += max(len(own), 1) ** -0.5 * own.sum(axis=0)
        for array in x.values():
            array.flags.writeable = False
        return x

    @given(cases)
    def test_it_is_what_training_predicts(self, case: Case) -> None:
        items, days, when = self.known(case)
        expected = [
            case.guess(case.start, day, i) if len(case.set_of(case.days["user"][day])) else None
            for day, i in zip(days.tolist(), items.tolist(), strict=True)
        ]
        met = np.array([guess is not None for guess in expected])
        for module in (*LEVELS.values(), twin):
            found = self.predict(module, case, items, days, when)
            np.testing.assert_allclose(
                found[met], np.array(expected)[met].astype(float), rtol=1e-4, atol=1e-4
            )

    @given(cases)
    def test_what_is_not_known_is_left_out(self, case: Case) -> None:
        items, days, when = self.known(case)
        rng, when = np.random.default_rng(case.seed), when.copy()
        for array, unknown in (
            (items, -1), (days, -1), (when["user"], -1), *((when[place], 255) for place in TABLES),
        ):  # fmt: skip
            array[rng.random(len(array)) < 0.2] = unknown
        found = self.predict(compiled, case, items, days, when)
        for module in LEVELS.values():
            for n_threads in (1, 3):
                assert same_bits([self.predict(module, case, items, days, when, n_threads)], [found])
        np.testing.assert_allclose(found, self.predict(twin, case, items, days, when), rtol=1e-5, atol=1e-5)

        # Word for word: what is unknown has a parameter of 0, or 1 for c_u.
        x = {
            term: np.concatenate([array, np.full((1, *array.shape[1:]), float(term == "user_scale"))])
            for term, array in self.rows(case).items()
        }
        for term, _ in TABLES.values():
            x[term] = np.hstack([x[term], np.zeros((len(x[term]), 256 - x[term].shape[1]))])
        days = np.where(when["user"] < 0, -1, days)
        u, d = (
            np.where(code < 0, -1, code) if len(code) else code for code in (when["user"], days)
        )  # place -1: the row of 0
        off = {term: x[term][:0] for term in case.off if not term.startswith("item")}
        c = x["user_scale"][u] if "user_scale" not in off else np.ones(len(u))
        if "day_scale" not in off:
            c = c + x["day_scale"][d]
        expected = MEAN + x["user_bias"][u] + (x["item_bias"][items] + x["item_bins"][items, when["bin"]]) * c
        for place, (term, _) in [*TABLES.items()][1:]:
            expected = expected + x[term][items, when[place]]
        z = x["user_factors"][u]
        if "user_slope" not in off:
            expected = expected + x["user_slope"][u] * when["dev"]
        if "day_bias" not in off:
            expected = expected + x["day_bias"][d]
        if "user_drift" not in off:
            z = z + x["user_drift"][u] * when["dev"][:, None]
        if "day_factors" not in off:
            z = z + np.where(when["user"][:, None] < 0, 0, x["day_factors"][d])
        np.testing.assert_allclose(
            found, expected + (z * x["item_factors"][items]).sum(axis=1), rtol=1e-4, atol=1e-4
        )

    @pytest.mark.parametrize("module", BOTH)
    def test_refuses(self, module: Any) -> None:
        case = Case()
        items, days, when = self.known(case)

        def changed(array: Any, code: int, field: str | None = None) -> Any:
            array = array.copy()
            (array if field is None else array[field])[3] = code
            return array

        for arguments, message in (
            ((changed(items, 7), days, when), "row 3 .*item 7"),
            ((changed(items, -2), days, when), "row 3 .*item -2"),
            ((items, changed(days, len(case.days)), when), "row 3 .*user-day"),
            ((items, changed(days, -2), when), "row 3 .*user-day -2"),
            ((items, days, changed(when, 9, "user")), "row 3 .user 9"),
            ((items, days, changed(when, -2, "user")), "row 3 .user -2"),
            *(((items, days, changed(when, n, place)), "of row 3 is") for place, (_, n) in TABLES.items()),
            ((items, days[1:], when), "of one length"),
            ((items, days, when[1:]), "of one length"),
        ):
            with pytest.raises(ValueError, match=message):
                self.predict(module, case, *arguments)
        case.start["user_drift"] = case.start["user_drift"][1:]
        with pytest.raises(ValueError, match="predict: user_drift must have 9 rows, or none"):
            self.predict(module, case, items, days, when)
