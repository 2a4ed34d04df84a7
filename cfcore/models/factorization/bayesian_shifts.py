"""Steps of the sampler of `BayesianSVD` along which predictions do not change."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore import backends
from cfcore.models.factorization.bayesian_biases import Biases
from cfcore.models.factorization.bayesian_passes import pass_threads
from cfcore.models.factorization.bayesian_side import Side
from cfcore.models.factorization.bayesian_steps import add, extend_rows

__all__ = ["shift"]

Array = np.ndarray[Any, Any]


def shift(
    side: Side, other: Side, biases: Biases, n_threads: int | None
) -> tuple[Array, tuple[Array, Array]]:
    """Draw a vector c that is added to all rows of a side and to their mean, and what else it changes.

    The biases of the other side fall by c . z of its rows z, and a further number is moved between the biases
    of both sides; with these the mean of the items' biases is drawn. All have a normal distribution together,
    given the rest. Drawn in turn, the mean of the rows of users and the biases of items, which predict nearly
    the same, would move slowly.

    Parameters
    ----------
    side, other : Side
        Users and items, or items and users. The rows and the mean of the first change.
    biases : Biases
        Changed in place.
    n_threads : int or None

    Returns
    -------
    c : float64[n_factors]
    steps : (float64[n_users], float64[n_items])
        By how much biases have grown.
    """
    k, own, off = side.n_factors, side.kind, other.kind
    apart = [
        held if terms is None else held - terms.bias_sums
        for held, terms in zip(biases.biases[:2], biases.features[:2], strict=True)
    ]
    of_items = np.array([float(own == 1), float(off == 1)])  # whose biases have the mean of items' biases
    # Unknown are c, the number that is moved, and the mean of the items' biases.
    rows = other.scratch.take("extended", other.n, k + 2)
    of_pass = pass_threads(n_threads, rows)
    given = other.rows, np.array([1.0, of_items[1]]), rows
    other.work.run(extend_rows, other.n, *given, n_threads=n_threads)
    columns, targets = rows, apart[off]
    if not other.all_rated:
        columns, targets = rows[other.rated], targets[other.rated]
    precision, linear = other.work.products_of(columns, n_threads), np.empty(k + 2)
    backends.kernel("factorization.gibbs_sums").weigh_rows(columns, targets, linear, of_pass)
    precision *= float(biases.precisions[off])
    linear *= float(biases.precisions[off])
    line, held = np.array([-1.0, of_items[0]]), apart[own] if side.all_rated else apart[own][side.rated]
    precision[k:, k:] += float(biases.precisions[own]) * len(held) * np.outer(line, line)
    linear[k:] += float(biases.precisions[own]) * float(np.sum(held)) * line
    precision[:k, :k] += side.precision
    linear[:k] -= np.einsum("fg,g->f", side.precision, side.mean)
    precision[-1, -1] += float(biases.precisions[1])  # the prior of the mean
    root = np.linalg.cholesky(precision)
    drawn = np.linalg.solve(root.T, np.linalg.solve(root, linear) + side.rng.normal(size=k + 2))
    c, moved, mean = drawn[:k], drawn[k], float(drawn[k + 1])
    side.work.run(add, side.n, c, side.rows, n_threads=1)
    side.mean += c
    steps = {own: np.full(side.n, moved), off: -moved - np.einsum("nf,f->n", rows[:, :k], c)}
    for each in (side, other):
        step = steps[each.kind]
        if not each.all_rated:  # of a bias without ratings only the mean of its prior moves
            step[~each.rated] = each.kind * (mean - biases.scalars[0])
        biases.biases[each.kind] += step
    biases.scalars[0] = mean
    return c, (steps[0], steps[1])
