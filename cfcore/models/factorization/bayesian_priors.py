"""Hyper-priors of the sampler of `BayesianSVD`, in units of the ratings' variance."""

from __future__ import annotations

import numpy as np

#: Shape and rate of the Gamma prior of every precision: of the noise, of biases, of members of sets.
SHAPE, RATE = 1.0, 0.1


def drawn_precision(count: float, squares: float, rng: np.random.Generator) -> float:
    """A precision given so many independent normal numbers of mean 0, and the sum of their squares."""
    return float(rng.gamma(SHAPE + count / 2) / (RATE + squares / 2))
