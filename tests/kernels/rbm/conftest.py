"""A small RBM with its cases and scratch, for tests of the kernels and their twins."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cfcore.kernels.records import (
    BATCH_RATING,
    BatchScratch,
    Cases,
    MiniBatches,
    RBMParameters,
    RBMRates,
    Record,
)

Array = np.ndarray[Any, Any]

NAMES = ("weights", "visible_bias", "hidden_bias", "conditional")
#: Rows of scratch, one a thread.
N_THREADS = 8


def arrays_of(record: Record) -> dict[str, Array]:
    """The arrays of a record by name."""
    return {name: value for name, value in vars(record).items() if isinstance(value, np.ndarray)}


@dataclass
class Problem:
    """Cases, parameters and scratch made from a seed, so that two kernels start alike."""

    n_cases: int = 14
    n_units: int = 9
    n_levels: int = 3
    n_hidden: int = 5
    conditional: bool = True
    batch: int = 4
    scale: float = 0.3
    everything: bool = False
    density: float = 0.5
    lr: tuple[float, ...] = (0.1, 0.2, 0.05, 0.03)
    decay: float = 0.01
    momentum: float = 0.5
    cd_steps: int = 2
    by_count: bool = False
    persistent: bool = False
    shared: float = 0.0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(5)
        width = -(-self.n_hidden // 16) * 16
        mask = rng.random((self.n_cases, self.n_units)) < (1.1 if self.everything else self.density)
        mask[1] = False  # a case without ratings
        mask[1] |= self.everything
        more = mask | (rng.random(mask.shape) < 0.2 * self.density)
        more[1] = mask[1]

        def rows(pairs: Array) -> tuple[Array, Array]:
            return np.append(0, np.cumsum(pairs.sum(axis=1))), np.nonzero(pairs)[1].astype(np.int32)

        levels = rng.integers(0, self.n_levels, mask.sum()).astype(np.uint8)
        values = np.arange(1.0, self.n_levels + 1)
        self.cases = Cases(*rows(mask), levels, *rows(more), values, self.n_units)
        self.order = rng.permutation(np.flatnonzero(mask.any(axis=1))).astype(np.int32)
        shapes = [(self.n_units, self.n_levels, width), (self.n_units, self.n_levels), (width,)]
        shapes.append((self.n_units if self.conditional else 0, width))
        arrays = [rng.normal(0, self.scale, shape).astype(np.float32) for shape in shapes]
        for array, padded in zip(arrays, (True, False, True, True), strict=True):
            if padded:
                array[..., self.n_hidden :] = 0
        self.parameters = RBMParameters(*arrays, self.n_hidden)
        zeros = (np.zeros_like(array) for array in arrays)
        self.velocities: RBMParameters | None = RBMParameters(*zeros, self.n_hidden)
        parts = np.array([0, self.n_units // 2, self.n_units // 2, self.n_units], dtype=np.int32)
        self.parts = parts[: self.n_units]  # one of them empty
        self.parts[-1] = self.n_units
        steps = rng.uniform(0.5, 2.0, self.n_levels - 1 if self.shared else 0)
        self.sharing = (self.shared**steps).astype(np.float32)
        self.make_scratch()

    def make_scratch(self) -> None:
        """Scratch for the cases, the parts and the order as they are now."""
        width, n_parts = self.parameters.width, len(self.parts) - 1
        self.scratch = BatchScratch(
            drawn=self.cases.levels.copy(),
            squares=np.zeros((-(-len(self.order) // self.batch), n_parts)),
            hidden=np.zeros((4, self.batch, width), np.float32),
            sums=np.zeros((n_parts, 3, self.batch, width), np.float32),
            ratings=np.zeros(self.cases.n_rated, BATCH_RATING),
            counts=np.zeros(self.n_units, np.int32),
            touched=np.zeros(self.n_units, np.int32),
            ranges=np.zeros((n_parts, 2), np.int64),
            gradients=np.zeros((N_THREADS, self.n_levels * width), np.float32),
            rows=np.zeros((N_THREADS, 2 * self.n_levels * self.batch), np.int32),
        )

    def replace_scratch(self, **changes: Array) -> None:
        """Give other arrays as scratch."""
        self.scratch = replace(self.scratch, **changes)

    def rates(self) -> RBMRates:
        """The record of the settings."""
        return RBMRates(
            self.sharing, *self.lr, self.decay, self.momentum, self.cd_steps, self.by_count, self.persistent
        )

    def batches(self, epoch: int = 0) -> MiniBatches:
        """The record of an epoch."""
        return MiniBatches(self.order, self.parts, self.batch, 2**63 + 7, epoch)

    def train(self, kernel: Any, epochs: int = 2, n_threads: int = 1, slices: int = 1) -> float:
        """Train in as many calls an epoch; the sum of squared errors."""
        total = 0.0
        for epoch in range(epochs):
            batches = self.batches(epoch)
            cuts = np.linspace(0, batches.n_batches, slices + 1).astype(int)
            for span in itertools.pairwise(cuts.tolist()):
                kernel.train(
                    self.cases, self.parameters, self.velocities, self.rates(), batches, self.scratch, span,
                    n_threads,
                )  # fmt: skip
            total += float(self.scratch.squares.sum())
        return total

    def trained(self) -> list[Array]:
        """Copies of all arrays that training changes and the next epoch needs."""
        records = [self.parameters] if self.velocities is None else [self.parameters, self.velocities]
        found = [getattr(record, name).copy() for record in records for name in NAMES]
        return [*found, self.scratch.drawn.copy()]

    def hidden_inputs(self, kernel: Any, n_threads: int = 1) -> Array:
        """Inputs of the hidden units of all cases."""
        out = np.full((self.n_cases, self.parameters.width), np.nan, np.float32)
        kernel.hidden_inputs(self.cases, self.parameters, self.scratch.gradients, out, n_threads)
        return out

    def pairs(self) -> tuple[Array, Array]:
        """Codes of all pairs of a case and a unit."""
        cases, units = np.indices((self.n_cases, self.n_units)).reshape(2, -1).astype(np.int32)
        return cases, units

    def probabilities(self, kernel: Any, exact: bool, n_threads: int = 1) -> Array:
        """Distributions of all pairs."""
        out = np.full((self.n_cases * self.n_units, self.n_levels), np.nan)
        kernel.probabilities(
            *self.pairs(), self.hidden_inputs(kernel), self.parameters, exact, self.scratch.gradients, out,
            n_threads,
        )  # fmt: skip
        return out
