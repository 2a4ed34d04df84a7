"""Twin of `cfcore.kernels.rbm.rbm` in NumPy: same names, arguments, draws and results to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.reference.common.rng import philox

Array = np.ndarray[Any, Any]

#: Which of the draws of a step a counter is for.
HIDDEN, VISIBLE = 0, 1


def uniforms(seed: int, epoch: int, case: int, kind: int, last: Array) -> Array:
    """Words of the counters (case, epoch, kind, last), a row each, as float32 numbers in [0, 1)."""
    counters = np.empty((len(last), 4), dtype=np.uint32)
    counters[:, :3] = case, epoch, kind
    counters[:, 3] = last
    words = np.empty_like(counters)
    philox(counters, words, seed)
    return (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def draw_hidden(on: Array, seed: int, epoch: int, case: int, step: int) -> Array:
    """h_j = 1 with probability on[j], by word j % 4 of the counter (case, epoch, 2 step, j // 4)."""
    u = uniforms(seed, epoch, case, 2 * step + HIDDEN, np.arange(-(-len(on) // 4)))
    return (u.ravel()[: len(on)] < on).astype(np.float32)


def draw_levels(shares: Array, units: Array, seed: int, epoch: int, case: int, step: int) -> Array:
    """Levels by inverse CDF, by word 0 of the counter (case, epoch, 2 step + 1, unit)."""
    u = uniforms(seed, epoch, case, 2 * step + VISIBLE, units)[:, 0]
    return (u[:, None] >= np.cumsum(shares, axis=1)[:, :-1]).sum(axis=1)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), x held within +-87."""
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


def train(
    indptr: Array, units: Array, levels: Array, rated_indptr: Array, rated_units: Array, order: Array,
    parts: Array, values: Array, sharing: Array, weights: Array, visible_bias: Array, hidden_bias: Array,
    conditional: Array, weights_velocity: Array, visible_velocity: Array, hidden_velocity: Array,
    conditional_velocity: Array, drawn: Array, rows: Array, sums: Array, places: Array, counts: Array,
    touched: Array, ranges: Array, gradients: Array, slots: Array, squares: Array, rates: Array, decay: float,
    momentum: float, n_hidden: int, cd_steps: int, by_count: bool, persistent: bool, seed: int, epoch: int,
    begin: int, end: int, n_threads: int,
) -> None:  # fmt: skip
    """Train on mini-batches `begin` to `end`; see the kernel."""
    _check(indptr, units, levels, rated_units, order, values, weights, visible_bias)
    batch = rows.shape[1]
    first, last = rows[:2]
    with np.errstate(over="ignore", invalid="ignore"):
        for number in range(begin, end):
            cases = order[number * batch : (number + 1) * batch]
            squares[number] = 0
            for slot, case in enumerate(cases):
                mine = slice(indptr[case], indptr[case + 1])
                i, k = units[mine], levels[mine]
                offset = hidden_bias.copy()
                if len(conditional):
                    rated = rated_units[rated_indptr[case] : rated_indptr[case + 1]]
                    offset += conditional[rated].sum(axis=0)
                first[slot] = on = means(offset + weights[i, k].sum(axis=0), n_hidden)
                if persistent:
                    on = means(offset + weights[i, drawn[mine]].sum(axis=0), n_hidden)
                for step in range(cd_steps):
                    state = draw_hidden(on, seed, epoch, case, step)
                    shares = softmax(visible_bias[i] + weights[i] @ state)
                    if step == 0:
                        error = shares.astype(np.float64) @ values - values[k]
                        squares[number, 0] += float(error @ error)
                    drawn[mine] = draw_levels(shares, i, seed, epoch, case, step)
                    on = means(offset + weights[i, drawn[mine]].sum(axis=0), n_hidden)
                last[slot] = on
            _update(
                cases, indptr, units, levels, rated_indptr, rated_units,
                (weights, visible_bias, hidden_bias, conditional),
                (weights_velocity, visible_velocity, hidden_velocity, conditional_velocity),
                first, last, drawn, rates, decay, momentum, by_count, sharing,
            )  # fmt: skip


def sharing_matrix(sharing: Array) -> Array:
    """S: what two levels have in common is the product of what lies between them."""
    ends = np.append(0.0, np.cumsum(np.log(np.maximum(sharing.astype(np.float64), 1e-300))))
    return np.exp(-np.abs(ends[:, None] - ends)).astype(np.float32)


def _update(
    cases: Array, indptr: Array, units: Array, levels: Array, rated_indptr: Array, rated_units: Array,
    parameters: tuple[Array, ...], velocities: tuple[Array, ...], first: Array, last: Array, drawn: Array,
    rates: Array, decay: float, momentum: float, by_count: bool, sharing: Array,
) -> None:  # fmt: skip
    weights, visible_bias, hidden_bias, conditional = parameters
    shared = sharing_matrix(sharing)
    if not len(velocities[0]):  # without momentum
        velocities = tuple(np.zeros_like(array) for array in parameters)
    towards = [np.zeros_like(array) for array in parameters]
    counts = np.zeros(len(weights), dtype=np.int64)
    members = np.zeros(len(weights), dtype=np.int64)
    for slot, case in enumerate(cases):
        mine = slice(indptr[case], indptr[case + 1])
        some, k, guess = units[mine], levels[mine], drawn[mine]
        towards[0][some, k] += first[slot]
        towards[0][some, guess] -= last[slot]
        towards[1][some, k] += 1
        towards[1][some, guess] -= 1
        counts[some] += 1
        rated = rated_units[rated_indptr[case] : rated_indptr[case + 1]]
        members[rated] += 1
        if len(conditional):
            towards[3][rated] += first[slot] - last[slot]
    rate = rates.astype(np.float32)
    keep, loss = np.float32(momentum), np.float32(decay)
    for unit in np.flatnonzero(members):
        i = int(unit)
        if counts[i]:
            over = np.float32(1 / counts[i] if by_count else 1 / len(cases))
            toward = np.einsum("kl,lj->kj", shared, towards[0][i]) if len(sharing) else towards[0][i]
            step = toward * over - loss * weights[i]
            velocities[0][i] = velocities[0][i] * keep + rate[0] * step
            weights[i] += velocities[0][i]
            velocities[1][i] = velocities[1][i] * keep + rate[1] * (towards[1][i] * over)
            visible_bias[i] += velocities[1][i]
        if len(conditional):
            over = np.float32(1 / members[i] if by_count else 1 / len(cases))
            velocities[3][i] = velocities[3][i] * keep + rate[3] * (towards[3][i] * over)
            conditional[i] += velocities[3][i]
    difference = (first[: len(cases)] - last[: len(cases)]).sum(axis=0) * np.float32(1 / len(cases))
    velocities[2][:] = velocities[2] * keep + rate[2] * difference
    hidden_bias += velocities[2]


def hidden_inputs(
    indptr: Array, units: Array, levels: Array, rated_indptr: Array, rated_units: Array, weights: Array,
    visible_bias: Array, hidden_bias: Array, conditional: Array, scratch: Array, out: Array, n_hidden: int,
    n_threads: int,
) -> None:  # fmt: skip
    """What enters the hidden units of each case; see the kernel."""
    for case in range(len(out)):
        mine = slice(indptr[case], indptr[case + 1])
        out[case] = hidden_bias + weights[units[mine], levels[mine]].sum(axis=0)
        if len(conditional):
            out[case] += conditional[rated_units[rated_indptr[case] : rated_indptr[case + 1]]].sum(axis=0)


def probabilities(
    cases: Array, units: Array, inputs: Array, weights: Array, visible_bias: Array,
    hidden_bias: Array, conditional: Array, scratch: Array, out: Array, n_hidden: int, exact: bool,
    n_threads: int,
) -> None:  # fmt: skip
    """Distribution over the levels of unit `units[n]` for case `cases[n]`; see the kernel."""
    for row, (case, unit) in enumerate(zip(cases, units, strict=True)):
        if exact:
            x = inputs[case, :n_hidden].astype(np.float64) + weights[unit, :, :n_hidden]
            logits = visible_bias[unit] + np.logaddexp(0, x).sum(axis=1)
        else:
            logits = visible_bias[unit] + weights[unit, :, :n_hidden] @ sigmoid(inputs[case, :n_hidden])
        logits = np.exp(logits.astype(np.float64) - logits.max())
        out[row] = logits / logits.sum()


def _check(
    indptr: Array, units: Array, levels: Array, rated_units: Array, order: Array, values: Array,
    weights: Array, visible_bias: Array,
) -> None:  # fmt: skip
    n_units, n_levels = visible_bias.shape
    if weights.shape[:2] != (n_units, n_levels) or len(values) != n_levels:
        raise ValueError("train: weights, visible_bias and values differ in units or levels")
    for codes, n in ((units, n_units), (rated_units, n_units), (levels, n_levels), (order, len(indptr) - 1)):
        if len(codes) and (codes.min() < 0 or codes.max() >= n):
            raise ValueError("train: a unit, a level or a case is out of range")
