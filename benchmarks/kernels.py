"""Times of an SVD update and of a co-rated pair, and of bare C loops, at each SIMD level.

    python benchmarks/kernels.py                        # 100K, 1M and synthetic 20M ratings
    python benchmarks/kernels.py --sizes 100k,1m
    python benchmarks/kernels.py --quick

The C loops are in benchmarks/limits. They are compiled in this run for the same instruction set, and read the
same arrays in the same order; they do not check, slice or evaluate their sums. Kernel and loop alternate.
The time of an "epoch" is the difference between fits of six epochs and of one, divided by five.
"""

from __future__ import annotations

import ctypes
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import limits
import numpy as np
from measure import alternate, arguments, describe, machine, seconds, show, table, write

import cfcore as cf
from cfcore import kernels
from cfcore.kernels.records import Factors, SGDRates, SimilarityMatrix, SimilarityRule
from cfcore.models.factorization.block_grid import Blocks
from cfcore.models.neighbors import similarities

Array = np.ndarray[Any, Any]
#: Most ratings for which pairs are summed: more ratings have billions of pairs.
PAIRS_LIMIT = 2_000_000
RATE, REG = 0.005, 0.05


def ratings_of(size: str) -> tuple[str, cf.Ratings]:
    """Name of the ratings of a size, and the ratings."""
    names = {"100k": "ml-100k", "1m": "ml-1m"}
    shapes = {
        "100k": (943, 1_682, 100_000),
        "1m": (6_040, 3_706, 1_000_000),
        "20m": (138_000, 27_000, 20_000_000),
    }
    if size in names:
        try:
            return names[size], cf.datasets.load(names[size])
        except cf.CfcoreError as error:
            print(f"{names[size]}: {error}\nsynthetic ratings instead", file=sys.stderr)
    users, items, n = shapes[size]
    return f"synthetic {size}", cf.datasets.synthetic(users, items, n, random_state=0)


def pointer(array: Array) -> ctypes.c_void_p:
    """Address of an array's first entry."""
    return ctypes.c_void_p(array.ctypes.data)


def aligned(shape: int | tuple[int, ...], dtype: Any) -> Array:
    """Zeros that begin on a 64-byte boundary."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, dtype=np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def pair_loop(ratings: cf.Ratings, level: str) -> tuple[Callable[[], float], int]:
    """The bare loop over all co-rated item pairs, and their number."""
    rows, co = ratings.by_item, ratings.by_user
    step = 0.5 if np.any(ratings.values % 1) else 1.0
    levels = np.rint((rows.values - ratings.values.min()) / step).astype(np.uint8)
    co_levels = np.rint((co.values - ratings.values.min()) / step).astype(np.uint32)
    entries = co.indices.astype(np.uint32) << np.uint32(4) | co_levels
    ends = rows.to_other.astype(np.int64)
    sums = aligned((ratings.n_items, 8), np.int16)
    function = limits.library("pair", level).pair
    function.restype = ctypes.c_double
    given = [rows.indptr, rows.indices, levels, ends, co.indptr, entries]

    def run() -> float:
        call = [*map(pointer, given), ctypes.c_int64(ratings.n_items), pointer(sums)]
        return seconds(lambda: function(*call))

    return run, int(np.sum(ends - co.indptr[rows.indices]))


class Rows:
    """The arguments of the kernel for Pearson's correlations of all items."""

    def __init__(self, ratings: cf.Ratings) -> None:
        self.rows, self.co = ratings.by_item, ratings.by_user
        self.rule = SimilarityRule("pearson")
        self.packed = similarities.pack(self.rows, self.co, "pearson")
        self.matrix = SimilarityMatrix(np.zeros((ratings.n_items, ratings.n_items), dtype=np.float32))

    def kernel(self, level: str, threads: int) -> Callable[[], float]:
        """Sums and correlations of the half matrix."""
        scratch = similarities.scratch_for(self.packed, self.rule, threads)
        arguments = (self.packed, self.rule, self.matrix, scratch, (0, self.matrix.n_rows), threads)

        def run() -> float:
            with kernels.use_level(level):
                return seconds(lambda: kernels.similarity.half_rows(*arguments))

        return run

    def whole(self) -> float:
        """The call that a model makes: packing and the other half of the matrix too."""
        return seconds(lambda: similarities.Comparison(self.rows, self.co, self.rule, n_threads=1).run())


def pair_rows(name: str, ratings: cf.Ratings, repeats: int) -> Iterator[dict[str, Any]]:
    """A co-rated pair, at each level: bare loop, kernel with evaluation on one thread and two, whole call."""
    rows = Rows(ratings)
    for level in kernels.available_levels():
        bare, n_pairs = pair_loop(ratings, level)
        contenders = {"bare": bare, "kernel": rows.kernel(level, 1), "kernel 2": rows.kernel(level, 2)}
        if level == kernels.current_level():
            contenders["whole"] = rows.whole
        times = alternate(contenders, repeats)
        yield row(name, "co-rated pair, Pearson", level, times, n_pairs)


class Update:
    """Factors and biases of a size, the same at the start of each measurement."""

    def __init__(self, ratings: cf.Ratings, width: int) -> None:
        self.ratings, self.width = ratings, width
        rng = np.random.default_rng(0)
        sizes = (ratings.n_users, ratings.n_items)
        self.first = [rng.normal(0, 0.1, (n, width)).astype(np.float32) for n in sizes]
        self.factors = [aligned((n, width), np.float32) for n in sizes]
        self.biases = [np.zeros(n, dtype=np.float32) for n in sizes]
        self.mean = float(ratings.mean)

    def start(self) -> None:
        """Reset the parameters: after long training, numbers could reach a range of slow arithmetic."""
        for factors, first in zip(self.factors, self.first, strict=True):
            factors[:] = first
        for biases in self.biases:
            biases[:] = 0

    def kernel(self, level: str, threads: int) -> Callable[[], float]:
        """A pass by the kernel: all blocks, in the order and slices in which `SVD` calls it."""
        blocks = Blocks(self.ratings, 4 * self.width, np.random.default_rng(0), threads)
        factors = Factors(*self.factors, *self.biases, self.mean)
        rates = SGDRates(RATE, REG, RATE, REG)

        def run() -> float:
            self.start()
            with kernels.use_level(level):
                return seconds(lambda: blocks.descend(factors, rates))

        return run

    def bare(self, level: str) -> Callable[[], float]:
        """A pass by the bare loop, in the order of the kernel's pass, so that both use the caches alike."""
        laid_out = Blocks(self.ratings, 4 * self.width, np.random.default_rng(0), 1).in_order()
        columns = [np.ascontiguousarray(laid_out[name]) for name in ("user", "item", "value")]
        function = limits.library("sgd", level).sgd
        function.restype = ctypes.c_double
        numbers = [ctypes.c_int64(self.width), *map(ctypes.c_float, (self.mean, RATE, REG))]
        arrays = map(pointer, [*self.factors, *self.biases])
        call = [*map(pointer, columns), ctypes.c_int64(len(laid_out)), *arrays, *numbers]

        def run() -> float:
            self.start()
            return seconds(lambda: (function(*call), columns))

        return run

    def fit(self, n_epochs: int) -> float:
        """Seconds of a whole fit on one thread."""
        model = cf.SVD(n_factors=self.width, n_epochs=n_epochs, random_state=0, n_threads=1)
        return seconds(lambda: model.fit(self.ratings))


def update_rows(name: str, ratings: cf.Ratings, widths: list[int], repeats: int) -> Iterator[dict[str, Any]]:
    """An update of SVD, at each level and number of factors: bare loop, kernel, and the epoch of a fit."""
    for width in widths:
        update = Update(ratings, width)
        for level in kernels.available_levels():
            contenders = {
                "bare": update.bare(level),
                "kernel": update.kernel(level, 1),
                "kernel 2": update.kernel(level, 2),
            }
            if level == kernels.current_level():
                contenders["whole"] = lambda fit=update.fit: (fit(6) - fit(1)) / 5
            times = alternate(contenders, repeats)
            yield row(name, f"SVD update, k={width}", level, times, len(ratings))


def row(name: str, what: str, level: str, times: dict[str, float], n: int) -> dict[str, Any]:
    """Nanoseconds per update or pair, and ratios."""
    each = {contender: 1e9 * value / n for contender, value in times.items()}
    return {
        "data": name,
        "what": what,
        "level": level,
        "n": n,
        "nanoseconds": each,
        "kernel_over_bare": each["kernel"] / each["bare"],
        "two_threads_against_one": each["kernel"] / each["kernel 2"],
    }


def cells(found: dict[str, Any]) -> list[str]:
    """A row as it is printed."""
    each = found["nanoseconds"]
    return [
        found["what"],
        found["data"],
        found["level"],
        *[show(each.get(name), "{:.2f}") for name in ("bare", "kernel", "kernel 2", "whole")],
        show(found["kernel_over_bare"], "{:.2f}x"),
        show(found["two_threads_against_one"], "{:.2f}x"),
    ]


HEADINGS = ["", "data", "level", "bare C ns", "kernel ns", "2 threads", "whole ns", "over bare", "2 over 1"]


def growth(found: list[dict[str, Any]]) -> Iterator[str]:
    """Time of an update on the largest data over that on the second largest, at the best level."""
    updates = [row for row in found if "update" in row["what"] and row["level"] == kernels.current_level()]
    sizes = sorted({row["n"] for row in updates})[-2:]
    for what in dict.fromkeys(row["what"] for row in updates):
        each = [row["nanoseconds"]["kernel"] for row in updates if row["what"] == what and row["n"] in sizes]
        if len(each) == 2:
            yield f"{what}: {sizes[1]:,} ratings over {sizes[0]:,}: {each[1] / each[0]:.2f}x an update"


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="100k,1m,20m", help="comma-separated, of 100k, 1m, 20m")
    parser.add_argument("--factors", default="32,64,128", help="comma-separated multiples of 16")
    parser.add_argument("--repeats", type=int, default=7, help="measurements of each contender")
    options = parser.parse_args()
    sizes = ["100k"] if options.quick else options.sizes.split(",")
    widths = [32] if options.quick else [int(width) for width in options.factors.split(",")]
    repeats = 1 if options.quick else options.repeats
    facts = machine()
    print(describe(facts), "\n")
    found: list[dict[str, Any]] = []
    for size in sizes:
        name, ratings = ratings_of(size)
        parts = [update_rows(name, ratings, widths, repeats)]
        if len(ratings) <= PAIRS_LIMIT:
            parts.append(pair_rows(name, ratings, repeats))
        try:
            for measured in itertools.chain(*parts):
                found.append(measured)
                print(" ".join(cells(measured)[:3]), "done", file=sys.stderr)
        except limits.NoCompilerError as error:
            sys.exit(f"the bare loops cannot be compiled: {error}")
    print(table(HEADINGS, [cells(measured) for measured in found]))
    print("", *growth(found), sep="\n")
    print("\nNanoseconds an update and a pair, medians. over bare: the kernel on one thread over C.")
    print("whole: an epoch of a fit, Python included; for pairs the call that a model makes, with packing.")
    print("The pair kernel also evaluates Pearson for all pairs, co-rated or not; the bare loop only sums.")
    write(options.json, {"machine": facts, "rows": found})


if __name__ == "__main__":
    main()
