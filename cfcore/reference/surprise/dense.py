"""Twin of `cfcore.adapters.surprise._dense`: similarities of all pairs, from sums that go up with y.

Each y adds a block to the matrices of sums: that of the x that rated it. With whole numbers the sums are
exact, with residuals they are those of float64 in ascending order of y.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["available", "codes_of", "residuals_of", "similarities"]

available = True

COSINE, MSD, PEARSON, PEARSON_BASELINE = range(4)
#: Codes of ratings are below; 0 is none.
CODES = 16

Array = NDArray[Any]


def similarities(
    lists: Any,
    codes: NDArray[np.uint8] | None,
    residuals: NDArray[np.float64] | None,
    multiples: tuple[float, int],
    rule: tuple[int, int, float],
    sim: NDArray[np.float64],
    wide: bool,
) -> bool:
    """Similarities of all pairs: see the kernel, to which alone `wide` matters."""
    measure, (unit, least) = rule[0], multiples
    if not COSINE <= measure <= PEARSON_BASELINE:
        raise ValueError("rule: no such measure, or no such processor")
    given = residuals if measure == PEARSON_BASELINE else codes
    n, n_x = len(lists.xs), len(sim)
    if given is None or sim.shape != (n_x, n_x) or n == 0 or len(given) != n:
        raise ValueError("lists, ratings and sim do not fit to each other")
    if not (np.all(lists.xs >= 0) and np.all(lists.xs < n_x)):
        raise ValueError("lists: an id is not below n_x")
    if lists.indptr[0] != 0 or lists.indptr[-1] != n:
        raise ValueError("lists: starts are not of all ratings")
    if np.any(np.diff(lists.indptr) < 0):
        raise ValueError("lists: starts are not ascending")
    ys = np.repeat(np.arange(len(lists.indptr) - 1), np.diff(lists.indptr))
    if len(np.unique(ys * n_x + lists.xs)) < n:
        return False
    if measure == PEARSON_BASELINE:
        sums = _sums(lists, given, n_x)
    else:
        _check_codes(given, measure, least)
        sums = _sums(lists, given.astype(np.int64) - 1 + least, n_x)
    with np.errstate(all="ignore"):
        found, divides_by_0 = _evaluated(sums, rule, unit)
    apart = ~np.eye(n_x, dtype=bool)
    sim[apart] = found[apart]
    sim[~apart] = 1
    if np.any(divides_by_0 & apart):
        raise ZeroDivisionError("float division")
    return True


def codes_of(ratings: NDArray[np.float64], least: float, step: float) -> NDArray[np.uint8] | None:
    """Codes of ratings: 1 for `least`, and 1 more for each part of 1 that a step is; None if one has none."""
    with np.errstate(all="ignore"):
        steps = (ratings - least) * step
        if not np.all((steps >= 0) & (steps < CODES - 1) & (steps == np.floor(steps))):
            return None
    return (steps + 1).astype(np.uint8)


def residuals_of(
    lists: Any, mean: float, of_x: NDArray[np.float64], of_y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What baselines leave of ratings: r - (mean + b_y + b_x), 0 without a sign."""
    n = len(lists.xs)
    if len(of_y) < len(lists.indptr) - 1 or len(lists.ratings) != n or [*lists.indptr[[0, -1]]] != [0, n]:
        raise ValueError("lists and baselines do not fit to each other")
    if np.any(np.diff(lists.indptr) < 0):
        raise ValueError("lists: starts are not ascending")
    if np.any((lists.xs < 0) | (lists.xs >= len(of_x))):
        raise ValueError("lists: an id is not below n_x")
    ys = np.repeat(np.arange(len(lists.indptr) - 1), np.diff(lists.indptr))
    found: NDArray[np.float64] = lists.ratings - (mean + of_y[ys] + of_x[lists.xs]) + 0.0
    return found


def _check_codes(codes: Array, measure: int, least: int) -> None:
    most = int(codes.max())
    if not 0 < codes.min() <= most < CODES:
        raise ValueError("codes are 1 to 15")
    numbers = np.arange(most) + least
    products = np.subtract.outer(numbers, numbers) ** 2 if measure == MSD else np.outer(numbers, numbers)
    if products.max() > 255:
        raise ValueError("multiples: products do not fit into a byte")


def _sums(lists: Any, values: Array, n_x: int) -> dict[str, Array]:
    """Over what both x rated: number, products, squared differences, squares and values of the first one."""
    names = ("count", "products", "differences", "squares", "values")
    sums = {name: np.zeros((n_x, n_x), dtype=values.dtype) for name in names}
    for start, end in zip(lists.indptr[:-1], lists.indptr[1:], strict=True):
        xs, own = lists.xs[start:end], values[start:end, None]
        block = np.ix_(xs, xs)
        sums["count"][block] += 1
        sums["products"][block] += own * own.T
        sums["differences"][block] += (own - own.T) ** 2
        sums["squares"][block] += own * own
        sums["values"][block] += own
    return sums


def _evaluated(sums: dict[str, Array], rule: tuple[int, int, float], unit: float) -> tuple[Array, Array]:
    """Similarities, and where scikit-surprise divides by 0."""
    measure, min_support, shrinkage = rule
    n = sums["count"].astype(np.float64)
    enough = n >= min_support
    if measure == MSD:
        found = 1 / (sums["differences"] * unit**2 / n + 1)
        return np.where(enough, found, 0.0), enough & (n == 0)
    products, squares = sums["products"] * unit**2, sums["squares"] * unit**2
    if measure == PEARSON:
        values = sums["values"] * unit
        variances = n * squares - values * values
        root = np.sqrt(variances * variances.T)
        found = (n * products - values * values.T) / root
        return np.where(enough & (root != 0), found, 0.0), np.zeros_like(enough)
    root = np.sqrt(squares * squares.T)
    found, divides_by_0 = products / root, enough & (root == 0)
    if measure == PEARSON_BASELINE:
        found = (n - 1) / (n - 1 + shrinkage) * found
        divides_by_0 |= enough & (n - 1 + shrinkage == 0)
    return np.where(enough, found, 0.0), divides_by_0
