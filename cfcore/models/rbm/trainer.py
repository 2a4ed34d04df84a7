"""`RBMTrainer`: epochs of contrastive divergence, a range of mini-batches at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros, thread_rows
from cfcore.data.index import counts
from cfcore.kernels.records import BATCH_RATING, BatchScratch, Cases, MiniBatches, RBMRates
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.stripes import bounds, stripes
from cfcore.models.rbm.inference import Observed, Predictor, Settings, hidden_inputs, probabilities
from cfcore.models.rbm.parameters import average, first_parameters, unpadded, zero_parameters
from cfcore.models.rbm.schedule import KINDS, Schedule
from cfcore.models.rbm.state import RBMState
from cfcore.random import seed64
from cfcore.threads import threads_worth

__all__ = ["Averaging", "Batches", "RBMTrainer", "Training"]

Array = np.ndarray[Any, Any]

#: Numbers in rows of W that a call may read and write: about .3 s, after which Ctrl-C is heard.
SLICE = 1_000_000_000
#: Visible units are trained in parts, each by one thread at a time, that hold so many ratings of a mean case:
#: with fewer, the time would go into bookkeeping.
PART_OF_CASE, MIN_PARTS, MAX_PARTS = 8, 4, 8


@dataclass(frozen=True, eq=False)
class Training:
    """The hyper-parameters that training depends on.

    Attributes
    ----------
    schedule : Schedule
    n_hidden : int
    conditional : bool
    sharing : ndarray of float32, shape (n_levels - 1,), or empty
        Part of its gradient that each level shares with the next.
    weight_decay : float
    batch_size : int
    by_count : bool
        Whether gradients of a visible unit are divided by the cases of the mini-batch that rated it.
    persistent : bool
    """

    schedule: Schedule
    n_hidden: int
    conditional: bool
    sharing: Array
    weight_decay: float
    batch_size: int
    by_count: bool = True
    persistent: bool = False


@dataclass(frozen=True, eq=False)
class Batches:
    """A part of an epoch: consecutive mini-batches.

    Attributes
    ----------
    epoch : int
    first : int
        Number of the first mini-batch within the epoch.
    order : ndarray of int32
        Cases of these mini-batches.
    """

    epoch: int
    first: int
    order: Array


@dataclass(frozen=True)
class Averaging:
    """The last part of an epoch: the mean takes the parameters in, as the last of `n_averaged`; 0: the mean
    becomes these parameters."""

    n_averaged: int


class RBMTrainer:
    """Training of an RBM.

    The fitted parameters are the mean of those of the last epochs; before these begin, or without averaging,
    they are the latest.

    Parameters
    ----------
    cases : Cases
    levels : ndarray of float32
    rated : (indptr, units) or None
        The sets r, where they are not the units that each case rated.
    training : Training
    settings : Settings
        For predictions of validation ratings.
    context : FitContext
        Its generator draws the first weights, the order of the cases in each epoch, and one key under which
        the kernel draws everything else from counters.
    """

    def __init__(
        self,
        cases: Cases,
        levels: Array,
        rated: tuple[Array, Array] | None,
        training: Training,
        settings: Settings,
        context: FitContext,
    ) -> None:
        self.cases, self.training, self.settings, self.context = cases, training, settings, context
        rated_indptr, rated_units = (None, None) if rated is None else rated
        self._fixed = {
            "levels": levels, "case_indptr": cases.indptr, "case_units": cases.units,
            "case_levels": cases.levels, "rated_indptr": rated_indptr, "rated_units": rated_units,
        }  # fmt: skip
        size = cases.n_units, cases.n_levels, training.n_hidden, training.conditional
        self.latest = first_parameters(cases, training.n_hidden, training.conditional, context.rng)
        self.velocities = zero_parameters(*size) if max(training.schedule.momentum) > 0 else None
        self.mean = zero_parameters(*size)
        average(self.mean, self.latest, 0)
        self._seed = seed64(context.rng)
        self._rated_cases = np.flatnonzero(np.diff(cases.indptr)).astype(np.int32)
        self._batch = min(training.batch_size, len(self._rated_cases))
        self._unit_parts = unit_parts(cases, len(self._rated_cases))
        self._n_threads = threads_worth(context.n_threads, cases.n, "ratings")
        self._scratch = self._new_scratch()
        self._observed = Observed(cases)

    def _new_scratch(self) -> BatchScratch:
        cases, batch, width = self.cases, self._batch, self.latest.width
        n_parts = len(self._unit_parts) - 1
        largest = np.sort(np.diff(cases.rated_indptr))[-batch:].sum()
        return BatchScratch(
            drawn=cases.levels.copy(),
            squares=np.zeros((-(-len(self._rated_cases) // batch), n_parts)),
            hidden=aligned_zeros(4 * batch, width, np.float32).reshape(4, batch, width),
            sums=aligned_zeros(3 * n_parts * batch, width, np.float32).reshape(n_parts, 3, batch, width),
            ratings=np.zeros(largest, dtype=BATCH_RATING),
            counts=np.zeros(cases.n_units, dtype=np.int32),
            touched=np.zeros(cases.n_units, dtype=np.int32),
            ranges=np.zeros((n_parts, 2), dtype=np.int64),
            gradients=thread_rows(self._n_threads, cases.n_levels * width, np.float32),
            rows=thread_rows(self._n_threads, 2 * cases.n_levels * batch, np.int32),
        )

    def use_threads(self, n_threads: int | None) -> None:
        """Have mini-batches use so many threads, where their work is worth it."""
        n_threads = threads_worth(n_threads, self.cases.n, "ratings")
        if n_threads != self._n_threads:
            self._n_threads, before = n_threads, self._scratch
            new = self._new_scratch()
            self._scratch = dataclasses.replace(before, gradients=new.gradients, rows=new.rows)

    # ------------------------------------------------------------------ epochs

    def epoch(self, k: int) -> float:
        """One pass over the cases in a new order, and the averaging at its end; its error."""
        for part in self.parts(k):
            self.run_part(part)
        return self.error()

    def error(self) -> float:
        """The error of the latest epoch.

        The root mean square error of the first reconstructions' expectations; of persistent chains, that of
        the training ratings' own; NaN if a parameter is not finite.
        """
        # Reconstructions can have a finite error when parameters are no longer finite.
        if not all(np.isfinite(getattr(self.latest, kind)).all() for kind in KINDS):
            return float("nan")
        if self.training.persistent:
            return self._error()
        return float(np.sqrt(self._scratch.squares.sum() / self.cases.n))

    def parts(self, k: int) -> list[Batches | Averaging]:
        """Ranges of mini-batches of about .3 s each, one after the other, then the averaging."""
        how = self.training.schedule.of_epoch(k)
        order = self.context.rng.permutation(self._rated_cases)
        n_batches = len(self._scratch.squares)
        numbers = self.cases.n_rated * self.latest.width * self.cases.n_levels
        step = max(1, int(n_batches * SLICE / (numbers * how.cd_steps)))
        ranges: list[Batches | Averaging] = [
            Batches(k, first, order[first * self._batch : (first + step) * self._batch])
            for first in range(0, n_batches, step)
        ]
        return [*ranges, Averaging(how.averaged)]

    def run_part(self, part: Batches | Averaging) -> None:
        """Train on mini-batches, or average."""
        if isinstance(part, Averaging):
            average(self.mean, self.latest, part.n_averaged)
            return
        how = self.training.schedule.of_epoch(part.epoch)
        weights, visible_bias, hidden_bias, conditional = (rate * (1 - how.momentum) for rate in how.lr)
        rates = RBMRates(
            self.training.sharing, weights, visible_bias, hidden_bias, conditional,
            self.training.weight_decay, how.momentum, how.cd_steps, self.training.by_count,
            self.training.persistent,
        )  # fmt: skip
        batches = MiniBatches(part.order, self._unit_parts, self._batch, self._seed, part.epoch)
        squares = self._scratch.squares[part.first : part.first + batches.n_batches]
        scratch = dataclasses.replace(self._scratch, squares=squares)
        backends.kernel("rbm.rbm").train(
            self.cases, self.latest, self.velocities, rates, batches, scratch, (0, batches.n_batches),
            self._n_threads,
        )  # fmt: skip

    @property
    def squares(self) -> Array:
        """Sums of squared errors of the latest epoch's mini-batches, which `error` adds."""
        return self._scratch.squares

    def _error(self) -> float:
        """Root mean square error of the training ratings' own expectations, by mean field.

        Persistent chains do not tell it: their reconstructions are no longer those of the data.
        """
        cases = self.cases
        inputs = hidden_inputs(self.latest, cases, self._n_threads)
        rows = np.repeat(np.arange(len(inputs), dtype=np.int32), np.diff(cases.indptr))
        shares = probabilities(self.latest, inputs, rows, cases.units, False, self._n_threads)
        return float(np.sqrt(np.mean((shares @ cases.values - cases.values[cases.levels]) ** 2)))

    def predict(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes by the live mean."""
        inputs = hidden_inputs(self.mean, self.cases, self.settings.n_threads)
        return Predictor(self._observed, self.mean, inputs, self.settings).scores(users, items)

    # ------------------------------------------------------------------ arrays

    def arrays(self) -> dict[str, Array]:
        """The live mean of the parameters, without padding."""
        return {name: held for name, held in unpadded(self.mean).items() if held is not None}

    def clear(self) -> None:
        """Set the mean of the parameters to 0, the padding included."""
        for kind in KINDS:
            held = getattr(self.mean, kind)
            if held is not None:
                held[...] = 0

    def carried(self) -> dict[str, Array]:
        """The latest parameters, their velocities, and the ends of persistent chains."""
        latest = {f"latest_{kind}": getattr(self.latest, kind) for kind in KINDS}
        arrays = latest | {f"velocity_{kind}": held for kind, held in self._velocity_arrays().items()}
        return {**arrays, "drawn": self._scratch.drawn} if self.training.persistent else arrays

    def _velocity_arrays(self) -> dict[str, Array]:
        if self.velocities is not None:
            return {kind: getattr(self.velocities, kind) for kind in KINDS}
        # Checkpoints of 0.1.0 hold these, too.
        none = {kind: getattr(self.latest, kind)[:0] for kind in KINDS}
        return {**none, "hidden_bias": np.zeros_like(self.latest.hidden_bias)}

    def state(
        self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int
    ) -> RBMState:
        """The state with these parameters."""
        fields = {**arrays, **self._fixed, "history": dict(history), "n_epochs": n_epochs}
        state: RBMState = self.context.state(RBMState, **fields)
        return state


def unit_parts(cases: Cases, n_rated_cases: int) -> Array:
    """First visible unit of each part, with about equal numbers of ratings, and the number of units."""
    n_parts = max(MIN_PARTS, min(MAX_PARTS, cases.n_rated // (n_rated_cases * PART_OF_CASE)))
    n_parts = min(cases.n_units, n_parts)
    return bounds(stripes(counts(cases.rated_units, cases.n_units), n_parts), n_parts)
