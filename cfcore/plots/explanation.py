"""The parts of a prediction, one below the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.errors import shown
from cfcore.models.core.explanation import Explanation
from cfcore.plots.common import COLORS, finish, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["explanation"]

#: Colours of effects that make a score greater, and smaller.
UP, DOWN = COLORS[:2]
#: Longest name of an item.
WIDTH = 32


def explanation(
    explained: Explanation, names: Mapping[Any, str] | None = None, *, ax: Axes | None = None
) -> Axes:
    """The effects of the ratings of a user, from the base of a prediction to the prediction.

    Parameters
    ----------
    explained : Explanation
        As from ``model.explain(user, item)``.
    names : dict of item to str, optional
        What items are called, such as titles of films; by default their ids.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
        A bar for each rating listed that has an effect, the greatest first; each begins where the one before
        ends. Then one for all others. The first line is the base, the last the prediction, not clipped to
        the scale.

    Raises
    ------
    TypeError
        Something else than one explanation.
    """
    if not isinstance(explained, Explanation):
        raise TypeError(
            "explained must be an Explanation, as model.explain(user, item) returns it for one item, not "
            f"{shown(explained)}"
        )
    short = {item: _cut(str(name)) for item, name in (names or {}).items()}
    (base, first), *parts = explained.rows(short)
    sizes = np.array([size for size, _ in parts])
    ends = base + np.append(0.0, np.cumsum(sizes))
    n = len(parts)
    ax = ax or new_axes((7.2, 1.5 + 0.3 * (n + 2)))
    ax.barh(
        np.arange(1, n + 1), sizes, left=ends[:-1], color=[UP if size >= 0 else DOWN for size in sizes],
        height=0.64,
    )  # fmt: skip
    for row, end in enumerate(ends):  # to where the next bar begins
        ax.plot([end, end], [row, row + 1], color="0.5", linewidth=0.8, zorder=0.9)
    ax.plot([base, explained.score], [0, n + 1], "o", color="0.2", markersize=6)
    for row, value in ((0, base), (n + 1, explained.score)):
        _beside(ax, row, value, explained.number(value), right=True, weight="bold")
    for row, (size, end) in enumerate(zip(sizes, ends[1:], strict=True), start=1):
        _beside(ax, row, end, explained.number(size, signed=True), right=bool(size >= 0))
    last = "predicted rating" if explained.by == "rating" else "preference"
    ax.set_yticks(np.arange(n + 2), [first, *(words for _, words in parts), last])
    ax.set_ylim(n + 1.6, -0.6)
    room = 0.2 * (float(np.ptp(ends)) or 1.0)
    ax.set_xlim(ends.min() - room, ends.max() + room)
    ax.set(xlabel=explained.by if explained.exact else f"{explained.by}; {explained.how}")
    ax.set_title(explained.title(short), fontsize="medium", loc="right")
    finish(ax, legend=False)
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0, pad=6)
    ax.spines["left"].set_visible(False)
    return ax


def _beside(ax: Axes, row: int, at: float, text: str, *, right: bool, weight: str = "normal") -> None:
    """Write a number to the right or to the left of a place."""
    ax.annotate(
        text.replace("-", "\N{MINUS SIGN}"), (at, row), xytext=(5 if right else -5, 0),
        textcoords="offset points", va="center", ha="left" if right else "right", fontsize="small",
        fontweight=weight,
    )  # fmt: skip


def _cut(name: str) -> str:
    return name if len(name) <= WIDTH else f"{name[: WIDTH - 1].rstrip()}…"
