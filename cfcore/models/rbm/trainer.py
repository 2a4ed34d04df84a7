"""An RBM's calls of its kernels: epochs of training, inputs of the hidden units, distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros, thread_rows
from cfcore.data.index import counts
from cfcore.kernels.records import BATCH_RATING, BatchScratch, Cases, MiniBatches, RBMParameters, RBMRates
from cfcore.models.factorization.block_grid import stripes
from cfcore.models.factorization.user_batches import bounds
from cfcore.models.rbm.parameters import zero_parameters
from cfcore.models.rbm.schedule import KINDS, Epoch
from cfcore.random import seed64
from cfcore.threads import threads_for, worthwhile_threads

Array = np.ndarray[Any, Any]

#: Numbers in rows of W that a call may read and write: about .3 s, after which Ctrl-C is heard.
SLICE = 1_000_000_000
#: Visible units are trained in parts, each by one thread at a time, that hold so many ratings of a mean case:
#: with fewer, the time would go into bookkeeping.
PART_OF_CASE, MIN_PARTS, MAX_PARTS = 8, 4, 8


class Engine:
    """Training of an RBM, an epoch a call.

    Parameters
    ----------
    parameters : RBMParameters
        Changed in place.
    cases : Cases
    sharing : ndarray of float32, shape (n_levels - 1,), or empty
    batch_size : int
    normalize : {"count", "batch"}
    momentum : bool
        Whether there is any: without, velocities are neither kept nor read.
    persistent : bool
    rng : Generator
        For the order of the cases in each epoch; the noise is drawn from counters under one key of it.
    n_threads : int or None
    """

    def __init__(
        self, parameters: RBMParameters, cases: Cases, sharing: Array, batch_size: int, normalize: str,
        momentum: bool, persistent: bool, rng: np.random.Generator, n_threads: int | None,
    ) -> None:  # fmt: skip
        self._kernel = backends.kernel("rbm.rbm")
        self._cases = cases
        self._rng = rng
        self._seed = seed64(rng)
        self._by_count = normalize == "count"
        self._parameters = parameters
        self._persistent = persistent
        self._sharing = sharing
        n_units, n_levels, n_hidden = parameters.n_units, parameters.n_levels, parameters.n_hidden
        conditional = parameters.n_conditional > 0
        self._velocities = zero_parameters(n_units, n_levels, n_hidden, conditional) if momentum else None
        self._some = np.flatnonzero(np.diff(cases.indptr)).astype(np.int32)
        self._batch = min(batch_size, len(self._some))
        self._parts = parts_of(cases.rated_units, n_units, len(self._some))
        self._n_threads = threads_for(n_threads, cases.n)
        self._scratch = self._new_scratch(parameters.width)
        self._numbers = cases.n_rated * parameters.width * n_levels

    def _new_scratch(self, width: int) -> BatchScratch:
        cases, batch, n_parts = self._cases, self._batch, len(self._parts) - 1
        largest = np.sort(np.diff(cases.rated_indptr))[-batch:].sum()
        return BatchScratch(
            drawn=cases.levels.copy(),
            squares=np.zeros((-(-len(self._some) // batch), n_parts)),
            hidden=aligned_zeros(4 * batch, width, np.float32).reshape(4, batch, width),
            sums=aligned_zeros(3 * n_parts * batch, width, np.float32).reshape(n_parts, 3, batch, width),
            ratings=np.zeros(largest, dtype=BATCH_RATING),
            counts=np.zeros(cases.n_units, dtype=np.int32),
            touched=np.zeros(cases.n_units, dtype=np.int32),
            ranges=np.zeros((n_parts, 2), dtype=np.int64),
            gradients=thread_rows(self._n_threads, cases.n_levels * width, np.float32),
            rows=thread_rows(self._n_threads, 2 * cases.n_levels * batch, np.int32),
        )

    def epoch(self, epoch: int, how: Epoch, weight_decay: float) -> float:
        """One pass over the cases in a new order; the root mean square error of first reconstructions."""
        batches = MiniBatches(self._rng.permutation(self._some), self._parts, self._batch, self._seed, epoch)
        step = max(1, int(batches.n_batches * SLICE / (self._numbers * how.cd_steps)))
        weights, visible_bias, hidden_bias, conditional = (rate * (1 - how.momentum) for rate in how.lr)
        rates = RBMRates(
            self._sharing, weights, visible_bias, hidden_bias, conditional, weight_decay, how.momentum,
            how.cd_steps, self._by_count, self._persistent,
        )  # fmt: skip
        for begin in range(0, batches.n_batches, step):
            self._kernel.train(
                self._cases, self._parameters, self._velocities, rates, batches, self._scratch,
                (begin, min(begin + step, batches.n_batches)), self._n_threads,
            )  # fmt: skip
        if self._persistent:
            return self._error()
        return float(np.sqrt(self._scratch.squares.sum() / self._cases.n))

    def _error(self) -> float:
        """Root mean square error of the training ratings' own expectations, by mean field.

        Persistent chains do not tell it: their reconstructions are no longer those of the data.
        """
        cases = self._cases
        inputs = hidden_inputs(self._parameters, cases, self._n_threads)
        rows = np.repeat(np.arange(len(inputs), dtype=np.int32), np.diff(cases.indptr))
        shares = probabilities(self._parameters, inputs, rows, cases.units, False, self._n_threads)
        return float(np.sqrt(np.mean((shares @ cases.values - cases.values[cases.levels]) ** 2)))

    def is_sound(self) -> bool:
        """Whether all parameters are finite: reconstructions can look right when they no longer are."""
        return all(bool(np.isfinite(getattr(self._parameters, name)).all()) for name in KINDS)

    def carried(self) -> dict[str, Array]:
        """Arrays handed from epoch to epoch beside those of the fitted model."""
        groups = {"latest": self._parameters, "velocity": self._velocities}
        arrays = {
            f"{group}_{name}": getattr(held, name)
            for group, held in groups.items()
            if held is not None
            for name in KINDS
        }
        return {**arrays, "drawn": self._scratch.drawn} if self._persistent else arrays


def parts_of(members: Array, n_units: int, n_cases: int) -> Array:
    """First unit of each part, equal numbers of ratings as far as that goes, and the number of units."""
    n_parts = min(n_units, max(MIN_PARTS, min(MAX_PARTS, len(members) // (n_cases * PART_OF_CASE))))
    return bounds(stripes(counts(members, n_units), n_parts), n_parts)


def hidden_inputs(parameters: RBMParameters, cases: Cases, n_threads: int | None) -> Array:
    """Inputs of the hidden units of each case: float32 (n_cases, padded n_hidden)."""
    out = aligned_zeros(cases.n_cases, parameters.width, np.float32)
    threads = worthwhile_threads(n_threads, cases.n * parameters.width)
    scratch = thread_rows(threads, parameters.width, np.float32)
    backends.kernel("rbm.predict").hidden_inputs(cases, parameters, scratch, out, threads)
    return out


def probabilities(
    parameters: RBMParameters, inputs: Array, cases: Array, units: Array, exact: bool, n_threads: int | None
) -> Array:
    """Distribution over the levels of each pair of a case and a unit: float64 (n, n_levels)."""
    out = np.empty((len(cases), parameters.n_levels))
    threads = worthwhile_threads(n_threads, out.size * parameters.width)
    scratch = thread_rows(threads, parameters.width, np.float32)
    backends.kernel("rbm.predict").probabilities(
        cases, units, inputs, parameters, exact, scratch, out, threads
    )
    return out
