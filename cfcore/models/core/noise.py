"""`error_variance`: the squared error that is to be expected of a prediction."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["error_variance"]

#: Expected squared error of a new rating, over that of the training ratings. Errors of users with few ratings
#: are within .003 from 1 to 1.6 (``python benchmarks/new_users.py --choose``).
OVER_TRAINING = 1.3
#: Where the training error is not known: the standard error as a part of the scale, .8 for five stars.
OF_SCALE = 1 / 5


def error_variance(
    history: Mapping[str, list[float]], n_epochs: int | None, scale: tuple[float, float]
) -> float:
    """Expected squared error of the prediction of a rating that is not in training.

    1.3 times the squared error on the training ratings, where a model records it; else the square of a fifth
    of the scale.

    Parameters
    ----------
    history : dict of str to list of float
        Of a state, with ``train_rmse`` of each epoch if it is known.
    n_epochs : int or None
        Epochs that the parameters were trained for.
    scale : tuple of float
        The lowest and the highest rating.

    Returns
    -------
    float
        Positive.
    """
    low, high = scale
    last = history.get("train_rmse", [])[:n_epochs]
    if last and last[-1] > 0:
        return float(OVER_TRAINING * last[-1] ** 2)
    return float(((high - low) * OF_SCALE or 1.0) ** 2)
