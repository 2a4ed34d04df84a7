"""What runs on workers: pure functions of a part of the data, and of the parameters before."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.kernels.records import (
    Biases,
    BlockLayout,
    BlockScratch,
    BlockVisits,
    DrawKey,
    Factors,
    ImplicitRows,
    ImplicitSets,
    NearestRows,
    RatingRows,
    RowDraws,
    RowSolves,
    SGDRates,
    SimilarityMatrix,
)
from cfcore.models.factorization.als_rows import Solving
from cfcore.models.factorization.bayesian_side import Drawing
from cfcore.models.neighbors.similarities import Comparison, Rows
from cfcore.models.rbm.trainer import RBMTrainer
from cfcore.threads import threads_worth

__all__ = ["Static", "compare", "draw_rows", "run_parts", "solve_biases", "solve_rows", "train_blocks"]

Array = np.ndarray[Any, Any]

#: One call of kernels at a time in a process: it uses all threads of the worker.
_busy = threading.Lock()


@contextmanager
def own_threads() -> Iterator[int]:
    """The number of the worker's threads, which no other task of the worker uses meanwhile."""
    from distributed import get_worker

    with _busy:
        yield get_worker().state.nthreads


class Static:
    """An argument of tasks, such as a part of the training data.

    It travels as one string of bytes: arrays that are views of a message may be read-only, or not aligned.

    Parameters
    ----------
    value : object
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self._n_bytes = 0

    def __reduce__(self) -> Any:
        import cloudpickle

        packed = cloudpickle.dumps(self.value, protocol=5)  # trainers hold modules
        self._n_bytes = len(packed)
        return _unpacked, (packed,)

    def __sizeof__(self) -> int:
        return self._n_bytes + 64  # by which Dask estimates the time of a transfer


def _unpacked(packed: bytes) -> Static:
    found = Static(pickle.loads(packed))
    found._n_bytes = len(packed)
    return found


def ready(array: Any) -> Any:
    """The array, or an aligned copy."""
    return None if array is None else np.require(array, requirements="CA")


# ---------------------------------------------------------------------- blocks


@dataclass(frozen=True, eq=False)
class BlockPart:
    """The ratings of consecutive user stripes, in blocks.

    Attributes
    ----------
    ratings : RATING[n]
        Codes of users count from the first of these stripes.
    block_ptr : int64[n_blocks + 1]
    item_ptr : int32[n_item_stripes + 1]
        First item of each item stripe.
    n_users : int
    """

    ratings: Array
    block_ptr: Array
    item_ptr: Array
    n_users: int


@dataclass(frozen=True, eq=False)
class BlockJob:
    """What a task does with the blocks of a `BlockPart`.

    Attributes
    ----------
    order : int32[n_visits]
    starts : int64[n_visits]
        Where the sweep of each of these blocks begins.
    stage : int
    rates : SGDRates
    mean : float
    packets : list of int arrays
        Item stripes of each packet that comes in, and goes out.
    """

    order: Array
    starts: Array
    stage: int
    rates: SGDRates
    mean: float
    packets: Sequence[Array]


def train_blocks(
    part: Static, before: Any, packets: Sequence[tuple[Array, Array]], given: Static
) -> dict[Any, Any]:
    """Train on blocks, in their order.

    Parameters
    ----------
    part : Static of BlockPart
    before : dict
        Of the task before on the same users: "users", their factors and biases, and "squares".
    packets : list of (factors, biases)
        Rows of the item stripes in ``packets`` of the job.
    given : Static of BlockJob

    Returns
    -------
    dict
        "users" after these blocks, "squares" of the blocks of each stage, and packet p under p.
    """
    held: BlockPart = part.value
    job: BlockJob = given.value
    users, user_bias = before["users"]
    width, dtype = users.shape[1], users.dtype
    rows, bias = aligned_zeros(held.n_users, width, dtype), np.array(user_bias)
    rows[:] = users
    n_items = int(held.item_ptr[-1])
    items, item_bias = aligned_zeros(n_items, width, dtype), np.zeros(n_items, dtype=dtype)
    for stripes, (own, own_bias) in zip(job.packets, packets, strict=True):
        at = 0
        for span in _spans(held.item_ptr, stripes):
            size = span.stop - span.start
            items[span], item_bias[span] = own[at : at + size], own_bias[at : at + size]
            at += size
    n_item_stripes, n_blocks = len(held.item_ptr) - 1, len(held.block_ptr) - 1
    layout = BlockLayout(held.ratings, held.block_ptr, n_item_stripes)
    starts = np.zeros(n_blocks, dtype=np.int64)
    starts[job.order] = job.starts
    scratch = BlockScratch(
        np.zeros(n_blocks),
        np.empty((n_blocks, 3), np.int32),
        np.empty(n_blocks // n_item_stripes + n_item_stripes, np.int32),
    )
    factors, visits = Factors(rows, items, bias, item_bias, job.mean), BlockVisits(job.order, starts)
    with own_threads() as n_threads:
        n_threads = threads_worth(n_threads, len(held.ratings), "block_ratings")
        kernel = backends.kernel("factorization.svd")
        kernel.train(layout, factors, job.rates, visits, scratch, (0, len(job.order)), n_threads)
    found: dict[Any, Any] = {"users": (rows, bias)}
    found["squares"] = {**before["squares"], job.stage: scratch.squares[job.order]}
    for p, stripes in enumerate(job.packets):
        spans = _spans(held.item_ptr, stripes)
        found[p] = (
            np.concatenate([items[span] for span in spans]),
            np.concatenate([item_bias[span] for span in spans]),
        )
    return found


def _spans(item_ptr: Array, stripes: Array) -> list[slice]:
    """Codes of the items of some stripes."""
    return [slice(int(item_ptr[s]), int(item_ptr[s + 1])) for s in stripes]


# ---------------------------------------------------------------------- rows


@dataclass(frozen=True, eq=False)
class RowsPart:
    """The ratings of consecutive rows: users, or items.

    Attributes
    ----------
    begin, n_rows : int
        The first of the rows, and how many there are in all parts.
    indptr, indices : int64[n + 1], int32[m]
    values, weights : float32[m] or None
    n_columns, most : int
        Codes of the other side, and ratings of the row that has most in all parts.
    fixed : dict
        What else a task reads that does not change in a fit.
    """

    begin: int
    n_rows: int
    indptr: Array
    indices: Array
    values: Array | None
    weights: Array | None
    n_columns: int
    most: int
    fixed: dict[str, Any]

    @property
    def n(self) -> int:
        """The number of its rows."""
        return len(self.indptr) - 1


def solve_rows(part: Static, shared: Any) -> tuple[Array, Array, Array]:
    """Solve for rows and biases by least squares; these, and sums of weighted squared errors.

    Parameters
    ----------
    part : Static of RowsPart
    shared : ((float32[n_columns, width], float32[n_columns]), float32[n_columns, width] or None)
        Rows and biases of the other side, and the factors that the sets of the rows are sums of.
    """
    held: RowsPart = part.value
    columns, members = shared
    rows = aligned_zeros(held.n, columns[0].shape[1], np.float32)
    ratings = RatingRows(held.indptr, held.indices, held.values, held.n_columns)
    with own_threads() as n_threads:
        centres = None
        if members is not None:
            sums = aligned_zeros(held.n, members.shape[1], np.float32)
            sets = ImplicitSets(held.indptr, held.indices, len(members))
            threads = threads_worth(n_threads, len(held.indices) * members.shape[1])
            kernel = backends.kernel("factorization.svdpp")
            kernel.implicit_sums(sets, ImplicitRows(_aligned(members), sums), threads)
            centres = sums.astype(np.float64)
        solves = RowSolves(
            rows, np.zeros(held.n, np.float32), _aligned(columns[0]), ready(columns[1]),
            held.fixed["penalty"], np.zeros(held.n), held.fixed["mean"], None, held.fixed["bias_penalty"],
            held.weights,
        )  # fmt: skip
        squares = Solving(ratings, solves, n_threads)(centres)
    return rows, solves.biases, squares


@dataclass(frozen=True, eq=False)
class DrawJob:
    """What a task draws rows from, beside what all tasks of a sweep read.

    Attributes
    ----------
    targets : float32[m]
    prior_mean : float64[n, n_factors]
    row_precision : float64[n]
    weights : float32[m] or None
    """

    targets: Array
    prior_mean: Array
    row_precision: Array
    weights: Array | None


def draw_rows(part: Static, job: DrawJob, shared: dict[str, Any]) -> tuple[Array, Array | None]:
    """Draw rows from their conditional distributions; these, and the distributions' means.

    Parameters
    ----------
    part : Static of RowsPart
    job : DrawJob
    shared : dict
        "columns", rows of the other side; "precision" and "column_weight" of `RowDraws`; "with_means"; "key"
        (seed, kind, sweep).
    """
    held: RowsPart = part.value
    columns = _aligned(shared["columns"])
    begin, end, width = held.begin, held.begin + held.n, columns.shape[1]
    # Random numbers are keyed by the row: arrays have all rows, of which memory is used for these alone.
    rows = aligned_zeros(held.n_rows, width, np.float32)
    means = aligned_zeros(held.n_rows, width, np.float32) if shared["with_means"] else None
    prior = np.zeros((held.n_rows, job.prior_mean.shape[1]))
    prior[begin:end] = job.prior_mean
    row_precision = np.zeros(held.n_rows)
    row_precision[begin:end] = job.row_precision
    indptr = np.full(held.n_rows + 1, len(held.indices), dtype=np.int64)
    indptr[:begin] = 0
    indptr[begin : end + 1] = held.indptr
    ratings = RatingRows(indptr, held.indices, ready(job.targets), held.n_columns)
    draws = RowDraws(
        rows, columns, prior, ready(shared["precision"]), row_precision,
        ready(shared["column_weight"]), means, ready(job.weights),
    )  # fmt: skip
    with own_threads() as n_threads:
        drawing = Drawing(ratings, draws, held.most, n_threads)
        drawing.spans = [(begin, end)]
        drawing(DrawKey(*shared["key"]))
    return rows[begin:end].copy(), None if means is None else means[begin:end].copy()


def solve_biases(part: Static, column_bias: Array) -> Array:
    """Biases by least squares, with those of the other side held."""
    held: RowsPart = part.value
    ratings = RatingRows(held.indptr, held.indices, held.values, held.n_columns)
    found = np.zeros(held.n, dtype=column_bias.dtype)
    with own_threads() as n_threads:
        threads = threads_worth(n_threads, len(held.indices), "ratings")
        biases = Biases(found, ready(column_bias), held.fixed["mean"])
        backends.kernel("factorization.baseline").solve(ratings, biases, held.fixed["reg"], threads)
    return found


def _aligned(rows: Array) -> Array:
    """Rows that start at multiples of 64 bytes."""
    if rows.ctypes.data % 64 == 0 and rows.flags.c_contiguous:
        return rows
    found = aligned_zeros(*rows.shape, rows.dtype)
    found[:] = rows
    return found


# ---------------------------------------------------------------------- pairs


@dataclass(frozen=True, eq=False)
class Pairs:
    """What rows are compared by.

    Attributes
    ----------
    comparison : Comparison
        Without its result.
    dtype : dtype
        Of the similarities.
    n_kept : int or None
        As its `top_k`.
    """

    comparison: Comparison
    dtype: Any
    n_kept: int | None


def compare(pairs: Static, begin: int, end: int) -> tuple[Array, ...]:
    """Similarities of rows [begin, end): with the rows before each, or codes and values of the nearest.

    Parameters
    ----------
    pairs : Static of Pairs
    begin, end : int
    """
    held: Pairs = pairs.value
    own, n = copy.copy(held.comparison), held.comparison.ratings.n_rows
    found: Any
    if held.n_kept is None:
        found = SimilarityMatrix(np.empty((n, n), dtype=held.dtype))
    else:
        found = NearestRows(np.zeros((n, held.n_kept), np.int32), np.zeros((n, held.n_kept), held.dtype))
    own.found = found
    with own_threads() as n_threads:
        own.n_threads = n_threads
        own.run_part(Rows(0, begin, end))
    if held.n_kept is None:
        return (found.values[begin:end, :end].copy(),)
    return found.codes[begin:end].copy(), found.values[begin:end].copy()


# ---------------------------------------------------------------------- parts in sequence


def run_parts(trainer: Static, state: dict[str, Array], parts: Static) -> dict[str, Any]:
    """Run parts of an epoch one after the other.

    Parameters
    ----------
    trainer : Static of InSequence
    state : dict of str to ndarray
        All arrays that an epoch changes; those of the task before, with its "results".
    parts : Static of list

    Returns
    -------
    dict
        These arrays after the parts, and "results" of the parts so far.
    """
    held = trainer.value
    with own_threads() as n_threads:
        held.use_threads(n_threads)
        live = held.arrays()
        for name, array in live.items():
            np.copyto(array, state[name])
        results = [held.trainer.run_part(part) for part in parts.value]
        after = {name: array.copy() for name, array in live.items()}
    return {**after, "results": [*state.get("results", ()), *results]}


class InSequence:
    """A trainer whose parts run one after the other, and what its tasks need of it.

    Parameters
    ----------
    trainer : UserBatchTrainer
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer

    @classmethod
    def of(cls, trainer: Any) -> InSequence:
        """That of a trainer, by its kind."""
        return MiniBatchSequence(trainer) if isinstance(trainer, RBMTrainer) else cls(trainer)

    def arrays(self) -> dict[str, Array]:
        """All live arrays that an epoch changes."""
        return {**self.trainer.arrays(), **self.trainer.carried()}

    def use_threads(self, n_threads: int) -> None:
        """Have parts use so many threads."""
        self.trainer.batches.use_threads(n_threads)

    def numbers(self) -> float:
        """Numbers that an epoch reads and writes."""
        return float(self.trainer.batches.work)

    def error(self, parts: Sequence[Any], results: Sequence[Any]) -> float:
        """The error of an epoch, from the results of its parts."""
        return float(self.trainer.error(parts, results))


class MiniBatchSequence(InSequence):
    """That of an RBM: sums of squared errors are among the arrays.

    Parameters
    ----------
    trainer : RBMTrainer
    """

    def arrays(self) -> dict[str, Array]:
        """All live arrays that an epoch changes."""
        return {**super().arrays(), "squares": self.trainer.squares}

    def use_threads(self, n_threads: int) -> None:
        """Have parts use so many threads."""
        self.trainer.use_threads(n_threads)

    def numbers(self) -> float:
        """Numbers that an epoch reads and writes."""
        cases = self.trainer.cases
        return float(cases.n_rated * self.trainer.latest.width * cases.n_levels)

    def error(self, parts: Sequence[Any], results: Sequence[Any]) -> float:
        """The error of an epoch."""
        return float(self.trainer.error())
