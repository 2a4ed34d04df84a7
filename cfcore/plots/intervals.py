"""Means over groups of ratings with intervals by drawing users, and the number of ratings in each group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.metrics.bootstrapping import replicates
from cfcore.plots.common import COLORS, Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["add_strip", "check_draws", "draw_counts", "draw_line", "group_means", "said_of"]

#: Share of the height of the axes that the numbers of ratings take.
STRIP = 0.18
#: Marks of models.
MARKS = ("o", "s", "^", "D", "v", "P", "X", "p")
#: Lines from which on marks and bars are smaller.
MANY = 4
#: Space between bars of one group, and the most that all of them take (points).
STEP, WIDEST = 4.0, 16.0


def check_draws(n_boot: Any, level: Any) -> None:
    """Raise ValueError for a number of draws, or a level, that there cannot be."""
    if not isinstance(n_boot, (int, np.integer)) or isinstance(n_boot, bool) or not 0 <= n_boot <= 10**6:
        raise ValueError(f"n_boot must be an integer from 0 to 1,000,000, not {n_boot!r}")
    if not isinstance(level, (int, float, np.number)) or not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, not {level!r}")


def said_of(n_boot: int, level: float) -> str:
    """What the label of an axis says of intervals."""
    return f", {100 * level:g}% intervals" if n_boot else ""


def group_means(
    values: Array, groups: Array, users: Array, n_boot: int, level: float
) -> tuple[Array, Array, Array]:
    """Mean of `values` over each group, and the ends of its interval, NaN without one.

    Users are drawn with replacement, each with all of their ratings, as by `metrics.bootstrap`.

    Parameters
    ----------
    values : float64[n]
    groups : int[n], in [0, n_groups), each at least once
    users : int[n]
        Codes of the users of the ratings.
    n_boot : int
        Draws; 0: no intervals.
    level : float

    Returns
    -------
    means, low, high : float64[n_groups]
        An interval always contains its mean. It is NaN for a group with ratings of one user only, of which
        nothing is known about others.
    """
    counts = np.bincount(groups)
    n_groups = len(counts)
    means = np.bincount(groups, weights=values) / counts
    ends = np.full((2, n_groups), np.nan)
    _, users = np.unique(users, return_inverse=True)
    n_users = int(users.max()) + 1
    if n_boot == 0 or n_users < 2:
        return means, ends[0], ends[1]
    cells = groups * n_users + users
    below = np.bincount(cells, minlength=n_groups * n_users).reshape(n_groups, n_users).astype(np.float64)
    above = np.bincount(cells, weights=values, minlength=n_groups * n_users).reshape(n_groups, n_users)
    drawn = replicates(above, below, n_boot, np.random.default_rng(0))
    several = (below > 0).sum(axis=1) > 1
    if several.any():
        quantiles = [(1 - level) / 2, (1 + level) / 2]
        ends[:, several] = np.nanquantile(drawn[several], quantiles, axis=1)
    return means, np.minimum(ends[0], means), np.maximum(ends[1], means)


def draw_line(
    ax: Axes, where: Array, means: tuple[Array, Array, Array], look: tuple[str, int, str, int]
) -> None:
    """A line with marks through means, and bars for their intervals.

    Parameters
    ----------
    ax : matplotlib Axes
    where : float64[n_groups]
    means : (means, low, high)
        As from `group_means`.
    look : (color, number of the line, label, number of lines)
        Each line is moved aside by its number, so that bars of the same group are beside each other.
    """
    from matplotlib.transforms import ScaledTranslation

    color, number, label, n_lines = look
    middle, low, high = means
    step = min(STEP, WIDEST / n_lines)
    aside = step * (number - (n_lines - 1) / 2) / 72
    moved = ax.transData + ScaledTranslation(aside, 0, ax.figure.dpi_scale_trans)
    dashes = "-" if number < len(COLORS) else "--"
    (line,) = ax.plot(
        where, middle, marker=MARKS[number % len(MARKS)], linestyle=dashes, color=color, label=label,
        markersize=5 if n_lines < MANY else 4, linewidth=1.4, zorder=3,
    )  # fmt: skip
    line.set_transform(moved)  # after limits were found from the data
    known = ~np.isnan(low)
    if known.any():
        width, alpha = (1.4, 0.75) if n_lines < MANY else (1.0, 0.5)
        bars = ax.vlines(where[known], low[known], high[known], color=color, label="_intervals")
        bars.set(linewidth=width, alpha=alpha)
        bars.set_transform(moved)


def draw_counts(ax: Axes, where: Array, counts: Array) -> Axes:
    """Numbers of ratings of groups, as bars at the foot of the axes, with an axis of their own on the right.

    The limits of `ax` are changed, so that nothing drawn so far is behind the bars.
    """
    strip = add_strip(ax)
    strip.vlines(where, 0, counts, color="0.72", linewidth=7, label="_counts")
    strip.set_ylim(0, counts.max() * 1.05)
    strip.set_yticks([0, counts.max()], ["0", f"{counts.max():,}"])
    return strip


def add_strip(ax: Axes) -> Axes:
    """Axes for numbers of ratings at the foot of others."""
    low, high = ax.get_ylim()
    ticks = [tick for tick in ax.get_yticks() if low <= tick <= high]
    room = 1.3 * STRIP / (1 - 1.3 * STRIP)
    ax.set_ylim(low - room * (high - low), high)
    ax.set_yticks(ticks)
    strip = ax.inset_axes((0, 0, 1, STRIP), sharex=ax, zorder=0.5)
    strip.set_facecolor("none")
    strip.yaxis.tick_right()
    strip.yaxis.set_label_position("right")
    strip.set_ylabel("ratings", color="0.35", fontsize=9)
    strip.tick_params(axis="y", colors="0.35", labelsize=8)
    strip.tick_params(axis="x", bottom=False, labelbottom=False, which="both")
    for side in ("top", "left", "bottom"):
        strip.spines[side].set_visible(False)
    strip.spines["right"].set_color("0.6")
    return strip
