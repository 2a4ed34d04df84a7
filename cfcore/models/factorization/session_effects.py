"""Which lengths of sessions have an effect on ratings, by the covariance of errors within sessions."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.models.factorization.first_biases import first_biases

Array = np.ndarray[Any, Any]

#: Standard errors by which a covariance must exceed 0.
ENOUGH = 2.0


def has_effect(train: Ratings, groups: list[Array]) -> list[bool]:
    """Whether errors of ratings of the same session are more alike than others around the session.

    Parameters
    ----------
    train : Ratings
    groups : list of int32[n]
        Group of each rating, each kind within those before: the user's days, and the sessions of each length.

    Returns
    -------
    list of bool
        For each kind after the first.

    Notes
    -----
    Errors are those of damped biases of users and items. The covariance of two errors in the same group,
    less that of two errors in the same group of the kind before but in different groups of this kind,
    estimates the variance of this kind's effect. It counts where it exceeds 2 of its standard errors, which
    are about the variance of errors over the root of the number of pairs.
    """
    user_bias, item_bias = first_biases(train, 1.0, "float64")
    errors = train.values - (train.mean + user_bias[train.user_codes] + item_bias[train.item_codes])
    variance = float(np.mean(errors * errors))
    found = []
    pairs, products = _pairs(errors, groups[0])
    for group in groups[1:]:
        own_pairs, own_products = _pairs(errors, group)
        around = (products - own_products) / max(pairs - own_pairs, 1.0)
        effect = own_products / max(own_pairs, 1.0) - around
        found.append(bool(effect > ENOUGH * variance / np.sqrt(max(own_pairs, 1.0))))
        pairs, products = own_pairs, own_products
    return found


def _pairs(errors: Array, group: Array) -> tuple[float, float]:
    """The number of pairs of ratings in the same group, and the sum of the products of their errors."""
    counts = np.bincount(group).astype(np.float64)
    sums = np.bincount(group, errors)
    pairs = float(np.sum(counts * (counts - 1))) / 2
    return pairs, float(np.sum(sums * sums) - np.sum(errors * errors)) / 2
