"""`write_report`: a page about models and their test ratings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

import cfcore as cf
from cfcore.atomic import replacing
from cfcore.data import Ratings, as_ratings, from_fields, needs_times
from cfcore.errors import DataError
from cfcore.plots.common import name_models
from cfcore.report import measures
from cfcore.report.page import Page

__all__ = ["write_report"]

#: Values of `by` of errors -> title, and that of the axis.
GROUPS = {
    "activity": ("Error by the user's number of ratings", "training ratings of the user"),
    "popularity": ("Error by the item's number of ratings", "training ratings of the item"),
    "rating": ("Error by rating", "rating"),
    "time": ("Error by time", "time"),
}


def write_report(
    path: str | os.PathLike[str],
    models: Any,
    test: Any,
    train: Any = None,
    *,
    times: Mapping[str, Any] | None = None,
    item_names: Mapping[Any, str] | None = None,
    title: str = "Report",
) -> None:
    """Write a page in HTML about fitted models: data, errors, lists, and examples of users.

    Parameters
    ----------
    path : path-like
        The file appears when it is complete.
    models : fitted model, sequence of them, or dict of str to model
    test : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
        Ratings that the models were not fitted to.
    train : like `test`, optional
        By default the ratings that the first model keeps.
    times : dict of str to object, optional
        By name of the model: an object with `fit_seconds` and `predictions_per_second`, such as a row of
        ``cfcore compare``.
    item_names : dict, optional
        Names by raw id of the item, for the examples.
    title : str

    Raises
    ------
    DataError
        No training ratings are given, and the model keeps none.
    ImportError
        Altair or vl-convert-python is not installed.

    Notes
    -----
    The page is one file of about 1 MB that needs no network. Charts are by Vega-Lite. Intervals are of 95%,
    by drawing users with replacement.

    Examples
    --------
    >>> import cfcore as cf
    >>> from cfcore.report import write_report
    >>> train, test = cf.datasets.load("ml-100k", split="u1")  # doctest: +SKIP
    >>> write_report("svd.html", cf.SVD().fit(train), test, train)  # doctest: +SKIP
    """
    named = name_models(models)
    test = as_ratings(test, timed=needs_times(*named.values()))
    first = next(iter(named.values()))
    train = kept_ratings(first) if train is None else as_ratings(train, timed=False)
    predictions = {name: np.asarray(model.predict(test), dtype=np.float64) for name, model in named.items()}
    page = Page(title, f"{', '.join(named)}; cfcore {cf.__version__}")
    add_data(page, train, test)
    add_models(page, named, test, predictions, times or {})
    add_errors(page, named, test, predictions)
    add_lists(page, named, test)
    add_examples(page, named, train, item_names or {})
    with replacing(path, text=True) as file:
        file.write(page.text())


def kept_ratings(model: Any) -> Ratings:
    """The training ratings that a model keeps, without times."""
    if model.seen_values_ is None:
        raise DataError(
            "this model keeps no training ratings; give them: write_report(path, model, test, train)"
        )
    users = np.repeat(np.arange(len(model.user_ids_), dtype=np.int32), np.diff(model.seen_indptr_))
    fields: tuple[Any, ...] = (users, model.seen_items_, model.seen_values_.astype(np.float64), None)
    return from_fields(*fields, model.user_ids_, model.item_ids_, model.scale_)


def add_data(page: Page, train: Ratings, test: Ratings) -> None:
    """Section: sparsity, activity, popularity, time."""
    from cfcore.report import charts

    page.section("Data")
    page.facts(measures.data_facts(train, test))
    page.grid()
    rows = measures.rating_counts(train)
    page.chart(
        "Training ratings",
        charts.bars(rows, "rating", "ratings"),
        rows,
        "Number of training ratings of each level",
    )
    rows = measures.activity_counts(train)
    spec = charts.bars(rows, "ratings of a user", "users", [row["ratings of a user"] for row in rows])
    page.chart("Activity of users", spec, rows, "Number of users by their number of ratings")
    rows = measures.share_curve(train)
    spec = charts.lines(rows, "items", "ratings", zero=True)
    page.chart(
        "Popularity: share of ratings of the most rated items",
        spec,
        rows,
        "Share of the ratings by share of the items",
    )
    rows = measures.rating_dates(train)
    if rows:
        page.chart(
            "Ratings over time", charts.bars(rows, "date", "ratings"), rows, "Number of ratings over time"
        )
    page.end_grid()


def add_models(
    page: Page,
    named: Mapping[str, Any],
    test: Ratings,
    predictions: Mapping[str, Any],
    times: Mapping[str, Any],
) -> None:
    """Section: a table with intervals, time against error, learning curves."""
    from cfcore.report import charts

    page.section(
        "Models", "Errors of predicted test ratings; the interval of the RMSE is of 95%, by drawing users."
    )
    rows = measures.model_rows(named, test, predictions, times)
    timed = [row for row in rows if row["fit s"]]
    heads = ["model", "RMSE", "from", "to", "MAE", *(["fit s", "predictions/s"] if timed else [])]
    cells = []
    for row in rows:
        line = [row["model"], *(f"{row[name]:.4f}" for name in ("RMSE", "low", "high", "MAE"))]
        if timed:
            line += ["" if row["fit s"] is None else f"{row['fit s']:.3f}"]
            line += ["" if row["predictions/s"] is None else f"{row['predictions/s']:,.0f}"]
        cells.append(line)
    page.table(heads, cells, "Click a heading to sort.")
    page.grid()
    if len(timed) > 1:
        shown = [
            {key: row[key] for key in ("model", "fit s", "RMSE", "MAE", "predictions/s")} for row in timed
        ]
        page.chart(
            "Time against error", charts.points(shown), shown, "RMSE of each model by the seconds of its fit"
        )
    rows = measures.curves(named)
    if rows:
        spec = charts.lines(rows, "epoch", "RMSE", dashed="error")
        page.chart("Learning curves", spec, rows, "RMSE after each epoch of each model")
    page.end_grid()


def add_errors(page: Page, named: Mapping[str, Any], test: Ratings, predictions: Mapping[str, Any]) -> None:
    """Section: errors over groups of ratings, and calibration."""
    from cfcore.report import charts

    page.section("Errors", "A click on a model in a legend shows it alone; a double click shows all again.")
    page.grid()
    for by, (title, axis) in GROUPS.items():
        rows = measures.errors_by(by, named, test, predictions)
        if rows:
            log = by in {"activity", "popularity"}
            spec = charts.lines(rows, by, "RMSE", log=log, intervals=True, title=axis)
            page.chart(title, spec, rows, f"RMSE of each model: {title.lower()}")
    rows = measures.calibration(test, predictions)
    spec = charts.lines(rows, "prediction", "rating - prediction")
    page.chart("Calibration", spec, rows, "Mean rating less prediction over groups of like predictions")
    page.end_grid()


def add_lists(page: Page, named: Mapping[str, Any], test: Ratings) -> None:
    """Section: nDCG by the length of lists, against popularity."""
    from cfcore.report import charts

    rows = measures.list_curves(named, test)
    if not rows:
        return
    page.section(
        "Lists",
        "Lists by preference of items that a user has not rated in training, against the most popular items.",
    )
    spec = charts.lines(rows, "length", "nDCG", zero=True)
    page.chart(
        "nDCG by the length of a list",
        spec,
        rows,
        "nDCG of the lists of each model, and of lists by popularity",
    )


def add_examples(page: Page, named: Mapping[str, Any], train: Ratings, names: Mapping[Any, str]) -> None:
    """Section: for five users what they liked, what is recommended, and why."""
    name, model = list(named.items())[-1]
    rows = measures.examples(model, train, names)
    if not rows:
        return
    page.section(
        "Examples",
        f"Lists of {name} for users from little to much activity, with the ratings that count most.",
    )
    for row in rows:
        liked = [(item, f"rated {value:g}") for item, value in row["liked"]]
        listed = [
            (item, f"because of {', '.join(reasons)}" if reasons else "") for item, reasons in row["listed"]
        ]
        page.example(
            f"User {row['user']}, {row['ratings']:,} ratings", [("Liked", liked), ("Recommended", listed)]
        )
