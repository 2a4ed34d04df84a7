"""Twin of `cfcore.kernels.rbm.rbm` in NumPy: same names, arguments, draws and errors, results to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.kernels.records import (
    BatchScratch,
    Cases,
    MiniBatches,
    RBMParameters,
    RBMRates,
    check_entries,
    check_training,
)
from cfcore.reference.common.rng import philox
from cfcore.reference.common.threads import team_size

Array = np.ndarray[Any, Any]

#: Draws that a counter is for.
HIDDEN, VISIBLE = 0, 1


def train(
    cases: Cases,
    parameters: RBMParameters,
    velocities: RBMParameters | None,
    rates: RBMRates,
    batches: MiniBatches,
    scratch: BatchScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """Train on mini-batches [begin, end) of an epoch; see the kernel."""
    team_size(n_threads)
    check_entries(cases)
    check_training(cases, parameters, velocities, rates, batches, scratch, span)
    with np.errstate(over="ignore", invalid="ignore"):
        for number in range(*span):
            batch = batches.order[number * batches.batch_size : (number + 1) * batches.batch_size]
            scratch.squares[number] = 0
            for row, case in enumerate(batch.tolist()):
                square = _reconstruct(cases, parameters, rates, batches, scratch, row, case)
                scratch.squares[number, 0] += square
            _update(cases, parameters, velocities, rates, scratch, batch)


def _reconstruct(
    cases: Cases,
    parameters: RBMParameters,
    rates: RBMRates,
    batches: MiniBatches,
    scratch: BatchScratch,
    row: int,
    case: int,
) -> float:
    """p and p' of a case, into scratch.hidden; the squared error of its first reconstruction."""
    own = slice(*cases.indptr[case : case + 2])
    i, k = cases.units[own], cases.levels[own]
    weights, drawn = parameters.weights, scratch.drawn
    offset = parameters.hidden_bias.copy()
    if len(parameters.conditional):
        rated = cases.rated_units[slice(*cases.rated_indptr[case : case + 2])]
        offset += parameters.conditional[rated].sum(axis=0)
    on = means(offset + weights[i, k].sum(axis=0), parameters.n_hidden)
    scratch.hidden[0, row] = on
    if rates.persistent:
        on = means(offset + weights[i, drawn[own]].sum(axis=0), parameters.n_hidden)
    square = 0.0
    for step in range(rates.cd_steps):
        state = draw_hidden(on, batches, case, step)
        shares = softmax(parameters.visible_bias[i] + weights[i] @ state)
        if step == 0:
            error = shares.astype(np.float64) @ cases.values - cases.values[k]
            square = float(error @ error)
        drawn[own] = draw_levels(shares, i, batches, case, step)
        on = means(offset + weights[i, drawn[own]].sum(axis=0), parameters.n_hidden)
    scratch.hidden[1, row] = on
    return square


def uniforms(batches: MiniBatches, case: int, kind: int, last: Array) -> Array:
    """Words of the counters (case, epoch, kind, last), a row each, as float32 numbers in [0, 1)."""
    counters = np.empty((len(last), 4), dtype=np.uint32)
    counters[:, :3] = case, batches.epoch, kind
    counters[:, 3] = last
    words = np.empty_like(counters)
    philox(counters, words, batches.seed)
    return (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def draw_hidden(on: Array, batches: MiniBatches, case: int, step: int) -> Array:
    """h_j = 1 with probability on[j], by word j % 4 of the counter (case, epoch, 2 step, j // 4)."""
    u = uniforms(batches, case, 2 * step + HIDDEN, np.arange(-(-len(on) // 4)))
    return (u.ravel()[: len(on)] < on).astype(np.float32)


def draw_levels(shares: Array, units: Array, batches: MiniBatches, case: int, step: int) -> Array:
    """Levels by inverse CDF, by word 0 of the counter (case, epoch, 2 step + 1, unit)."""
    u = uniforms(batches, case, 2 * step + VISIBLE, units)[:, 0]
    return (u[:, None] >= np.cumsum(shares, axis=1)[:, :-1]).sum(axis=1)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), x clamped to [-87, 87]."""
    return (1 / (1 + np.exp(-np.clip(x.astype(np.float64), -87, 87)))).astype(np.float32)


def means(x: Array, n_hidden: int) -> Array:
    """P(h_j = 1), and 0 in the padding."""
    on = sigmoid(x)
    on[n_hidden:] = 0
    return on


def softmax(x: Array) -> Array:
    """Distributions along the last axis, the maximum subtracted."""
    x = np.exp(np.maximum(x.astype(np.float64) - x.max(axis=-1, keepdims=True), -87))
    return (x / x.sum(axis=-1, keepdims=True)).astype(np.float32)


def sharing_matrix(sharing: Array) -> Array:
    """S: two levels have the product of the entries between them in common."""
    ends = np.append(0.0, np.cumsum(np.log(np.maximum(sharing.astype(np.float64), 1e-300))))
    return np.exp(-np.abs(ends[:, None] - ends)).astype(np.float32)


def _update(
    cases: Cases,
    parameters: RBMParameters,
    velocities: RBMParameters | None,
    rates: RBMRates,
    scratch: BatchScratch,
    batch: Array,
) -> None:
    """Updates at the end of a mini-batch, by the gradients summed over its cases."""
    sums, counts, known = _sum_gradients(cases, parameters, scratch, batch)
    shared = sharing_matrix(rates.sharing)
    momentum, decay = np.float32(rates.momentum), np.float32(rates.weight_decay)

    def step(name: str, where: Any, gradient: Array) -> None:
        change = np.float32(getattr(rates, name)) * gradient
        if velocities is not None:
            velocity = getattr(velocities, name)
            velocity[where] = change = velocity[where] * momentum + change
        getattr(parameters, name)[where] += change

    for unit in np.flatnonzero(known):
        i = int(unit)
        if counts[i]:
            over = np.float32(1 / counts[i] if rates.by_count else 1 / len(batch))
            gradient = sums["weights"][i]
            if len(rates.sharing):
                gradient = np.einsum("kl,lj->kj", shared, gradient)
            step("weights", i, gradient * over - decay * parameters.weights[i])
            step("visible_bias", i, sums["visible_bias"][i] * over)
        if len(parameters.conditional):
            over = np.float32(1 / known[i] if rates.by_count else 1 / len(batch))
            step("conditional", i, sums["conditional"][i] * over)
    step("hidden_bias", slice(None), sums["hidden_bias"] * np.float32(1 / len(batch)))


def _sum_gradients(
    cases: Cases, parameters: RBMParameters, scratch: BatchScratch, batch: Array
) -> tuple[dict[str, Array], Array, Array]:
    """Gradients summed over a mini-batch; of each unit how many cases rated it, and have it in their r."""
    names = ("weights", "visible_bias", "hidden_bias", "conditional")
    sums = {name: np.zeros_like(getattr(parameters, name)) for name in names}
    counts, known = np.zeros((2, parameters.n_units), dtype=np.int64)
    for (positive, negative), case in zip(scratch.hidden[:2].swapaxes(0, 1), batch.tolist(), strict=False):
        own = slice(*cases.indptr[case : case + 2])
        i, given, drawn = cases.units[own], cases.levels[own], scratch.drawn[own]
        rated = cases.rated_units[slice(*cases.rated_indptr[case : case + 2])]
        sums["weights"][i, given] += positive
        sums["weights"][i, drawn] -= negative
        sums["visible_bias"][i, given] += 1
        sums["visible_bias"][i, drawn] -= 1
        sums["hidden_bias"] += positive - negative
        if len(parameters.conditional):
            sums["conditional"][rated] += positive - negative
        counts[i] += 1
        known[rated] += 1
    return sums, counts, known
