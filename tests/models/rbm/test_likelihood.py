"""Free energies and log Z against enumeration of all states of a small RBM."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cfcore.models.rbm import likelihood as density

Array = np.ndarray[Any, Any]


def small(n_units: int = 4, n_levels: int = 3, n_hidden: int = 5, scale: float = 1.0) -> tuple[Array, ...]:
    rng = np.random.default_rng(3)
    weights = rng.normal(0, scale, (n_units, n_levels, n_hidden))
    return weights, rng.normal(0, 0.7, (n_units, n_levels)), rng.normal(0, 0.7, n_hidden)


def log_joint(weights: Array, visible: Array, hidden: Array) -> dict[tuple[int, ...], float]:
    """log of the sum over all hidden states of exp(-E), for every rating of all units: by enumeration."""
    n_units, n_levels, n_hidden = weights.shape
    found = {}
    for levels in itertools.product(range(n_levels), repeat=n_units):
        terms = []
        for state in itertools.product((0, 1), repeat=n_hidden):
            on = np.array(state)
            energy = sum(visible[i, k] + weights[i, k] @ on for i, k in enumerate(levels)) + hidden @ on
            terms.append(energy)
        found[levels] = float(np.logaddexp.reduce(terms))
    return found


def test_free_energy_sums_the_hidden_states_out() -> None:
    weights, visible, hidden = small()
    for levels, expected in log_joint(weights, visible, hidden).items():
        units = np.arange(4)
        inputs = hidden + weights[units, levels].sum(axis=0)
        energy = density.free_energies(np.array([0, 4]), units, np.array(levels), inputs[None], visible)
        assert -energy[0] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0, 2.0])
def test_annealed_importance_sampling_finds_log_z(scale: float) -> None:
    weights, visible, hidden = small(scale=scale)
    exact = np.logaddexp.reduce(list(log_joint(weights, visible, hidden).values()))
    found = density.log_partition(weights, visible, hidden, 400, 400, np.random.default_rng(0))
    assert found == pytest.approx(exact, abs=0.05)


def test_draws_follow_their_distribution() -> None:
    probabilities = np.array([0.1, 0.0, 0.6, 0.3])
    drawn = density.draw(np.broadcast_to(probabilities, (20_000, 4)), np.random.default_rng(0))
    shares = np.bincount(drawn, minlength=4) / len(drawn)
    np.testing.assert_allclose(shares, probabilities, atol=0.015)
    assert shares[1] == 0


def test_extreme_inputs_neither_overflow_nor_warn() -> None:
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_array_equal(density.sigmoid(np.array([-1e4, 0.0, 1e4])), [0, 0.5, 1])
        np.testing.assert_array_equal(density.softplus(np.array([0.0, 1e4])), [np.log(2), 1e4])
    np.testing.assert_array_equal(density.softmax(np.array([-1e4, 1e4])), [0, 1])
