"""Parameters of an RBM as its kernel takes them: zeros, starting values, padded copies, averages."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.arrays import aligned_zeros, check_memory, row_length
from cfcore.kernels.records import Cases, RBMParameters
from cfcore.models.rbm.cases import smoothed, unit_histograms
from cfcore.models.rbm.schedule import KINDS

__all__ = ["average", "first_parameters", "padded_parameters", "unpadded", "zero_parameters"]

Array = np.ndarray[Any, Any]

#: Standard deviation of the first weights.
INIT_SCALE = 0.03
#: Further ratings per level with which the first visible biases are shrunk towards those of all ratings.
SMOOTH = 10.0


def zero_parameters(n_units: int, n_levels: int, n_hidden: int, conditional: bool) -> RBMParameters:
    """Parameters that are all 0, in rows aligned to 64 bytes."""
    width = row_length(n_hidden, np.float32)
    return RBMParameters(
        aligned_zeros(n_units * n_levels, width, np.float32).reshape(n_units, n_levels, width),
        np.zeros((n_units, n_levels), dtype=np.float32),
        aligned_zeros(1, width, np.float32)[0],
        aligned_zeros(n_units if conditional else 0, width, np.float32),
        n_hidden,
    )


def first_parameters(
    cases: Cases, n_hidden: int, conditional: bool, rng: np.random.Generator
) -> RBMParameters:
    """Starting values: small normal W, log frequencies, smoothed; no W for units without ratings."""
    needed = 8 * cases.n_units * cases.n_levels * n_hidden
    check_memory(needed, f"n_hidden={n_hidden}: the weights of {cases.n_units:,} visible units")
    first = zero_parameters(cases.n_units, cases.n_levels, n_hidden, conditional)
    drawn = rng.standard_normal((cases.n_units, cases.n_levels, n_hidden), dtype=np.float32)
    counts = unit_histograms(cases)
    drawn[counts.sum(axis=1) == 0] = 0
    np.multiply(drawn, np.float32(INIT_SCALE), out=first.weights[:, :, :n_hidden])
    first.visible_bias[:] = np.log(smoothed(counts, SMOOTH))
    return first


def padded_parameters(
    weights: Array, visible_bias: Array, hidden_bias: Array, conditional: Array | None
) -> RBMParameters:
    """Padded copies of fitted parameters."""
    n_units, n_levels, n_hidden = weights.shape
    padded = zero_parameters(n_units, n_levels, n_hidden, conditional is not None)
    padded.weights[:, :, :n_hidden] = weights
    padded.visible_bias[:] = visible_bias
    padded.hidden_bias[:n_hidden] = hidden_bias
    if conditional is not None:
        padded.conditional[:, :n_hidden] = conditional
    return padded


def unpadded(parameters: RBMParameters) -> dict[str, Array | None]:
    """Views without the padding, under the names of the fields of `RBMState`; None without D."""
    n_hidden = parameters.n_hidden
    return {
        "weights": parameters.weights[:, :, :n_hidden],
        "visible_bias": parameters.visible_bias,
        "hidden_bias": parameters.hidden_bias[:n_hidden],
        "conditional_weights": parameters.conditional[:, :n_hidden] if parameters.n_conditional else None,
    }


def average(mean: RBMParameters, latest: RBMParameters, n_averaged: int) -> None:
    """Take `latest` into the mean as the last of `n_averaged`; for 0 or 1 the mean becomes `latest`."""
    share = np.float32(1 / max(1, n_averaged))
    for name in KINDS:
        own, other = getattr(mean, name), getattr(latest, name)
        if share == 1:
            own[:] = other
        else:
            own += share * (other - own)
