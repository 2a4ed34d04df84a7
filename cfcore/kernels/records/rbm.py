"""Records of the restricted Boltzmann machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cfcore.kernels.records.base import (
    Array,
    Record,
    array,
    check_codes,
    check_compressed,
    check_row_length,
    check_span,
    check_written,
    dimension,
    integer,
    real,
)

__all__ = [
    "BATCH_RATING",
    "BatchScratch",
    "Cases",
    "MiniBatches",
    "RBMParameters",
    "RBMRates",
    "check_cases",
    "check_entries",
    "check_training",
]

#: A rating of a mini-batch, or a pair known to be rated whose value is not known. `position` is that of the
#: rating in ``Cases.units``, or -1; `row` the number of the case within the mini-batch; `drawn` the level of
#: the reconstruction.
BATCH_RATING = np.dtype([("position", "i8"), ("unit", "i4"), ("row", "i4"), ("level", "i4"), ("drawn", "i4")])

MAX_LEVELS = 64
#: Parts of the visible units; the kernel has tasks for so many.
MAX_PARTS = 64
#: Entries of a mini-batch, which the kernel counts in int32.
MAX_ENTRIES = 2**31 - 1


@dataclass(frozen=True, eq=False, repr=False)
class Cases(Record):
    """Training cases in compressed rows: the visible units that each rated, and the sets r of units.

    Attributes
    ----------
    indptr, units, levels : int64[n_cases + 1], int32[n], uint8[n]
        Ratings of each case, units ascending.
    rated_indptr, rated_units : int64[n_cases + 1], int32[n_rated]
        The sets r, units ascending; each holds the units that its case rated. Faster where they are the same
        arrays as `indptr` and `units`.
    values : float64[n_levels]
        Ratings that the levels stand for; at most 64.
    n_units : int
        Visible units.
    """

    indptr: Array = array("int64", "n_cases + 1")
    units: Array = array("int32", "n")
    levels: Array = array("uint8", "n")
    rated_indptr: Array = array("int64", "n_cases + 1")
    rated_units: Array = array("int32", "n_rated")
    values: Array = array("float64", "n_levels")
    n_units: int = integer(1, 2**31 - 1)
    n_cases: int = dimension()
    n: int = dimension()
    n_rated: int = dimension()
    n_levels: int = dimension()

    def _check(self) -> None:
        if not 1 <= self.n_levels <= MAX_LEVELS:
            raise ValueError(
                f"{self._name('values')} must be of 1 to {MAX_LEVELS} levels, not {self.n_levels}"
            )
        self._check_rows("indptr", "units")
        check_codes(self._name("levels"), self.levels, self.n_levels)
        if self.rated_indptr is not self.indptr or self.rated_units is not self.units:
            self._check_rows("rated_indptr", "rated_units")
            self._check_contained()

    def _check_rows(self, bounds: str, units: str) -> None:
        indptr, codes = getattr(self, bounds), getattr(self, units)
        check_compressed(self._name(bounds), indptr, len(codes))
        check_codes(self._name(units), codes, self.n_units)
        falls = codes[1:] <= codes[:-1]
        falls[indptr[(indptr > 0) & (indptr < len(codes))] - 1] = False  # from a row to the next
        if falls.any():
            row = int(np.searchsorted(indptr, int(falls.argmax()), side="right")) - 1
            raise ValueError(f"{self._name(units)} must ascend within a case; in case {row} they do not")

    def _check_contained(self) -> None:
        own, known = (
            np.repeat(np.arange(self.n_cases) * self.n_units, np.diff(indptr)) + units
            for indptr, units in ((self.indptr, self.units), (self.rated_indptr, self.rated_units))
        )
        at = np.minimum(np.searchsorted(known, own), max(self.n_rated - 1, 0))
        missing = known[at] != own if self.n_rated else np.ones(self.n, dtype=bool)
        if missing.any():
            case, unit = divmod(int(own[missing.argmax()]), self.n_units)
            raise ValueError(
                f"{self._name('rated_units')}: case {case} rated unit {unit}, which is not in its r"
            )


@dataclass(frozen=True, eq=False, repr=False)
class RBMParameters(Record):
    """Parameters of a conditional RBM with softmax visible units, or their velocities.

    Attributes
    ----------
    weights : float32[n_units, n_levels, width]
        W. Rows are n_hidden numbers padded with zeros to a multiple of 16. 64-byte aligned is faster.
    visible_bias : float32[n_units, n_levels]
        b_ik.
    hidden_bias : float32[width]
        b_j, padded as W is.
    conditional : float32[n_units, width], or [0, width] for a model without it
        D, padded as W is.
    n_hidden : int
    """

    weights: Array = array("float32", "n_units", "n_levels", "width", written=True)
    visible_bias: Array = array("float32", "n_units", "n_levels", written=True)
    hidden_bias: Array = array("float32", "width", written=True)
    conditional: Array = array("float32", "n_conditional", "width", written=True)
    n_hidden: int = integer(1, 2**31 - 1)
    n_units: int = dimension()
    n_levels: int = dimension()
    width: int = dimension()
    n_conditional: int = dimension()

    def _check(self) -> None:
        check_row_length(self._name("weights"), self.width, np.float32)
        if self.n_hidden > self.width:
            raise ValueError(
                f"{self._name('n_hidden')} must be within rows of {self.width}, not {self.n_hidden}"
            )
        if self.n_units < 1 or not 1 <= self.n_levels <= MAX_LEVELS:
            raise ValueError(f"{self._name('weights')} must have a unit, and 1 to {MAX_LEVELS} levels")
        if self.n_conditional not in (0, self.n_units):
            raise ValueError(f"{self._name('conditional')} must have a row for each unit, or none")


@dataclass(frozen=True, eq=False, repr=False)
class RBMRates(Record):
    """Steps of contrastive divergence.

    Attributes
    ----------
    sharing : float32[n_levels - 1], or [0]
        Part of its gradient that a level shares with the next, from 0 to 1; [0]: levels share nothing.
    weights, visible_bias, hidden_bias, conditional : float
        Learning rates by kind of parameter.
    weight_decay, momentum : float
    cd_steps : int
        Gibbs steps of a reconstruction.
    by_count : bool
        The gradients of a visible unit are divided by the cases of the mini-batch that rated it; otherwise by
        all its cases.
    persistent : bool
        Chains start from the reconstructions before, not from the data (Tieleman 2008).
    """

    sharing: Array = array("float32", "n_sharing")
    weights: float = real()
    visible_bias: float = real()
    hidden_bias: float = real()
    conditional: float = real()
    weight_decay: float = real(default=0.0)
    momentum: float = real(default=0.0)
    cd_steps: int = integer(1, 2**30, default=1)
    by_count: bool = False
    persistent: bool = False
    n_sharing: int = dimension()


@dataclass(frozen=True, eq=False, repr=False)
class MiniBatches(Record):
    """The mini-batches of an epoch.

    Attributes
    ----------
    order : int32[n_order]
        Cases in the order of this epoch; a mini-batch is the next `batch_size` of them.
    parts : int32[n_parts + 1]
        First visible unit of each part, and the number of units; at most 64 parts. Ratings should be spread
        evenly over them: a part is worked on by one thread at a time.
    batch_size : int
    seed, epoch : int
        Key and second word of the random numbers.
    """

    order: Array = array("int32", "n_order")
    parts: Array = array("int32", "n_parts + 1")
    batch_size: int = integer(1)
    seed: int = integer(0, 2**64 - 1)
    epoch: int = integer(0, 2**32 - 1)
    n_order: int = dimension()
    n_parts: int = dimension()

    @property
    def n_batches(self) -> int:
        """Number of mini-batches; the last may be smaller than the others."""
        return -(-self.n_order // self.batch_size)

    def _check(self) -> None:
        if not 1 <= self.n_parts <= MAX_PARTS:
            raise ValueError(f"{self._name('parts')} must be 1 to {MAX_PARTS}, not {self.n_parts}")
        if self.parts[0] != 0 or (self.parts[1:] < self.parts[:-1]).any():
            raise ValueError(f"{self._name('parts')} must ascend from 0")
        if self.n_order and self.order.min() < 0:
            raise ValueError(f"{self._name('order')} holds {self.order.min()}, which is no case")


@dataclass(frozen=True, eq=False, repr=False)
class BatchScratch(Record):
    """The arrays beside the parameters that training on mini-batches writes.

    Attributes
    ----------
    drawn : uint8[n]
        Level last drawn for each rating. With persistent chains they start from it; otherwise overwritten.
    squares : float64[n_batches, n_parts]
        Sums of squared errors of the first reconstructions' expected ratings, written for each mini-batch
        trained on.
    hidden : float32[4, batch_size, width]
    sums : float32[n_parts, 3, batch_size, width]
    ratings : BATCH_RATING[entries of r in the largest mini-batch, or more]
    counts : int32[n_units]
        All 0 before and after.
    touched, ranges : int32[n_units], int64[n_parts, 2]
    gradients : float32[n_threads or more, n_levels width or more]
    rows : int32[as many as gradients, 2 n_levels batch_size or more]
        Rows of `gradients` and `rows` are one thread's each: they should be whole groups of 64 bytes and end
        with some that are not used.
    """

    drawn: Array = array("uint8", "n", written=True)
    squares: Array = array("float64", "n_batches", "n_parts", written=True)
    hidden: Array = array("float32", 4, "batch_size", "width", written=True)
    sums: Array = array("float32", "n_parts", 3, "batch_size", "width", written=True)
    ratings: Array = array(BATCH_RATING, "n_ratings", written=True)
    counts: Array = array("int32", "n_units", written=True)
    touched: Array = array("int32", "n_units", written=True)
    ranges: Array = array("int64", "n_parts", 2, written=True)
    gradients: Array = array("float32", "n_threads", "gradient_length", written=True)
    rows: Array = array("int32", "n_threads", "rows_length", written=True)
    n: int = dimension()
    n_batches: int = dimension()
    n_parts: int = dimension()
    batch_size: int = dimension()
    width: int = dimension()
    n_ratings: int = dimension()
    n_units: int = dimension()
    n_threads: int = dimension()
    gradient_length: int = dimension()
    rows_length: int = dimension()

    def _check(self) -> None:
        if self.n_threads < 1:
            raise ValueError(f"{self._name('gradients')} must have a row for each thread")


def check_cases(cases: Cases, parameters: RBMParameters, function: str) -> None:
    """Raise ValueError unless the units and levels of cases have parameters."""
    if cases.n_units != parameters.n_units or cases.n_levels != parameters.n_levels:
        raise ValueError(
            f"{function}: cases are of {cases.n_units} units and {cases.n_levels} levels, "
            f"parameters of {parameters.n_units} and {parameters.n_levels}"
        )


def check_entries(cases: Cases) -> None:
    """Check bounds and codes again: the arrays may have changed since the record was made."""
    cases._check()


def check_training(
    cases: Cases,
    parameters: RBMParameters,
    velocities: RBMParameters | None,
    rates: RBMRates,
    batches: MiniBatches,
    scratch: BatchScratch,
    span: tuple[int, int],
) -> None:
    """Raise ValueError unless the records given to `train` fit together, and span is within the mini-batches.

    Bounds and codes of cases are not checked.
    """
    written = (parameters, scratch) if velocities is None else (parameters, velocities, scratch)
    check_written(written, (cases, rates, batches))
    check_cases(cases, parameters, "train")
    if velocities is None:
        if rates.momentum != 0:
            raise ValueError("train: momentum must have velocities")
    elif _sizes(velocities) != _sizes(parameters):
        raise ValueError("train: velocities must have the shapes of parameters")
    if rates.n_sharing not in (0, parameters.n_levels - 1):
        raise ValueError("train: rates.sharing must have n_levels - 1 entries, or none")
    if scratch.n != cases.n or scratch.n_units != cases.n_units:
        raise ValueError("train: scratch.drawn must have an entry a rating, scratch.counts one a unit")
    if scratch.n_batches != batches.n_batches or scratch.n_parts != batches.n_parts:
        raise ValueError("train: scratch.squares must be of shape (n_batches, n_parts) of batches")
    if scratch.batch_size != batches.batch_size or scratch.width != parameters.width:
        raise ValueError("train: scratch.hidden must be of shape (4, batch_size, width)")
    if scratch.gradient_length < parameters.n_levels * parameters.width:
        raise ValueError("train: scratch.gradients must have n_levels width columns")
    if scratch.rows_length < 2 * parameters.n_levels * batches.batch_size:
        raise ValueError("train: scratch.rows must have 2 n_levels batch_size columns")
    begin, end = check_span("train", span, batches.n_batches, "mini-batches")
    batches._check()  # the arrays may have changed since the record was made
    if batches.parts[-1] != cases.n_units:
        raise ValueError(f"train: batches.parts must end with {cases.n_units}, the number of units")
    if begin < end:
        _check_batches(cases, batches, scratch, span)
    if scratch.counts.any():
        raise ValueError("train: scratch.counts must be 0")
    if rates.persistent and cases.n and scratch.drawn.max() >= cases.n_levels:
        raise ValueError("train: scratch.drawn holds a level that is out of range")


def _sizes(parameters: RBMParameters) -> tuple[int, ...]:
    return (*parameters.weights.shape, parameters.n_conditional, parameters.n_hidden)


def _check_batches(cases: Cases, batches: MiniBatches, scratch: BatchScratch, span: tuple[int, int]) -> None:
    """Raise ValueError unless the mini-batches of a call are of cases and fit in scratch."""
    begin, end = (number * batches.batch_size for number in span)
    order = batches.order[begin:end]
    if order.max() >= cases.n_cases:
        raise ValueError(f"train: batches.order holds case {order.max()}, which is out of range")
    entries = cases.rated_indptr[order + 1] - cases.rated_indptr[order]
    largest = np.add.reduceat(entries, np.arange(0, len(order), batches.batch_size)).max()
    if largest > min(scratch.n_ratings, MAX_ENTRIES):
        raise ValueError("train: scratch.ratings must have room for the largest mini-batch")
