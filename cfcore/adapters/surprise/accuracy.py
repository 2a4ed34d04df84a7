"""Errors of predictions, as of scikit-surprise: each function prints its value unless ``verbose=False``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["fcp", "mae", "mse", "rmse"]


def rmse(predictions: Iterable[Any], verbose: bool = True) -> float:
    """Root of the mean squared error.

    Parameters
    ----------
    predictions : list of Prediction
        As `AlgoBase.test` returns them.
    verbose : bool
        Whether to print the value.

    Raises
    ------
    ValueError
        There are no predictions.
    TypeError
        A prediction has no true rating.
    """
    value = np.sqrt(_squared(predictions))
    if verbose:
        print(f"RMSE: {value:1.4f}")
    return value


def mse(predictions: Iterable[Any], verbose: bool = True) -> float:
    """Mean squared error; arguments as of `rmse`."""
    value = _squared(predictions)
    if verbose:
        print(f"MSE: {value:1.4f}")
    return value


def mae(predictions: Iterable[Any], verbose: bool = True) -> float:
    """Mean absolute error; arguments as of `rmse`."""
    true, estimated = _ratings(predictions)
    value = np.float64(np.mean(np.abs(true - estimated)))
    if verbose:
        print(f"MAE:  {value:1.4f}")
    return value


def fcp(predictions: Iterable[Any], verbose: bool = True) -> float:
    """Fraction of concordant pairs [1]_: pairs of a user's items whose order is predicted.

    Of all pairs of predictions of a user with unequal ratings, those whose estimates are in the same order
    are concordant, the others are discordant, also if the estimates are equal. As in scikit-surprise, either
    number is averaged over those users for whom it is not 0. Arguments as of `rmse`.

    Raises
    ------
    ValueError
        There are no predictions, or there is no such pair.

    References
    ----------
    .. [1] Y. Koren, J. Sill. Collaborative filtering on ordinal user feedback. IJCAI 2013.
    """
    rows = list(predictions)
    if not rows:
        raise ValueError("Prediction list is empty.")
    of_users: dict[Any, list[tuple[float, float]]] = {}
    for user, _, true, estimated, _ in rows:
        of_users.setdefault(user, []).append((_number(true), _number(estimated)))
    concordant, discordant = [], []
    for pairs in of_users.values():
        of_user = np.array(pairs, dtype=np.float64)
        above, not_above = _pairs(of_user[:, 0], of_user[:, 1])
        if above:
            concordant.append(above)
        if not_above:
            discordant.append(not_above)
    right = np.mean(concordant) if concordant else 0
    wrong = np.mean(discordant) if discordant else 0
    if right + wrong == 0:
        raise ValueError(
            "cannot compute fcp on this list of prediction. Does every user have at least two predictions?"
        )
    value = np.float64(right / (right + wrong))
    if verbose:
        print(f"FCP:  {value:1.4f}")
    return value


#: Predictions of a user that are compared with all of theirs at once, for bounded memory.
_BLOCK = 256


def _pairs(true: NDArray[np.float64], estimated: NDArray[np.float64]) -> tuple[int, int]:
    """Pairs of which the first is rated higher: those where its estimate is higher too, and the others.

    Where an estimate is NaN, a pair is neither.
    """
    above = not_above = 0
    for start in range(0, len(true), _BLOCK):
        part = slice(start, start + _BLOCK)
        is_higher, estimate = true[part, None] > true, estimated[part, None]
        above += int(np.count_nonzero(is_higher & (estimate > estimated)))
        not_above += int(np.count_nonzero(is_higher & (estimate <= estimated)))
    return above, not_above


def _number(rating: Any) -> Any:
    if rating is None:  # which NumPy takes for NaN
        raise TypeError("a prediction has no true rating (r_ui is None), or no estimate")
    return rating


def _ratings(predictions: Iterable[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = list(predictions)
    if not rows:
        raise ValueError("Prediction list is empty.")
    true, estimated = [], []
    for _, _, rating, estimate, _ in rows:
        true.append(_number(rating))
        estimated.append(_number(estimate))
    return np.fromiter(true, np.float64, len(rows)), np.fromiter(estimated, np.float64, len(rows))


def _squared(predictions: Iterable[Any]) -> np.float64:
    true, estimated = _ratings(predictions)
    return np.float64(np.mean((true - estimated) ** 2))
