"""Mean ratings over groups of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.data import as_ratings
from cfcore.plots.common import colors, finish, group, name_models, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["calibration"]


def calibration(models: Any, test: Any, *, n_bins: int = 15, ax: Axes | None = None) -> Axes:
    """Mean rating over groups of similar predictions: on the diagonal if predictions are unbiased.

    Parameters
    ----------
    models : fitted model, sequence of them, or dict of str to model
    test : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
    n_bins : int, default 15
        Number of groups, of about equal numbers of predictions.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, not {n_bins}")
    test, ax = as_ratings(test, timed=False), ax or new_axes()
    low, high = test.scale
    ax.plot([low, high], [low, high], color="0.7", linewidth=1)
    for color, (name, model) in zip(colors(), name_models(models).items(), strict=False):
        predictions = model.predict(test)
        groups, centers = group(predictions, 0, n_bins)
        means = np.bincount(groups, weights=test.values) / np.bincount(groups)
        ax.plot(centers, means, "o-", color=color, label=name)
    ax.set(xlabel="prediction", ylabel="mean rating", title="Calibration", aspect="equal")
    return finish(ax, legend=True)
