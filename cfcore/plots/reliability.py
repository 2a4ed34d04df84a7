"""Mean ratings less predictions, over groups of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.data import as_ratings, needs_times
from cfcore.plots.common import Array, add_legend, colors, finish, group, name_models, new_axes
from cfcore.plots.intervals import add_strip, check_draws, draw_line, group_means, said_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["calibration"]

#: Bins of the numbers of ratings.
MOST_BINS = 40


def calibration(
    models: Any,
    test: Any,
    *,
    n_bins: int = 15,
    n_boot: int = 1_000,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """How far ratings are above predictions, over groups of similar predictions: 0 if these are unbiased.

    Parameters
    ----------
    models : fitted model, sequence of them, or dict of str to model
    test : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
    n_bins : int, default 15
        Number of groups, of about equal numbers of predictions.
    n_boot : int, default 1000
        Draws for the intervals; 0: no intervals.
    level : float, default 0.95
        Of the intervals.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
        For each model the mean rating less the mean prediction of each group, against the mean prediction,
        with intervals by drawing users with replacement, as ``metrics.bootstrap`` does. Above the line at 0
        ratings are higher than predicted. At the foot is the number of ratings by prediction, in bins of
        equal width.

    Raises
    ------
    ValueError
        `n_bins` below 1, or `n_boot` or `level` out of range.
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, not {n_bins}")
    check_draws(n_boot, level)
    named = name_models(models)
    test, ax = as_ratings(test, timed=needs_times(*named.values())), ax or new_axes((8.0, 4.6))
    predicted = {name: np.asarray(model.predict(test), dtype=np.float64) for name, model in named.items()}
    ax.axhline(0, color="0.4", linewidth=1, zorder=1)
    for number, (color, (name, predictions)) in enumerate(zip(colors(), predicted.items(), strict=False)):
        groups, centers = group(predictions, 0, n_bins)
        residuals = group_means(test.values - predictions, groups, test.user_codes, n_boot, level)
        draw_line(ax, centers, residuals, (color, number, name, len(named)))
    label = f"mean rating \N{MINUS SIGN} prediction{said_of(n_boot, level)}"
    ax.set(xlabel="prediction", ylabel=label, title="Calibration")
    finish(ax, legend=False)
    _draw_histograms(add_strip(ax), list(predicted.values()))
    return add_legend(ax, right=1.1)


def _draw_histograms(strip: Axes, predictions: list[Array]) -> None:
    """Numbers of ratings by prediction, a line for each model."""
    edges = np.histogram_bin_edges(np.concatenate(predictions), bins=MOST_BINS)
    most = 0
    for color, its in zip(colors(), predictions, strict=False):
        counts, _ = np.histogram(its, edges)
        alone: dict[str, Any] = {"fill": True, "alpha": 0.35} if len(predictions) == 1 else {}
        strip.stairs(counts, edges, color=color, linewidth=1, label="_counts", **alone)
        most = max(most, int(counts.max()))
    strip.set_ylim(0, most * 1.05)
    strip.set_yticks([0, most], ["0", f"{most:,}"])
