"""Similarities of all pairs of users, or of items: over what both rated, or who rated both.

``n_x`` users or items are compared; ``yr`` is a dict of each y (an item or a user) to its list of
(x, rating). The formulas are those of the documentation of scikit-surprise; that with baselines is in Koren,
"Factor in the neighbors", TKDD 2010.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cfcore.adapters.surprise import _dense, _similarities
from cfcore.adapters.surprise.columns import rows_of
from cfcore.kernels import simd

if TYPE_CHECKING:
    from cfcore.adapters.surprise.trainset import Trainset

__all__ = ["cosine", "msd", "pearson", "pearson_baseline"]

NAMES = ("cosine", "msd", "pearson", "pearson_baseline")
#: Largest whole number that stands for a rating where sums are exact.
_MOST = 127
#: Parts of 1 that ratings may be whole numbers of.
_STEPS = (1.0, 2.0, 4.0, 8.0)
#: How many values ratings have, at most, and the greatest whole number whose square is in a table of bytes.
_MOST_CODES, _MOST_ROOT = 15, 15
#: Numbers in a large page of memory.
_PAGE = 2**18
#: Numbers that are added by a table of all ratings in the time of one that is added to a pair that has it: of
#: residuals, and of whole numbers.
_WORTH = {"avx2": (5, 15), "avx512": (20, 50)}

Sim = NDArray[np.float64]
Ratings = Mapping[int, Iterable[tuple[int, float]]]


@dataclass(frozen=True, eq=False)
class Lists:
    """``yr`` as arrays.

    Attributes
    ----------
    n_x : int
        Number of users or items that are compared.
    indptr : int64[n_y + 1]
    xs : int32[n]
    ratings : float64[n]
        The list of the y-th key is at ``indptr[y]:indptr[y + 1]``.
    """

    n_x: int
    indptr: NDArray[np.int64]
    xs: NDArray[np.int32]
    ratings: NDArray[np.float64]


def cosine(n_x: int, yr: Ratings, min_support: int) -> Sim:
    """Cosine: sum r_u r_v / sqrt(sum r_u^2 sum r_v^2), over what both rated.

    Parameters
    ----------
    n_x : int
        How many users or items there are.
    yr : dict of int to list of (int, float)
    min_support : int
        A pair with fewer common ratings has a similarity of 0.

    Returns
    -------
    float64[n_x, n_x]

    Raises
    ------
    ZeroDivisionError
        All common ratings of a pair are 0 on one side.
    """
    return matrix("cosine", _lists(n_x, yr), min_support)


def msd(n_x: int, yr: Ratings, min_support: int) -> Sim:
    """Mean squared difference: 1 / (1 + mean of (r_u - r_v)^2), over what both rated.

    Parameters
    ----------
    n_x : int
        How many users or items there are.
    yr : dict of int to list of (int, float)
    min_support : int
        A pair with fewer common ratings has a similarity of 0.

    Returns
    -------
    float64[n_x, n_x]
    """
    return matrix("msd", _lists(n_x, yr), min_support)


def pearson(n_x: int, yr: Ratings, min_support: int) -> Sim:
    """Pearson's correlation, over what both rated; 0 where one of the two is constant.

    Parameters
    ----------
    n_x : int
        How many users or items there are.
    yr : dict of int to list of (int, float)
    min_support : int
        A pair with fewer common ratings has a similarity of 0.

    Returns
    -------
    float64[n_x, n_x]
    """
    return matrix("pearson", _lists(n_x, yr), min_support)


def pearson_baseline(
    n_x: int,
    yr: Ratings,
    min_support: int,
    global_mean: float,
    x_biases: Any,
    y_biases: Any,
    shrinkage: float = 100,
) -> Sim:
    """Pearson's correlation about the baselines, shrunk by (n - 1) / (n - 1 + shrinkage).

    Parameters
    ----------
    n_x : int
        How many users or items there are.
    yr : dict of int to list of (int, float)
    min_support : int
        A pair with fewer common ratings, or with fewer than 2, has a similarity of 0.
    global_mean : float
    x_biases : float64[n_x]
    y_biases : float64[n_y]
        By key of `yr`.
    shrinkage : float

    Returns
    -------
    float64[n_x, n_x]
    """
    lists = _lists(n_x, yr)
    biases = np.ascontiguousarray(y_biases, dtype=np.float64)
    keys = np.fromiter(yr, np.int64, len(yr))
    if len(keys) and not (keys.min() >= 0 and keys.max() < len(biases)):
        raise ValueError(f"y_biases has {len(biases)} numbers, but yr has the key {keys.max()}")
    return matrix("pearson_baseline", lists, min_support, (global_mean, x_biases, biases[keys], shrinkage))


def matrix(name: str, lists: Lists, min_support: Any, baselines: tuple[Any, ...] = ()) -> Sim:
    """The similarities of a name.

    Parameters
    ----------
    name : str
        Of `NAMES`.
    lists : Lists
    min_support : int
    baselines : (float, float64[n_x], float64[n_y], float)
        For "pearson_baseline": global mean, biases, and shrinkage.
    """
    support = math.floor(min_support) if not isinstance(min_support, int) else min_support
    n_x, n_y = lists.n_x, len(lists.indptr) - 1
    ratings, shrinkage = lists.ratings, 0.0
    if name == "pearson_baseline":
        mean, of_x, of_y, shrinkage = baselines
        of_x = np.ascontiguousarray(of_x, dtype=np.float64)
        if len(of_x) < n_x:
            raise ValueError(f"x_biases has {len(of_x)} numbers, but n_x is {n_x}")
        ratings = _dense.residuals_of(lists, mean, of_x, np.ascontiguousarray(of_y, dtype=np.float64))
        support = max(2, support)
    sim = _room(n_x)
    rule = (NAMES.index(name), support, float(shrinkage))
    if _by_table(name, lists, ratings, rule, sim):
        return sim
    multiples = None if name == "pearson_baseline" else _multiples(lists.ratings, name)
    # By x, in the order of y; and by y, in the order of x.
    ys = _ys(lists)
    by_x = rows_of(lists.xs, ys, ratings, n_x)
    xs = np.repeat(np.arange(n_x, dtype=np.int32), np.diff(by_x.indptr))
    by_y = rows_of(by_x.others, xs, by_x.ratings, n_y)
    avx2 = simd.current_level() != "baseline"
    if multiples:
        step, least, most = multiples
        bits = _similarities.bits_of(most, _similarities.most_common(by_x), rule[0])
    if multiples and bits:
        whole = tuple(np.rint((rows.ratings - least) * step).astype(np.uint8) for rows in (by_x, by_y))
        _similarities.exact(by_x, by_y, (whole[0], whole[1]), (1 / step, bits), rule, sim, avx2)
    else:
        _similarities.in_order(by_x, by_y, rule, sim, avx2)
    return sim


class _Memory:
    """Memory of a matrix. The last one that no array uses any more is kept for the next fit."""

    #: At most one; more than 32 MB are given back, as the C library does.
    spare: ClassVar[list[NDArray[np.float64]]] = []

    def __init__(self, numbers: NDArray[np.float64]) -> None:
        self._numbers = numbers
        self.__array_interface__ = numbers.__array_interface__

    def __del__(self) -> None:
        if self._numbers.nbytes <= 2**25:
            self.spare[:] = [self._numbers]


def _room(n: int) -> Sim:
    """A matrix that is not filled; a large one begins at a page of 2 MB, which spares hundreds of faults."""
    if n * n < 2 * _PAGE:
        return np.empty((n, n))
    size = (-(-n * n // _PAGE) + 1) * _PAGE
    try:  # memory that is in use spares the rest of them, a quarter of the time of a fit of 1,000 users
        room = _Memory.spare.pop()
    except IndexError:
        room = np.empty(0)
    if not size <= room.size <= 2 * size:
        room = np.empty(size)
    start = -room.ctypes.data // 8 % _PAGE
    return np.asarray(_Memory(room))[start : start + n * n].reshape(n, n)


def _ys(lists: Lists) -> NDArray[np.int32]:
    """The y of each rating."""
    return np.repeat(np.arange(len(lists.indptr) - 1, dtype=np.int32), np.diff(lists.indptr))


def _by_table(name: str, lists: Lists, ratings: Any, rule: Any, sim: Sim) -> bool:
    """Compute all similarities by a table of the ratings, if that is faster; whether it was done."""
    n, level = len(ratings), simd.current_level()
    if not (_dense.available and level in _WORTH) or n == 0:
        return False
    lengths = np.diff(lists.indptr)
    worth = _WORTH[level][0 if name == "pearson_baseline" else 1]
    if n * lists.n_x > worth * float(np.dot(lengths, lengths)):
        return False
    if name == "pearson_baseline":
        if not np.isfinite(ratings).all():  # a missing one would not add 0
            return False
        return _dense.similarities(lists, None, ratings, (1.0, 0), rule, sim, level == "avx512")
    least, most = float(ratings.min()), float(ratings.max())
    for step in _STEPS:
        fits = name == "msd" or 0 <= least <= most * step <= _MOST_ROOT
        if not (fits and (most - least) * step < _MOST_CODES):
            return False
        codes = _dense.codes_of(ratings, least, step) if (least * step).is_integer() else None
        if codes is not None:
            unit = (1 / step, round(least * step))
            return _dense.similarities(lists, codes, None, unit, rule, sim, level == "avx512")
    return False


def _multiples(ratings: NDArray[np.float64], name: str) -> tuple[float, float, int] | None:
    """Factor and origin that make small whole numbers of all ratings, and the greatest; None if none does."""
    if not len(ratings):
        return None
    least, most = float(ratings.min()), float(ratings.max())
    origin = least if name == "msd" else 0.0
    if not (origin <= least and most - origin <= _MOST):  # NaN too
        return None
    for step in _STEPS:
        scaled = ratings * step
        if (most - origin) * step <= _MOST and np.array_equal(scaled, np.rint(scaled)):
            return step, origin, round((most - origin) * step)
    return None


def lists_of(trainset: Trainset, by_user: bool) -> tuple[Lists, Any]:
    """The lists of a training set whose users, or items, are compared, and what selects y in their order.

    The order is that of the dict, in which sums are made; it is another than that of inner ids only in a
    training set made by hand.
    """
    found = trainset.columns()
    n_x = found.n_users if by_user else found.n_items
    given = trainset.given_lists("ir" if by_user else "ur")
    keys = None if given is None else np.fromiter(given, np.int64, len(given))
    if keys is not None and np.any(np.diff(keys) < 0):
        assert given is not None
        return _lists(n_x, given), keys
    if by_user:
        return Lists(n_x, found.item_indptr, found.item_users, found.item_ratings), slice(None)
    return Lists(n_x, found.user_indptr, found.user_items, found.user_ratings), slice(None)


def _lists(n_x: int, yr: Ratings) -> Lists:
    """``yr`` as arrays, in the order of the dict."""
    given = [list(entries) for entries in yr.values()]
    indptr = np.zeros(len(given) + 1, dtype=np.int64)
    np.cumsum([len(entries) for entries in given], out=indptr[1:])
    pairs = tuple(zip(*chain.from_iterable(given), strict=True)) or ((), ())
    n = int(indptr[-1])
    xs = np.fromiter(pairs[0], np.int64, n)
    for rating in pairs[1]:
        if isinstance(rating, (str, bytes)):
            raise TypeError(f"must be real number, not {type(rating).__name__}")
    wrong = xs[(xs < 0) | (xs >= n_x)]
    if len(wrong):
        raise ValueError(f"yr has {wrong[0]} in its lists, but n_x is {n_x}: inner ids are 0 to {n_x - 1}")
    return Lists(int(n_x), indptr, xs.astype(np.int32), np.fromiter(pairs[1], np.float64, n))
