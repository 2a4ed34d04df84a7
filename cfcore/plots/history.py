"""Errors of each epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.errors import DataError
from cfcore.plots.common import colors, finish, name_models, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["learning_curves"]


def learning_curves(models: Any, ax: Axes | None = None) -> Axes:
    """Error after each epoch.

    Parameters
    ----------
    models : fitted model, sequence of them, or dict of str to model
        Models without epochs are left out.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
        Training errors are dashed, validation errors (of fits with ``validation=``) solid. A dot marks the
        epoch whose parameters the model has.

    Raises
    ------
    DataError
        None of the models was trained in epochs.
    NotFittedError
        A model is not fitted.

    Notes
    -----
    Training errors are taken during an epoch, that of each rating before its own step, and validation errors
    at its end.
    """
    ax = ax or new_axes()
    drawn = False
    for color, (name, model) in zip(colors(), name_models(models).items(), strict=False):
        history = model.history_
        if not history.get("train_rmse"):
            continue
        drawn = True
        validation = history.get("validation_rmse")
        for errors, style in ((history["train_rmse"], "--"), (validation, "-")):
            if errors:
                ax.plot(np.arange(1, len(errors) + 1), errors, style, color=color)
        shown = validation or history["train_rmse"]
        ax.plot(model.n_epochs_, shown[model.n_epochs_ - 1], "o", color=color, label=name)
    if not drawn:
        raise DataError("none of the models was trained in epochs: there is no history to draw")
    ax.set(xlabel="epoch", ylabel="RMSE", title="Learning curves (solid: validation, dashed: training)")
    ax.locator_params(axis="x", integer=True)
    return finish(ax, legend=True)
