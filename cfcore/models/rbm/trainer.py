"""An RBM's calls of its kernel: epochs of training, inputs of the hidden units, distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros, row_length, thread_rows
from cfcore.data.index import counts
from cfcore.models.factorization.block_grid import stripes
from cfcore.models.factorization.user_batches import bounds
from cfcore.models.rbm.cases import Cases, smoothed
from cfcore.models.rbm.schedule import Epoch
from cfcore.random import seed64
from cfcore.threads import threads_for, worthwhile_threads

Array = np.ndarray[Any, Any]

#: Standard deviation of the first weights, and the further ratings per level with which the first visible
#: biases are drawn to the distribution of all ratings.
INIT_SCALE, SMOOTH = 0.03, 10.0
#: Numbers in rows of W that a call may read and write: about .3 s, after which Ctrl-C is heard.
SLICE = 1_000_000_000
#: Visible units are trained in parts, shared out among threads, that hold so many ratings of a mean case:
#: with fewer it would be all bookkeeping.
PART_OF_CASE, MIN_PARTS, MAX_PARTS = 8, 4, 8

#: A rating of a mini-batch, as the kernel sorts them.
PLACE = np.dtype([("position", "i8"), ("unit", "i4"), ("slot", "i4"), ("level", "i4"), ("drawn", "i4")])


class Parameters:
    """W, b_ik, b_j and D as the kernel wants them: rows padded with zeros to whole groups of 64 bytes.

    Without D its array has no rows.
    """

    def __init__(self, n_units: int, n_levels: int, n_hidden: int, conditional: bool) -> None:
        width = row_length(n_hidden, np.float32)
        self.n_hidden = n_hidden
        self.weights = aligned_zeros(n_units * n_levels, width, np.float32).reshape(n_units, n_levels, width)
        self.visible_bias = np.zeros((n_units, n_levels), dtype=np.float32)
        self.hidden_bias = aligned_zeros(1, width, np.float32)[0]
        self.conditional = aligned_zeros(n_units if conditional else 0, width, np.float32)

    def arrays(self) -> tuple[Array, ...]:
        """All four, in the kernel's order."""
        return self.weights, self.visible_bias, self.hidden_bias, self.conditional

    def fitted(self) -> dict[str, Array | None]:
        """The fitted attributes: the same arrays without their padding."""
        return {
            "weights_": self.weights[:, :, : self.n_hidden],
            "visible_bias_": self.visible_bias,
            "hidden_bias_": self.hidden_bias[: self.n_hidden],
            "conditional_weights_": self.conditional[:, : self.n_hidden] if len(self.conditional) else None,
        }

    def follow(self, latest: Parameters, n_averaged: int) -> None:
        """Become `latest`, or the mean that takes it in as the last of `n_averaged`."""
        share = np.float32(1 / max(1, n_averaged))
        for mine, theirs in zip(self.arrays(), latest.arrays(), strict=True):
            if share == 1:
                mine[:] = theirs
            else:
                mine += share * (theirs - mine)

    @classmethod
    def first(
        cls, cases: Cases, n_units: int, n_levels: int, n_hidden: int, conditional: bool,
        rng: np.random.Generator,
    ) -> Parameters:  # fmt: skip
        """What training starts from: small normal W, smoothed log frequencies; no W for units never seen."""
        new = cls(n_units, n_levels, n_hidden, conditional)
        drawn = rng.standard_normal((n_units, n_levels, n_hidden), dtype=np.float32)
        counts = cases.histograms(n_units, n_levels)[1]
        drawn[counts.sum(axis=1) == 0] = 0
        np.multiply(drawn, np.float32(INIT_SCALE), out=new.weights[:, :, :n_hidden])
        new.visible_bias[:] = np.log(smoothed(counts, SMOOTH))
        return new

    @classmethod
    def of(cls, model: Any) -> Parameters:
        """Those of a fitted model."""
        weights, conditional = model.weights_, model.conditional_weights_
        n_units, n_levels, n_hidden = weights.shape
        new = cls(n_units, n_levels, n_hidden, conditional is not None)
        new.weights[:, :, : new.n_hidden] = weights
        new.visible_bias[:] = model.visible_bias_
        new.hidden_bias[: new.n_hidden] = model.hidden_bias_
        if conditional is not None:
            new.conditional[:, : new.n_hidden] = conditional
        return new


class Engine:
    """Training of an RBM, an epoch a call.

    Parameters
    ----------
    parameters : Parameters
        Changed in place.
    cases : Cases
    rated : (indptr, units)
        The sets r.
    levels : ndarray, shape (n_levels,)
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
        self, parameters: Parameters, cases: Cases, rated: tuple[Array, Array], levels: Array,
        sharing: Array, batch_size: int, normalize: str, momentum: bool, persistent: bool,
        rng: np.random.Generator, n_threads: int | None,
    ) -> None:  # fmt: skip
        self._kernel = backends.kernel("rbm.rbm")
        self._cases = cases
        self._rng = rng
        self._seed = seed64(rng)
        self._by_count = normalize == "count"
        self._parameters = parameters
        n_units, n_levels, width = parameters.weights.shape
        self._persistent = persistent
        velocities = Parameters(
            n_units if momentum else 0, n_levels, parameters.n_hidden, len(parameters.conditional) > 0
        )
        self._velocities = velocities.arrays()
        self._some = np.flatnonzero(np.diff(cases.indptr)).astype(np.int32)
        self._batch = min(batch_size, len(self._some))
        n_batches = -(-len(self._some) // self._batch)
        self._parts = parts_of(rated[1], n_units, len(self._some))
        n_parts = len(self._parts) - 1
        self._n_threads = threads_for(n_threads, len(cases.units))
        self._data = (cases.indptr, cases.units, cases.levels, *rated)
        self._values = levels.astype(np.float64)
        largest = np.sort(np.diff(rated[0]))[-self._batch :].sum()
        rows, batch = aligned_zeros, self._batch
        self._sharing = sharing
        self._scratch = (
            rows(4 * batch, width, np.float32).reshape(4, batch, width),
            rows(3 * n_parts * batch, width, np.float32).reshape(n_parts, 3, batch, width),
            np.zeros(largest, dtype=PLACE), np.zeros(n_units, dtype=np.int32),
            np.zeros(n_units, dtype=np.int32), np.zeros((n_parts, 2), dtype=np.int64),
            thread_rows(self._n_threads, n_levels * width, np.float32),
            thread_rows(self._n_threads, 2 * n_levels * batch, np.int32),
        )  # fmt: skip
        self._drawn = cases.levels.copy()
        self._squares = np.zeros((n_batches, n_parts))
        self._numbers = len(rated[1]) * width * n_levels

    def epoch(self, epoch: int, how: Epoch, weight_decay: float) -> float:
        """One pass over the cases in a new order; the root mean square error of first reconstructions."""
        order = self._rng.permutation(self._some)
        n_batches = -(-len(order) // self._batch)
        step = max(1, int(n_batches * SLICE / (self._numbers * how.cd_steps)))
        rates = np.array(how.lr) * (1 - how.momentum)
        for begin in range(0, n_batches, step):
            self._kernel.train(
                *self._data, order, self._parts, self._values, self._sharing,
                *self._parameters.arrays(), *self._velocities, self._drawn, *self._scratch, self._squares,
                rates, weight_decay,
                how.momentum, self._parameters.n_hidden, how.cd_steps, self._by_count, self._persistent,
                self._seed, epoch, begin, min(begin + step, n_batches), self._n_threads,
            )  # fmt: skip
        if self._persistent:
            return self._error()
        return float(np.sqrt(self._squares.sum() / len(self._cases.units)))

    def _error(self) -> float:
        """Root mean square error of the training ratings' own expectations, by mean field.

        Persistent chains say nothing of it: what they reconstruct is no longer the data.
        """
        cases, rated = self._cases, self._data[3:]
        inputs = hidden_inputs(self._parameters, cases, rated, self._n_threads)
        rows = np.repeat(np.arange(len(inputs), dtype=np.int32), np.diff(cases.indptr))
        shares = probabilities(self._parameters, inputs, rows, cases.units, False, self._n_threads)
        return float(np.sqrt(np.mean((shares @ self._values - self._values[cases.levels]) ** 2)))

    def is_sound(self) -> bool:
        """Whether all parameters are finite: reconstructions can look right when they no longer are."""
        return all(bool(np.isfinite(array).all()) for array in self._parameters.arrays())

    def carried(self) -> dict[str, Array]:
        """What an epoch hands on to the next, beside what the model shows."""
        names = ("weights", "visible_bias", "hidden_bias", "conditional")
        groups = {"latest": self._parameters.arrays(), "velocity": self._velocities}
        arrays = {
            f"{group}_{name}": array
            for group, held in groups.items()
            for name, array in zip(names, held, strict=True)
        }
        return {**arrays, "drawn": self._drawn} if self._persistent else arrays


def parts_of(members: Array, n_units: int, n_cases: int) -> Array:
    """First unit of each part, equal numbers of ratings as far as that goes, and the number of units."""
    n_parts = min(n_units, max(MIN_PARTS, min(MAX_PARTS, len(members) // (n_cases * PART_OF_CASE))))
    return bounds(stripes(counts(members, n_units), n_parts), n_parts)


def hidden_inputs(
    parameters: Parameters, cases: Cases, rated: tuple[Array, Array], n_threads: int | None
) -> Array:
    """What enters the hidden units of each case: float32 (n_cases, padded n_hidden)."""
    width = parameters.weights.shape[2]
    out = aligned_zeros(len(cases.indptr) - 1, width, np.float32)
    threads = worthwhile_threads(n_threads, len(cases.units) * width)
    scratch = thread_rows(threads, width, np.float32)
    backends.kernel("rbm.rbm").hidden_inputs(
        cases.indptr, cases.units, cases.levels, *rated, *parameters.arrays(), scratch, out,
        parameters.n_hidden, threads,
    )  # fmt: skip
    return out


def probabilities(
    parameters: Parameters, inputs: Array, cases: Array, units: Array, exact: bool, n_threads: int | None
) -> Array:
    """Distribution over the levels of each pair of a case and a unit: float64 (n, n_levels)."""
    _, n_levels, width = parameters.weights.shape
    out = np.empty((len(cases), n_levels))
    threads = worthwhile_threads(n_threads, len(cases) * n_levels * width)
    scratch = thread_rows(threads, width, np.float32)
    backends.kernel("rbm.rbm").probabilities(
        cases, units, inputs, *parameters.arrays(), scratch, out, parameters.n_hidden, exact, threads
    )
    return out
