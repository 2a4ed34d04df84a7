"""Correlation of the errors of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.data import as_ratings, needs_times
from cfcore.errors import DataError
from cfcore.plots.common import name_models, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["error_correlation"]


def error_correlation(models: Any, test: Any, ax: Axes | None = None) -> Axes:
    """Correlation of the errors of models: the lower, the more a blend of two improves.

    Parameters
    ----------
    models : sequence of fitted models, or dict of str to model
        Two or more.
    test : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
        A matrix of Pearson correlations of test errors, with each model's RMSE beside its name.

    Raises
    ------
    ValueError
        Fewer than two models.
    DataError
        The errors of a model are all equal, as those of one rating are.
    """
    named = name_models(models)
    test = as_ratings(test, timed=needs_times(*named.values()))
    if len(named) < 2:
        raise ValueError("error_correlation needs two models or more")
    values = test.values.astype(np.float64)
    errors = np.array([model.predict(test) - values for model in named.values()])
    for name, row in zip(named, errors, strict=True):
        if np.ptp(row) == 0:
            raise DataError(
                f"error_correlation: the errors of {name} on {len(test)} test ratings are all equal, and so "
                "have no correlation with others"
            )
    matrix = np.corrcoef(errors)
    ax = ax or new_axes(size=(max(1.5 + 0.9 * len(named), 4.4), 1.2 + 0.8 * len(named)))
    lowest = min(matrix.min(), 0.999)
    others = matrix[~np.eye(len(named), dtype=bool)]
    digits = 3 if others.max() >= 0.995 else 2  # different models must not show 1.00
    ax.imshow(matrix, cmap="Blues", vmin=lowest - 0.2 * (1 - lowest), vmax=1.0)
    for row in range(len(named)):
        for column in range(len(named)):
            dark = matrix[row, column] > (lowest + 1) / 2
            ax.text(column, row, f"{matrix[row, column]:.{digits}f}", ha="center", va="center",
                    color="white" if dark else "black")  # fmt: skip
    rmses = np.sqrt(np.mean(errors**2, axis=1))
    labels = [f"{name}\n{rmse:.4f}" for name, rmse in zip(named, rmses, strict=True)]
    ax.set_xticks(range(len(named)), list(named), rotation=40, ha="right")
    ax.set_yticks(range(len(named)), labels)
    ax.set_title("Correlation of errors (RMSE on the left)")
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    return ax
