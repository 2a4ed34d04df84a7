"""Time to fit against error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.errors import DataError
from cfcore.plots.common import COLORS, finish, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["time_against_rmse"]

#: Marks of libraries.
MARKS = ("o", "s", "^", "D", "v")
#: Positions of a name beside its point, the nearest first: points to the right and up, and the alignment.
POSITIONS = [
    (side * 6, up - 3, "left" if side > 0 else "right")
    for up in sorted(range(-72, 73, 4), key=abs)
    for side in (1, -1)
]


def time_against_rmse(rows: Iterable[Any], ax: Axes | None = None) -> Axes:
    """Time that models take to fit, and error of their predictions.

    Parameters
    ----------
    rows : iterable of objects, or of dicts, with `fit_seconds`, `rmse` and a name
        The name is `model`, or `library` and `algorithm`, as in the rows of ``cfcore compare``, peers
        included. Rows without a time or an error are left out.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
        Time on a logarithmic scale; a mark for each model, by library, those of peers hollow.

    Raises
    ------
    DataError
        No row has both a time and an error.
    """
    ax = ax or new_axes()
    points = []
    for row in rows:
        facts = row if isinstance(row, Mapping) else vars(row)
        if facts.get("fit_seconds") and facts.get("rmse"):
            library = facts.get("library")
            name = facts["algorithm"] if library else facts["model"]
            points.append((facts["fit_seconds"], facts["rmse"], name, library))
    if not points:
        raise DataError("no row has both a time and an error")
    libraries = sorted({point[3] for point in points}, key=lambda library: library or "")  # cfcore first
    for number, library in enumerate(libraries):
        seconds, errors = zip(*[point[:2] for point in points if point[3] == library], strict=True)
        color, mark = COLORS[number % len(COLORS)], MARKS[number % len(MARKS)]
        face = "white" if library else color
        ax.plot(seconds, errors, mark, color=color, markerfacecolor=face, label=library or "cfcore")
    ax.set_xscale("log")
    ax.margins(x=0.08, y=0.1)
    ax.set(xlabel="seconds to fit", ylabel="RMSE", title="Time against error (lower left is better)")
    finish(ax, legend=len(libraries) > 1)
    _write_names(ax, [point[:3] for point in points])
    return ax


def _write_names(ax: Axes, points: list[tuple[float, float, str]]) -> None:
    """Write names beside their points, each at the one of `POSITIONS` where it overlaps least with others."""
    figure = ax.figure
    while hasattr(figure, "figure") and figure.figure is not figure:  # from a subfigure to its figure
        figure = figure.figure
    figure.draw_without_rendering()  # type: ignore[union-attr]
    dots = ax.transData.transform([point[:2] for point in points])
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in dots]
    if (legend := ax.get_legend()) is not None:
        taken.append(legend.get_window_extent().extents)
    frame = ax.get_window_extent().extents
    for x, y, name in points:
        tries: list[tuple[float, int, Any, Any]] = []
        for right, up, align in POSITIONS:
            text = ax.annotate(
                name, (x, y), xytext=(right, up), textcoords="offset points", fontsize=9, ha=align
            )
            box = text.get_window_extent().extents
            outside = _area(box) - _shared(box, frame)
            tries.append((sum(_shared(box, other) for other in taken) + outside, len(tries), text, box))
        _, chosen, _, box = min(tries, key=lambda one: one[:2])
        taken.append(box)
        for _, number, text, _ in tries:
            if number != chosen:
                text.remove()


def _area(box: Any) -> float:
    return float(max(box[2] - box[0], 0) * max(box[3] - box[1], 0))


def _shared(one: Any, other: Any) -> float:
    """Area of the intersection of two boxes (left, bottom, right, top)."""
    return _area((*np.maximum(one[:2], other[:2]), *np.minimum(one[2:], other[2:])))
