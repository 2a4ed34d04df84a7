"""Errors over groups of test ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.data import as_ratings, needs_times
from cfcore.errors import DataError
from cfcore.plots.common import Array, add_legend, colors, finish, group, name_models, new_axes
from cfcore.plots.intervals import check_draws, draw_counts, draw_line, group_means, said_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["error_by", "rating_keys"]

#: Value of `by` -> (label of the axis, whether it is a count of training ratings).
GROUPS = {
    "activity": ("training ratings of the user", True),
    "popularity": ("training ratings of the item", True),
    "rating": ("rating", False),
    "time": ("time", False),
}
#: Up to so many levels of ratings are a group each; more are put into bins.
MAX_LEVELS = 20


def error_by(
    models: Any,
    test: Any,
    by: str = "activity",
    *,
    n_bins: int = 10,
    n_boot: int = 1_000,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Root mean square error over groups of test ratings.

    Parameters
    ----------
    models : fitted model, sequence of them, or dict of str to model
    test : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
    by : {"activity", "popularity", "rating", "time"}
        Training ratings of the user or of the item (those of the first model), the rating itself, or its
        timestamp.
    n_bins : int, default 10
        Number of groups, of about equal numbers of test ratings; fewer if many values are equal. On a scale
        of up to 20 levels, each level is a group.
    n_boot : int, default 1000
        Draws for the intervals; 0: no intervals.
    level : float, default 0.95
        Of the intervals.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
        A line for each model, with a mark at the mean of each group and its interval: by drawing users with
        replacement, as ``metrics.bootstrap`` does, the same draws for all models. A group with ratings of one
        user has none. At the foot is the number of ratings in each group.

    Raises
    ------
    DataError
        ``by="time"`` without timestamps.
    ValueError
        An unknown `by`, `n_bins` below 1, or `n_boot` or `level` out of range.
    """
    if by not in GROUPS:
        raise ValueError(f"by must be one of {', '.join(GROUPS)}, not {by!r}")
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, not {n_bins}")
    check_draws(n_boot, level)
    named = name_models(models)
    test = as_ratings(test, timed=needs_times(*named.values()))
    label, counted = GROUPS[by]
    keys = rating_keys(next(iter(named.values())), test, by)
    groups, centers = group(keys, MAX_LEVELS if by == "rating" else 0, n_bins)
    sizes = np.bincount(groups)
    ax = ax or new_axes((8.0, 4.6))
    where = centers.astype("datetime64[s]") if by == "time" else centers
    for number, (color, (name, model)) in enumerate(zip(colors(), named.items(), strict=False)):
        squares = (model.predict(test) - test.values.astype(np.float64)) ** 2
        errors = [np.sqrt(one) for one in group_means(squares, groups, test.user_codes, n_boot, level)]
        draw_line(ax, where, (errors[0], errors[1], errors[2]), (color, number, name, len(named)))
    if counted:
        ax.set_xscale("symlog", linthresh=1)
        ticks = [0, *(step * 10**power for power in range(8) for step in (1, 2, 5))]
        low, high = ax.get_xlim()
        shown = [tick for tick in ticks if low <= tick <= high]
        if len(shown) < 2:  # groups that are close together
            shown = sorted({round(center) for center in centers})
        ax.set_xticks(shown, [f"{tick:,}" for tick in shown])
        ax.minorticks_off()
    elif by == "time":
        ax.xaxis.set_major_formatter(_dates(ax))
    elif len(centers) <= MAX_LEVELS // 2:
        ax.set_xticks(centers)
    ax.set(xlabel=label, ylabel=f"RMSE{said_of(n_boot, level)}", title=f"Error by {label}")
    finish(ax, legend=False)
    draw_counts(ax, where, sizes)
    return add_legend(ax, right=1.1)


def rating_keys(model: Any, test: Any, by: str) -> Array:
    """Value of each test rating that it is grouped by."""
    if by == "rating":
        return test.values.astype(np.float64)
    if by == "time":
        if test.timestamps is None:
            raise DataError("by='time': the ratings have no timestamps")
        return test.timestamps.astype(np.float64)
    kind = "user" if by == "activity" else "item"
    encode = model.encode_users if kind == "user" else model.encode_items
    codes = encode(getattr(test, f"{kind}_ids"))[getattr(test, f"{kind}_codes")]
    counts = getattr(model, f"{kind}_counts_")
    return np.where(codes >= 0, counts[codes], 0).astype(np.float64)


def _dates(ax: Axes) -> Any:
    """Labels of a time axis, with the year only where it changes."""
    from matplotlib.dates import ConciseDateFormatter

    return ConciseDateFormatter(ax.xaxis.get_major_locator())
