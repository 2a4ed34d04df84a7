"""Axes and their style, names of models, and groups of ratings, for all kinds of pictures."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLORS", "Array", "add_legend", "colors", "finish", "group", "name_models", "new_axes"]

Array = np.ndarray[Any, Any]

#: Colours that colour-blind people can distinguish (Okabe and Ito, 2008), without the palest.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

#: Entries of a legend that find room within axes, if there is none beside them.
MOST_INSIDE = 4

#: Dots per inch of pictures in notebooks.
SCREEN = 100


def new_axes(size: tuple[float, float] = (6.4, 4.2)) -> Axes:
    """Axes of a new figure, which pyplot does not know."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("cfcore.plots needs matplotlib: pip install 'cfcore[plots]'") from error
    axes: Axes = Figure(figsize=size, layout="constrained").add_subplot(axes_class=_shown_axes())
    return axes


@functools.cache
def _shown_axes() -> type[Axes]:
    """A class of axes that a notebook shows as a picture, which it does not do with those of matplotlib."""
    from matplotlib.axes import Axes

    class ShownAxes(Axes):
        name = "cfcore"

        def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
            file = io.BytesIO()
            figure = self.get_figure(root=True)
            assert figure is not None
            figure.savefig(file, format="png", dpi=2 * SCREEN)
            width, height = figure.get_size_inches()
            # Twice the pixels, for screens that have them, in the usual size.
            return file.getvalue(), {"width": round(width * SCREEN), "height": round(height * SCREEN)}

    ShownAxes.__qualname__ = "Axes"
    return ShownAxes


def finish(ax: Axes, legend: bool) -> Axes:
    """Style axes: no box, a light grid, and with `legend` a legend if lines have labels."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.grid(color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    if legend and len(ax.get_legend_handles_labels()[1]) > 0:
        ax.legend(frameon=False)
    return ax


def add_legend(ax: Axes, handles: Any = None, names: Any = None, *, right: float = 1.01, **look: Any) -> Axes:
    """A legend on the right of axes, where it covers nothing.

    Within axes if it has few entries and their figure has no layout, which makes room beside them.

    Parameters
    ----------
    ax : matplotlib Axes
    handles, names : sequence, optional
        By default those of the lines that have labels.
    right : float
        Where it begins, as a share of the width of the axes.
    **look
        Further arguments of ``ax.legend``.
    """
    if handles is None:
        handles, names = ax.get_legend_handles_labels()
    figure: Any = ax.get_figure(root=True) if hasattr(ax.figure, "figure") else ax.figure
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (right, 1.0)}
    if figure.get_layout_engine() is None and len(names) <= MOST_INSIDE:
        place = {"loc": "best"}
    if len(names):
        ax.legend(handles, names, frameon=False, fontsize=9, borderaxespad=0.0, **place, **look)
    return ax


def colors() -> Iterator[str]:
    """`COLORS`, repeated without end."""
    while True:
        yield from COLORS


def name_models(models: Any) -> dict[str, Any]:
    """Models by name; without names they are named by their classes, with numbers if these repeat.

    Raises
    ------
    ValueError
        No models.
    NotFittedError
        A model is not fitted.
    TypeError
        Something else than models.
    """
    if models is None or isinstance(models, (str, bytes)):
        raise TypeError(f"models must be models, or a dict of name to model, not {models!r}")
    if isinstance(models, Mapping):
        named = dict(models)
    else:
        listed = [models] if hasattr(models, "predict") else list(models)
        kinds = [type(model).__name__ for model in listed]
        named = {}
        for position, (kind, model) in enumerate(zip(kinds, listed, strict=True)):
            name = kind if kinds.count(kind) == 1 else f"{kind} {kinds[: position + 1].count(kind)}"
            named[name] = model
    if not named:
        raise ValueError("no models given")
    for name, model in named.items():
        if not hasattr(model, "encode_users") or isinstance(model, type):
            raise TypeError(f"models: {name} must be a model, not {model!r}")
        model.encode_users([])  # raises NotFittedError
    return named


def group(keys: Array, max_levels: int, n_bins: int) -> tuple[Array, Array]:
    """Group of each key, and the mean key of each group.

    Up to `max_levels` distinct keys are a group each; more are cut at quantiles into at most `n_bins` groups.
    """
    levels, groups = np.unique(keys, return_inverse=True)
    if len(levels) > max(max_levels, 1):
        cuts = np.unique(np.quantile(keys, np.linspace(0, 1, n_bins + 1)[1:-1]))
        _, groups = np.unique(np.searchsorted(cuts, keys, side="right"), return_inverse=True)
    return groups, np.bincount(groups, weights=keys) / np.bincount(groups)
