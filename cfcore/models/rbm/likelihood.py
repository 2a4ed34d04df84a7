"""Free energies of an RBM, and its partition function by annealed importance sampling.

For a case that rated the units S, with the hidden biases b (the conditional part added) and weights W:

    F(V) = - sum_{i in S} b_i[v_i] - sum_j log(1 + exp(b_j + sum_{i in S} W_i[v_i, j]))

and the probability of V is exp(-F(V)) / Z, with Z summed over all ratings that the units S could have been
given. AIS: Neal (2001), "Annealed importance sampling"; Salakhutdinov and Murray (2008), "On the quantitative
analysis of deep belief networks".
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) without overflow."""
    return np.logaddexp(0.0, x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def softmax(x: Array) -> Array:
    """Distributions along the last axis from logits."""
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


def draw(probabilities: Array, rng: np.random.Generator) -> Array:
    """One level from each distribution along the last axis, by inverse CDF."""
    ends = np.cumsum(probabilities, axis=-1)
    at = rng.random(ends.shape[:-1])[..., None] * ends[..., -1:]
    return np.minimum((at >= ends).sum(axis=-1), probabilities.shape[-1] - 1)


def log_partition(
    weights: Array,
    visible_bias: Array,
    hidden_bias: Array,
    n_chains: int,
    n_steps: int,
    rng: np.random.Generator,
) -> float:
    """Estimate log Z of the RBM of one set of units by annealed importance sampling.

    From the RBM whose weights and hidden biases are 0, and whose log Z is known, to the given one in
    `n_steps` temperatures.

    Parameters
    ----------
    weights : ndarray, shape (n_units, n_levels, n_hidden)
    visible_bias : ndarray, shape (n_units, n_levels)
    hidden_bias : ndarray, shape (n_hidden,)
        With the conditional part of the units.
    n_chains, n_steps : int
    rng : Generator

    Returns
    -------
    float
    """
    weights, visible_bias, hidden_bias = (
        np.asarray(array, dtype=np.float64) for array in (weights, visible_bias, hidden_bias)
    )
    n_units, _, n_hidden = weights.shape
    units = np.arange(n_units)
    prior = softmax(visible_bias)
    levels = draw(np.broadcast_to(prior, (n_chains, *prior.shape)), rng)
    importance = np.zeros(n_chains)
    temperatures = np.linspace(0.0, 1.0, n_steps + 1)
    for cooler, warmer in zip(temperatures[1:], temperatures[:-1], strict=True):
        inputs = hidden_bias + weights[units, levels].sum(axis=1)
        importance += (softplus(cooler * inputs) - softplus(warmer * inputs)).sum(axis=1)
        hidden = rng.random((n_chains, n_hidden)) < sigmoid(cooler * inputs)
        logits = visible_bias + cooler * np.einsum("ikj,cj->cik", weights, hidden, optimize=True)
        levels = draw(softmax(logits), rng)
    top = importance.max()
    start = n_hidden * np.log(2.0) + np.logaddexp.reduce(visible_bias, axis=1).sum()
    return float(start + top + np.log(np.mean(np.exp(importance - top))))


def free_energies(indptr: Array, units: Array, levels: Array, inputs: Array, visible_bias: Array) -> Array:
    """F(V) of each case: float64, 0 visible part for a case without ratings.

    `inputs` are those of the hidden units of each case, biases included: (n_cases, n_hidden).
    """
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    visible = np.bincount(rows, visible_bias[units, levels].astype(np.float64), minlength=len(indptr) - 1)
    return -visible - softplus(inputs.astype(np.float64)).sum(axis=1)
