"""Pictures of how models learn and where they err. Needs matplotlib: ``pip install 'cfcore[plots]'``.

Every function draws on the ``ax`` given, or on the axes of a new figure, and returns the axes; nothing goes
through pyplot, so no figure is shown or kept behind the scenes. ``ax.figure.savefig("x.png")`` writes one.

Models are given as one fitted model, several of them, or a dict of names and models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.data import as_ratings
from cfcore.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["calibration", "error_by", "error_correlation", "learning_curves", "time_against_rmse"]

Array = np.ndarray[Any, Any]

#: Colours that the colour-blind can tell apart (Okabe and Ito, 2008), the palest left out.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: What `error_by` groups by -> (label of the axis, whether it is a count of training ratings).
GROUPS = {
    "activity": ("training ratings of the user", True),
    "popularity": ("training ratings of the item", True),
    "rating": ("rating", False),
    "time": ("time", False),
}
#: Marks of libraries.
MARKS = ("o", "s", "^", "D", "v")
#: Where a name may stand beside its point: points to the right and up, and how it is aligned.
PLACES = [
    (side * 6, up - 3, "left" if side > 0 else "right")
    for up in sorted(range(-72, 73, 4), key=abs)
    for side in (1, -1)
]
#: Levels of ratings that are drawn one by one; more are put into bins.
MAX_LEVELS = 20


def learning_curves(models: Any, ax: Axes | None = None) -> Axes:
    """Error after each epoch.

    Parameters
    ----------
    models : fitted model, sequence of them, or dict of str to model
        Those without epochs are left out.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
        Training errors dashed, validation errors (of fits with ``validation=``) solid, and a dot at the epoch
        that the model kept.

    Raises
    ------
    DataError
        None of the models was trained in epochs.
    NotFittedError
        A model is not fitted.

    Notes
    -----
    A training error is the one met during the epoch, each rating before its own step; it comes before the
    validation error of the same epoch.
    """
    ax = ax or _axes()
    drawn = False
    for color, (name, model) in zip(_colors(), _named(models).items(), strict=False):
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
        raise DataError("none of the models was trained in epochs: there is no curve to draw")
    ax.set(xlabel="epoch", ylabel="RMSE", title="Learning curves (solid: validation, dashed: training)")
    ax.locator_params(axis="x", integer=True)
    return _finished(ax, legend=True)


def error_by(
    models: Any, test: Any, by: str = "activity", *, n_bins: int = 10, ax: Axes | None = None
) -> Axes:
    """Root mean square error over groups of test ratings.

    Parameters
    ----------
    models : fitted model, sequence of them, or dict of str to model
    test : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
    by : {"activity", "popularity", "rating", "time"}
        Training ratings of the user or of the item (as the first model counts them), the rating itself, or
        when it was given.
    n_bins : int, default 10
        Groups of about equal numbers of test ratings; at most, where many values are equal. Ratings on a
        scale of up to 20 levels are a group each.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
        A line for each model, a dot at the mean of each group.

    Raises
    ------
    DataError
        ``by="time"`` without timestamps.
    ValueError
        Another `by`, or `n_bins` below 1.
    """
    if by not in GROUPS:
        raise ValueError(f"by must be one of {', '.join(GROUPS)}, not {by!r}")
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, not {n_bins}")
    test, named = as_ratings(test), _named(models)
    label, counted = GROUPS[by]
    keys = _keys(next(iter(named.values())), test, by)
    groups, centers = _groups(keys, MAX_LEVELS if by == "rating" else 0, n_bins)
    sizes = np.bincount(groups, minlength=len(centers))
    ax = ax or _axes()
    for color, (name, model) in zip(_colors(), named.items(), strict=False):
        squares = (model.predict(test) - test.values.astype(np.float64)) ** 2
        errors = np.sqrt(np.bincount(groups, weights=squares, minlength=len(centers)) / sizes)
        where = centers.astype("datetime64[s]") if by == "time" else centers
        ax.plot(where, errors, "o-", color=color, label=name)
    if counted:
        ax.set_xscale("symlog", linthresh=1)
        ticks = [0, *(step * 10**power for power in range(8) for step in (1, 2, 5))]
        low, high = ax.get_xlim()
        ax.set_xticks(
            shown := [tick for tick in ticks if low <= tick <= high], [f"{tick:,}" for tick in shown]
        )
        ax.minorticks_off()
    elif by == "time":
        ax.xaxis.set_major_formatter(_dates(ax))
    elif len(centers) <= MAX_LEVELS // 2:
        ax.set_xticks(centers)
    ax.set(xlabel=label, ylabel="RMSE", title=f"Error by {label}")
    return _finished(ax, legend=True)


def calibration(models: Any, test: Any, *, n_bins: int = 15, ax: Axes | None = None) -> Axes:
    """Mean rating over groups of equal predictions: on the diagonal if predictions can be believed.

    Parameters
    ----------
    models : fitted model, sequence of them, or dict of str to model
    test : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
    n_bins : int, default 15
        Groups of about equal numbers of predictions.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, not {n_bins}")
    test, ax = as_ratings(test), ax or _axes()
    low, high = test.scale
    ax.plot([low, high], [low, high], color="0.7", linewidth=1)
    for color, (name, model) in zip(_colors(), _named(models).items(), strict=False):
        predictions = model.predict(test)
        groups, centers = _groups(predictions, 0, n_bins)
        means = np.bincount(groups, weights=test.values) / np.bincount(groups)
        ax.plot(centers, means, "o-", color=color, label=name)
    ax.set(xlabel="prediction", ylabel="mean rating", title="Calibration", aspect="equal")
    return _finished(ax, legend=True)


def error_correlation(models: Any, test: Any, ax: Axes | None = None) -> Axes:
    """Correlation of the errors of models: the lower, the more a blend of the two gains.

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
    """
    test, named = as_ratings(test), _named(models)
    if len(named) < 2:
        raise ValueError("error_correlation needs two models or more")
    values = test.values.astype(np.float64)
    errors = np.array([model.predict(test) - values for model in named.values()])
    matrix = np.corrcoef(errors)
    ax = ax or _axes(size=(1.5 + 0.9 * len(named), 1.2 + 0.8 * len(named)))
    lowest = min(matrix.min(), 0.999)
    others = matrix[~np.eye(len(named), dtype=bool)]
    digits = 3 if others.max() >= 0.995 else 2  # two models are not one
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


def time_against_rmse(rows: Iterable[Any], ax: Axes | None = None) -> Axes:
    """How long models take to fit and how well they predict.

    Parameters
    ----------
    rows : iterable of objects, or of dicts, with `fit_seconds`, `rmse` and a name
        The name is `model`, or `library` and `algorithm`: what ``cfcore compare`` measures, peers included.
        Rows without a time or an error are left out.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
        Time on a logarithmic scale; a dot for each model, peers hollow, with a mark for each library.

    Raises
    ------
    DataError
        There is nothing to draw.
    """
    ax = ax or _axes()
    points = []
    for row in rows:
        facts = row if isinstance(row, Mapping) else vars(row)
        if facts.get("fit_seconds") and facts.get("rmse"):
            library = facts.get("library")
            name = facts["algorithm"] if library else facts["model"]
            points.append((facts["fit_seconds"], facts["rmse"], name, library))
    if not points:
        raise DataError("no row has both a time and an error")
    libraries = sorted({point[3] for point in points}, key=lambda library: library or "")  # ours first
    for place, library in enumerate(libraries):
        seconds, errors = zip(*[point[:2] for point in points if point[3] == library], strict=True)
        color, mark = COLORS[place % len(COLORS)], MARKS[place % len(MARKS)]
        face = "white" if library else color
        ax.plot(seconds, errors, mark, color=color, markerfacecolor=face, label=library or "cfcore")
    ax.set_xscale("log")
    ax.margins(x=0.08, y=0.1)
    ax.set(xlabel="seconds to fit", ylabel="RMSE", title="Time against error (lower left is better)")
    _finished(ax, legend=len(libraries) > 1)
    _write_names(ax, [point[:3] for point in points])
    return ax


# ---------------------------------------------------------------------- what they share


def _axes(size: tuple[float, float] = (6.4, 4.2)) -> Axes:
    """Axes of a new figure that belongs to nobody else."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("cfcore.plots needs matplotlib: pip install 'cfcore[plots]'") from error
    axes: Axes = Figure(figsize=size, layout="constrained").subplots()
    return axes


def _finished(ax: Axes, legend: bool) -> Axes:
    """The same quiet look for all: no box, a light grid, a legend only where there are several names."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.grid(color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    if legend and len(ax.get_legend_handles_labels()[1]) > 0:
        ax.legend(frameon=False)
    return ax


def _write_names(ax: Axes, points: list[tuple[float, float, str]]) -> None:
    """Names beside their points, each at the first of `PLACES` where it covers least of what is there."""
    figure = ax.figure
    while hasattr(figure, "figure") and figure.figure is not figure:  # of a figure within a figure
        figure = figure.figure
    figure.draw_without_rendering()  # type: ignore[union-attr]
    dots = ax.transData.transform([point[:2] for point in points])
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in dots]
    if (legend := ax.get_legend()) is not None:
        taken.append(legend.get_window_extent().extents)
    frame = ax.get_window_extent().extents
    for x, y, name in points:
        tries: list[tuple[float, int, Any, Any]] = []
        for right, up, align in PLACES:
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
    """Area that two boxes (left, bottom, right, top) have in common."""
    return _area((*np.maximum(one[:2], other[:2]), *np.minimum(one[2:], other[2:])))


def _dates(ax: Axes) -> Any:
    """Labels of a time axis that say the year once."""
    from matplotlib.dates import ConciseDateFormatter

    return ConciseDateFormatter(ax.xaxis.get_major_locator())


def _colors() -> Iterable[str]:
    while True:
        yield from COLORS


def _named(models: Any) -> dict[str, Any]:
    """Names and models; classes give the names where there are none, numbered where they repeat."""
    if isinstance(models, Mapping):
        named = dict(models)
    else:
        listed = [models] if hasattr(models, "predict") else list(models)
        kinds = [type(model).__name__ for model in listed]
        named = {}
        for place, (kind, model) in enumerate(zip(kinds, listed, strict=True)):
            name = kind if kinds.count(kind) == 1 else f"{kind} {kinds[: place + 1].count(kind)}"
            named[name] = model
    if not named:
        raise ValueError("no models given")
    for model in named.values():
        model.encode_users([])  # NotFittedError, if it is not
    return named


def _keys(model: Any, test: Any, by: str) -> Array:
    """What the test ratings are grouped by."""
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


def _groups(keys: Array, max_levels: int, n_bins: int) -> tuple[Array, Array]:
    """Group of each key, and the mean key of each: single levels if they are few, else quantiles."""
    levels, groups = np.unique(keys, return_inverse=True)
    if len(levels) > max(max_levels, 1):
        cuts = np.unique(np.quantile(keys, np.linspace(0, 1, n_bins + 1)[1:-1]))
        _, groups = np.unique(np.searchsorted(cuts, keys, side="right"), return_inverse=True)
    return groups, np.bincount(groups, weights=keys) / np.bincount(groups)
