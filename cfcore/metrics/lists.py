"""Metrics of top-N lists.

A list has k entries. An entry that is relevant to the user, by the test ratings, is a hit. The metrics take
hits and return a value for each user; `cfcore.metrics.judge` makes lists for the users of test ratings and
finds the hits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cfcore.errors import DataError, shown

__all__ = [
    "Judged", "average_precision", "coverage", "hit_rate", "ndcg", "novelty", "precision", "recall",
    "reciprocal_rank", "relevant_from",
]  # fmt: skip

Array = np.ndarray[Any, Any]

#: Ratings from this fraction of the scale upwards are relevant.
UPPER = 0.75


@dataclass(frozen=True, eq=False)
class Judged:
    """Lists for the users of test ratings, and which of their entries are relevant.

    Attributes
    ----------
    users : ndarray, shape (n_users,)
        Raw ids of all users who have test ratings.
    items : ndarray of int32, shape (n_users, k)
        Codes (positions in the model's ``item_ids_``), best first; -1 beyond the end of a list.
    hits : ndarray of bool, shape (n_users, k)
    n_relevant : ndarray of int64, shape (n_users,)
        Relevant items of each user, listed or not.
    shares : ndarray of float64, shape (n_items,)
        Fraction of the training users who rated each item; 0 for items that are never listed.
    threshold : float
        The rating from which an item is relevant.
    """

    users: Array
    items: Array
    hits: Array
    n_relevant: Array
    shares: Array
    threshold: float

    def at(self, k: int) -> Judged:
        """The first k entries of the lists."""
        return (
            self if k == self.hits.shape[1] else replace(self, items=self.items[:, :k], hits=self.hits[:, :k])
        )


def relevant_from(scale: tuple[float, float]) -> float:
    """The least rating of a relevant item, unless a threshold is given: three quarters up the scale.

    Parameters
    ----------
    scale : (float, float)
        Least and largest rating.

    Notes
    -----
    4 on a scale of 1 to 5, as is usual for MovieLens; 7.75 on one of 1 to 10, that is, whole ratings from 8.
    """
    low, high = scale
    return low + UPPER * (high - low)


def check_k(k: Any) -> int:
    """k as an int of at least 1."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ValueError(f"k must be an integer of at least 1, not {shown(k)}")
    return int(k)


# ---------------------------------------------------------------------- values of users


def precision(hits: ArrayLike, n_relevant: ArrayLike) -> Array:
    """Fraction of the k entries that are hits, (1 / k) Σ_{j ≤ k} h_j.

    Parameters
    ----------
    hits : array_like of bool, shape (n_users, k)
        Whether the user's j-th entry is relevant.
    n_relevant : array_like of int, shape (n_users,)
        Number of items that are relevant to the user.

    Returns
    -------
    ndarray of float64, shape (n_users,)
        NaN for users without relevant items, who are left out of means.

    Raises
    ------
    DataError
        Shapes that do not fit, or more hits than relevant items.

    Notes
    -----
    Missing entries of shorter lists count as misses. Herlocker, Konstan, Terveen and Riedl, "Evaluating
    collaborative filtering recommender systems", ACM TOIS 22 (2004).
    """
    hits, n_relevant = _checked(hits, n_relevant)
    return _where_relevant(hits.sum(axis=1) / hits.shape[1], n_relevant)


def recall(hits: ArrayLike, n_relevant: ArrayLike) -> Array:
    """Fraction of the relevant items R that are listed, ``(1 / |R|) Σ_{j ≤ k} h_j``.

    Parameters, result, errors and source are those of `precision`. With more than k relevant items it is
    below 1.
    """
    hits, n_relevant = _checked(hits, n_relevant)
    return _where_relevant(hits.sum(axis=1) / np.maximum(n_relevant, 1), n_relevant)


def ndcg(hits: ArrayLike, n_relevant: ArrayLike) -> Array:
    """Normalised discounted cumulative gain of hits.

    ::

        Σ_{j ≤ k} (h_j / (log_2(j + 1))) / Σ_{j ≤ min(k, |R|)} 1 / (log_2(j + 1))

    1 if as many hits as are possible are at the top. Parameters, result and errors are those of `precision`.

    Notes
    -----
    A hit gains 1 whatever its rating. Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR
    techniques", ACM TOIS 20 (2002), with the discount of Burges et al., "Learning to rank using gradient
    descent", ICML 2005.
    """
    hits, n_relevant = _checked(hits, n_relevant)
    discounts = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.append(0.0, np.cumsum(discounts))[np.minimum(n_relevant, hits.shape[1])]
    return _where_relevant(hits @ discounts / np.where(n_relevant, ideal, 1), n_relevant)


def average_precision(hits: ArrayLike, n_relevant: ArrayLike) -> Array:
    """Mean precision at the hits; its mean over users is MAP.

    ::

        (1 / (min(k, |R|))) Σ_{j ≤ k} h_j (1 / j) Σ_{l ≤ j} h_l

    1 if as many hits as are possible are at the top. Parameters, result and errors are those of `precision`.

    Notes
    -----
    Manning, Raghavan and Schütze, "Introduction to information retrieval" (2008), 8.4, cut off at k.
    """
    hits, n_relevant = _checked(hits, n_relevant)
    ranks = np.arange(1, hits.shape[1] + 1)
    total = np.sum(hits * np.cumsum(hits, axis=1) / ranks, axis=1)
    return _where_relevant(total / np.clip(n_relevant, 1, hits.shape[1]), n_relevant)


def reciprocal_rank(hits: ArrayLike, n_relevant: ArrayLike) -> Array:
    """One over the rank of the first hit, 0 without a hit; its mean over users is MRR.

    Parameters, result and errors are those of `precision`.

    Notes
    -----
    Voorhees, "The TREC-8 question answering track report" (1999), cut off at k.
    """
    hits, n_relevant = _checked(hits, n_relevant)
    return _where_relevant(hits.any(axis=1) / (hits.argmax(axis=1) + 1.0), n_relevant)


def hit_rate(hits: ArrayLike, n_relevant: ArrayLike) -> Array:
    """1 if there is a hit in the list, else 0.

    Parameters, result and errors are those of `precision`.

    Notes
    -----
    Deshpande and Karypis, "Item-based top-N recommendation algorithms", ACM TOIS 22 (2004).
    """
    hits, n_relevant = _checked(hits, n_relevant)
    return _where_relevant(np.where(hits.any(axis=1), 1.0, 0.0), n_relevant)


def novelty(items: ArrayLike, shares: ArrayLike) -> Array:
    """Mean self-information of the entries in bits, ``-(1 / |L|) Σ_{i ∈ L} log_2 p_i``.

    Parameters
    ----------
    items : array_like of int, shape (n_users, k)
        Codes of the entries; -1 beyond the end of a list.
    shares : array_like of float, shape (n_items,)
        p_i, the fraction of the training users who rated item i.

    Returns
    -------
    ndarray of float64, shape (n_users,)
        0 for lists of items that all users rated; NaN for empty lists.

    Notes
    -----
    Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 107 (2010).
    """
    items, shares = np.asarray(items), np.asarray(shares, dtype=np.float64)
    listed = items >= 0
    bits: Array = np.append(-np.log2(np.where(shares > 0, shares, 1.0)), 0.0)[np.where(listed, items, -1)]
    lengths = listed.sum(axis=1)
    return _where_relevant(bits.sum(axis=1) / np.maximum(lengths, 1), lengths)


# ---------------------------------------------------------------------- values of all lists together


def coverage(items: ArrayLike, shares: ArrayLike) -> float:
    """Fraction of the items with training ratings that are in at least one list.

    Parameters are those of `novelty`. It grows with the number of users.

    Notes
    -----
    Ge, Delgado-Battenfeld and Jannach, "Beyond accuracy: evaluating recommender systems by coverage and
    serendipity", RecSys 2010.
    """
    items, possible = np.asarray(items), int(np.count_nonzero(shares))
    return len(np.unique(items[items >= 0])) / max(possible, 1)


#: Metric -> value of each user.
BY_USER: dict[str, Callable[[Judged], Array]] = {
    "precision": lambda judged: precision(judged.hits, judged.n_relevant),
    "recall": lambda judged: recall(judged.hits, judged.n_relevant),
    "ndcg": lambda judged: ndcg(judged.hits, judged.n_relevant),
    "map": lambda judged: average_precision(judged.hits, judged.n_relevant),
    "mrr": lambda judged: reciprocal_rank(judged.hits, judged.n_relevant),
    "hit_rate": lambda judged: hit_rate(judged.hits, judged.n_relevant),
    "novelty": lambda judged: novelty(judged.items, judged.shares),
}


def _checked(hits: ArrayLike, n_relevant: ArrayLike) -> tuple[Array, Array]:
    hits, n_relevant = np.asarray(hits), np.asarray(n_relevant)
    if hits.ndim != 2 or hits.shape[1] == 0 or n_relevant.shape != hits.shape[:1]:
        raise DataError(
            "hits must have a row for each user and k columns, and n_relevant an entry for each user; "
            f"got shapes {hits.shape} and {n_relevant.shape}"
        )
    if (n_relevant < hits.sum(axis=1)).any():
        row = int(np.argmax(n_relevant < hits.sum(axis=1)))
        raise DataError(f"row {row}: {hits[row].sum()} hits, but {n_relevant[row]} relevant items")
    return hits.astype(bool), n_relevant


def _where_relevant(values: Array, n_relevant: Array) -> Array:
    return np.where(n_relevant > 0, values, np.nan)
