"""Time to fit against error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.errors import DataError
from cfcore.plots.common import COLORS, Array, finish, new_axes
from cfcore.plots.labels import write_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["time_against_rmse"]

#: Marks of libraries.
MARKS = ("o", "s", "^", "D", "v")
#: So many points must be left on the unbroken part of the axis of errors.
LEAST_KEPT = 3
#: Shares of the height at which the axis is broken, and at which it goes on.
BREAK, ON = 0.84, 0.9


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
        Time on a logarithmic scale; a mark for each model, by library, those of peers hollow. The axis of
        errors is broken, at the zigzag and the grey band, below errors that would squeeze all others
        together, such as that of `GlobalMean`: those farther from the next than that is from the lowest.

    Raises
    ------
    DataError
        No row has both a time and an error.
    """
    ax = ax or new_axes((7.0, 4.6))
    points: list[tuple[float, float, str, str | None]] = []
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
        label = library or "cfcore"
        ax.plot(seconds, errors, mark, color=color, markerfacecolor=face, label=label, zorder=3)
    set_time_axis(ax, np.array([point[0] for point in points], dtype=float))
    set_error_axis(ax, np.array([point[1] for point in points], dtype=float))
    ax.set(xlabel="seconds to fit", ylabel="RMSE", title="Time against error (lower left is better)")
    finish(ax, legend=False)
    if len(libraries) > 1:
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.14), ncols=4, borderaxespad=0)
    write_names(ax, [point[:2] for point in points], [point[2] for point in points])
    return ax


def set_time_axis(ax: Axes, seconds: Array) -> None:
    """A logarithmic axis of seconds, in plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    ax.set_xscale("log")
    low, high = np.log10(seconds.min()), np.log10(seconds.max())
    space = max(0.08 * (high - low), 0.15)
    ax.set_xlim(10 ** (low - space), 10 ** (high + space))
    subs = (1.0,) if high - low > 2.5 else (1.0, 2.0, 5.0)
    wide = high - low + 2 * space > 0.8
    ax.xaxis.set_major_locator(LogLocator(subs=subs, numticks=12) if wide else MaxNLocator(6))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def set_error_axis(ax: Axes, errors: Array) -> None:
    """An axis of errors, broken below those that would squeeze the others together."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    kept = np.sort(errors)
    # Drop the highest while it is farther from the next than that is from the lowest.
    while len(kept) > LEAST_KEPT and kept[-1] - kept[-2] > kept[-2] - kept[0] > 1e-4 * kept[0]:
        kept = kept[:-1]
    space = max(0.1 * (kept[-1] - kept[0]), 0.005 * kept[0])
    low, high = kept[0] - space, kept[-1] + space
    locator = MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10])
    beyond = np.sort(errors[errors > kept[-1]])
    if len(beyond) == 0:
        ax.set_ylim(low, high)
        ax.yaxis.set_major_locator(locator)
        return
    again, space = beyond[0], max(0.15 * (beyond[-1] - beyond[0]), 0.02 * beyond[-1])
    begin, end = max(again - space, high + 0.25 * (again - high)), beyond[-1] + space
    at, heights = [low, high, begin, end], [0.0, BREAK, ON, 1.0]
    slopes = np.diff(heights) / np.diff(at)

    def forward(values: Array) -> Array:
        heights_at = np.interp(values, at, heights)
        below, above = np.minimum(values - low, 0) * slopes[0], np.maximum(values - end, 0) * slopes[-1]
        return np.asarray(heights_at + below + above)

    def inverse(shares: Array) -> Array:
        below, above = np.minimum(shares, 0) / slopes[0], np.maximum(shares - 1, 0) / slopes[-1]
        return np.asarray(np.interp(shares, heights, at) + below + above)

    ax.set_yscale("function", functions=(forward, inverse))
    ax.set_ylim(low, end)
    ticks = [tick for tick in locator.tick_values(low, high) if low <= tick <= high]
    ax.yaxis.set_major_locator(FixedLocator([*ticks, *beyond[[0, -1] if len(beyond) > 1 else [0]]]))
    digits = max(2, *(len(f"{tick:.6f}".rstrip("0").partition(".")[2]) for tick in ticks))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.{digits if value <= high else 3}f}")
    _mark_break(ax, high, begin)


def _mark_break(ax: Axes, begin: float, end: float) -> None:
    """A grey band where the axis is broken, and a zigzag on the axis."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    ax.axhspan(begin, end, color="0.93", linewidth=0, zorder=0)
    steps = np.linspace(BREAK, ON, 5)
    zigzag = Path(np.column_stack([[0, -0.012, 0.012, -0.012, 0], steps]))
    for color, width in (("white", 4.0), ("black", 0.8)):
        ax.add_patch(
            PathPatch(zigzag, fill=False, edgecolor=color, linewidth=width, transform=ax.transAxes,
                      clip_on=False, zorder=5)
        )  # fmt: skip
