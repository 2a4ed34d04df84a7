"""Precision and recall of the k test items of highest prediction, as scikit-surprise's FAQ defines them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cfcore.data.ids import first_masked
from cfcore.errors import DataError
from cfcore.metrics.accuracy import checked
from cfcore.metrics.lists import check_k, relevant_from

__all__ = ["BY_TEST_ITEMS", "surprise_level", "surprise_precision", "surprise_recall"]

Array = np.ndarray[Any, Any]

#: The threshold of the FAQ's function, and the end of the scales, such as 1 to 5, that it is made for.
THRESHOLD, HIGHEST = 3.5, 5.0


def surprise_precision(
    ratings: ArrayLike, predictions: ArrayLike, users: ArrayLike, k: int = 10, threshold: float = THRESHOLD
) -> Array:
    """Precision at k of scikit-surprise's FAQ: the fraction of the recommended items that are relevant.

    ::

        |{i ∈ T_k: r̂_i ≥ t, r_i ≥ t}| / |{i ∈ T_k: r̂_i ≥ t}|

    T_k are the k items of highest prediction among those that the user rated in the test part.

    Parameters
    ----------
    ratings, predictions : array_like, shape (n,)
    users : array_like, shape (n,)
        Ids or codes of the users.
    k : int, default 10
    threshold : float, default 3.5
        t, from which on a prediction recommends an item, and a rating is relevant.

    Returns
    -------
    ndarray of float64, shape (n_users,)
        In the order of the sorted distinct users; 0 for users to whom nothing is recommended. The FAQ's
        figure is the mean over all users.

    Raises
    ------
    DataError
        As `rmse`.

    Notes
    -----
    Not the `precision` of lists: only items that the user is known to have rated are ranked, as with
    ``judge(..., candidates="test")``, and the length is not k but the number of predictions from the
    threshold on. A model that predicts one 5 for each user, and is right, has 1. Of equal predictions the
    first rows come first. NicolasHug/Surprise, FAQ, "How to compute precision@k and recall@k", version 1.1.
    """
    found, recommended, _ = _counts(ratings, predictions, users, k, threshold)
    return found / np.maximum(recommended, 1)


def surprise_recall(
    ratings: ArrayLike, predictions: ArrayLike, users: ArrayLike, k: int = 10, threshold: float = THRESHOLD
) -> Array:
    """Recall at k of scikit-surprise's FAQ: the fraction of the relevant items that are recommended.

    ::

        |{i ∈ T_k: r̂_i ≥ t, r_i ≥ t}| / |{i: r_i ≥ t}|

    Parameters, result, errors and source are those of `surprise_precision`; 0 for users without relevant
    items, who are left out of the means of other metrics of lists.
    """
    found, _, relevant = _counts(ratings, predictions, users, k, threshold)
    return found / np.maximum(relevant, 1)


def _counts(
    ratings: ArrayLike, predictions: ArrayLike, users: ArrayLike, k: int, threshold: float
) -> tuple[Array, Array, Array]:
    """Of each user: relevant items among the recommended, recommended items, relevant items."""
    values, predicted = checked(ratings, predictions)
    if first_masked(users) is not None or np.shape(users) != values.shape:
        raise DataError(f"users: shape {np.shape(users)}, but ratings have {values.shape}")
    owners = np.unique(np.asarray(users), return_inverse=True)[1].reshape(-1)
    n_users = int(owners.max()) + 1
    best = np.lexsort((-predicted, owners))  # stable: of equal predictions the first row comes first
    sorted_owners = owners[best]
    rank = np.arange(len(best)) - np.searchsorted(sorted_owners, sorted_owners)
    first = best[rank < check_k(k)]
    # Ratings are float32: 3.3 is 3.3.
    relevant = values.astype(np.float32) >= np.float32(threshold)
    recommended = np.zeros(len(values), dtype=bool)
    recommended[first] = predicted[first] >= threshold
    return (
        np.bincount(owners[relevant & recommended], minlength=n_users),
        np.bincount(owners[recommended], minlength=n_users),
        np.bincount(owners[relevant], minlength=n_users),
    )


def surprise_level(scale: tuple[float, float]) -> float:
    """The threshold by default: the FAQ's 3.5 on scales that end at 5, else that of other metrics."""
    return THRESHOLD if scale[1] == HIGHEST and scale[0] < THRESHOLD else relevant_from(scale)


#: Metric -> value of each user.
BY_TEST_ITEMS = {"surprise_precision": surprise_precision, "surprise_recall": surprise_recall}
