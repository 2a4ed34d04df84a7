"""Errors of each epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.errors import DataError
from cfcore.plots.common import COLORS, Array, add_legend, finish, name_models, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["learning_curves"]

#: Marks and dashes of models. With the seven colours these tell more models apart than one can look at.
MARKS = ("o", "s", "^", "D", "v", "P", "X", "p")
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
#: Models with validation errors up to which training errors are drawn as well.
MOST_WITH_TRAINING = 3
#: Looks of the two kinds of curves.
STYLES: dict[str, dict[str, Any]] = {
    "training": {"linewidth": 1.0, "alpha": 0.55},
    "validation": {"linewidth": 1.8, "alpha": 1.0},
}


def learning_curves(models: Any, ax: Axes | None = None, *, training: bool | None = None) -> Axes:
    """Error after each epoch.

    Parameters
    ----------
    models : fitted model, sequence of them, or dict of str to model
        Models without epochs are left out.
    ax : matplotlib Axes, optional
        With room on the right for the legend: of ``Figure(layout="constrained")``, or saved with
        ``bbox_inches="tight"``.
    training : bool, optional
        Draw training errors. By default those of all models if at most three have validation errors; of more,
        whose validation errors they would squeeze together, those of models without validation errors.

    Returns
    -------
    Axes
        For each model a colour, a style of dashes and a mark. Training errors are thin and pale, validation
        errors (of fits with ``validation=``) thick. The mark is at the epoch whose parameters the model has;
        the legend says its number, how many there were, and the error, the lowest first: that of validation,
        if there is one. Errors of the first
        epochs that would squeeze all others together leave the picture at the top.

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
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    named = name_models(models)
    curves = {name: model for name, model in named.items() if model.history_.get("train_rmse")}
    if not curves:
        raise DataError("none of the models was trained in epochs: there is no history to draw")
    if training is None:
        training = sum("validation_rmse" in model.history_ for model in curves.values()) <= MOST_WITH_TRAINING
    ax = ax or new_axes((9.0, 4.6))
    entries: list[tuple[bool, float, Line2D, str]] = []
    kinds: dict[str, Line2D] = {}
    drawn: list[Array] = []
    for number, (name, model) in enumerate(curves.items()):
        color, dashes, mark = (
            COLORS[number % len(COLORS)],
            DASHES[number % len(DASHES)],
            MARKS[number % len(MARKS)],
        )
        train, validation = model.history_["train_rmse"], model.history_.get("validation_rmse")
        for errors, kind in ((train, "training"), (validation, "validation")):
            if not errors or (kind == "training" and validation and not training):
                continue
            style: dict[str, Any] = STYLES[kind]
            ax.plot(np.arange(1, len(errors) + 1), errors, linestyle=dashes, color=color, **style)
            kinds.setdefault(kind, Line2D([], [], color="0.3", **style))
            drawn.append(np.asarray(errors, dtype=float))
        kept, shown = model.n_epochs_, validation or train
        look: dict[str, Any] = {"color": color, "marker": mark, "markersize": 8, "markeredgecolor": "white"}
        ax.plot(kept, shown[kept - 1], linestyle="", label=name, zorder=4, **look)
        where = "" if validation else " in training"
        said = f"{name}: epoch {kept} of {len(train)}, {shown[kept - 1]:.4f}{where}"
        entries.append(
            (not validation, shown[kept - 1], Line2D([], [], linestyle=dashes, linewidth=1.8, **look), said)
        )
    longest = max(map(len, drawn))
    ax.set_xlim(1 - 0.03 * longest, longest + 0.03 * longest)
    ticks = MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1).tick_values(1, longest)
    ax.set_xticks(sorted({1, *(int(tick) for tick in ticks if 1 <= tick <= longest)}))
    _set_top(ax, drawn, [entry[1] for entry in entries])
    ax.set(xlabel="epoch", ylabel="RMSE", title="Learning curves, with the epoch that is kept")
    finish(ax, legend=False)
    entries.sort(key=lambda entry: entry[:2])
    handles = [*kinds.values(), *(entry[2] for entry in entries)]
    names = [*kinds, *(entry[3] for entry in entries)]
    return add_legend(ax, handles, names, handlelength=3)


def _set_top(ax: Axes, curves: list[Array], kept: list[float]) -> None:
    """Leave errors of first epochs out that are several times as far from the lowest as all later ones."""
    values = np.concatenate(curves)
    values = values[np.isfinite(values)]
    low = values.min()
    most = max(np.quantile(values, 0.9), *kept, low)
    if values.max() - low > 3 * (most - low) > 0:
        top = most + 0.5 * (most - low)
        ax.set_ylim(low - 0.05 * (top - low), top)
