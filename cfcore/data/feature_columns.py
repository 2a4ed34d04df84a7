"""Encodings of columns of features: what a column becomes, learned from one table and applied to others."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from cfcore.data.feature_table import Raw, id_at
from cfcore.errors import DataError, DataWarning, shown, warn

__all__ = ["KINDS", "entries", "learned", "names_of"]

Array = np.ndarray[Any, Any]

#: A column in a file or a state: its name, its kind, and what the kind needs.
Column = Mapping[str, Any]

KINDS = ("flags", "numbers", "bins", "categories", "lists", "weights")

#: The feature of rows whose number or category is missing.
MISSING = "missing"
#: Text is taken for lists if this is in it, as in MovieLens' genres.
SEPARATOR = "|"
#: A column of text is no category, but identifies rows, if more than this part of so many rows are distinct.
OWN_TEXT, LEAST_ROWS = 0.5, 20
#: Part of the rows without a value from which on a warning says so; fewer are logged.
FEW_MISSING = 0.01

logger = logging.getLogger("cfcore")


def learned(
    name: str, raw: Raw, where: str, *, numbers: str, n_bins: int, as_category: bool, ids: Any
) -> tuple[Column | None, Raw]:
    """The encoding of a column, and the column as it is read; None for text that identifies rows.

    Parameters
    ----------
    name : str
    raw : Raw
    where : str
        The table in errors.
    numbers : {"bins", "standard"}
    n_bins : int
    as_category : bool
        Whether a number is a category, and text one whatever it looks like.
    ids : sequence
        Of the rows, for messages.
    """
    kind, values = raw
    if kind in ("flags", "numbers") and as_category:
        kind, values = "categories", [None if np.isnan(one) else f"{one:g}" for one in values]
    if kind == "categories" and not as_category and any(SEPARATOR in (one or "") for one in values):
        warn(
            f"{where}: the text of column {name!r} is read as lists of categories, which {SEPARATOR!r} "
            f"separates; give lists, or categories=[{name!r}] of cfcore.Features, to have it otherwise",
            DataWarning,
        )
        kind = "lists"
        values = [list(dict.fromkeys(word for word in (one or "").split(SEPARATOR) if word))
                  for one in values]  # fmt: skip
    if kind == "lists":
        levels = sorted({word for row in values for word in row})
        return {"name": name, "kind": "lists", "levels": levels}, Raw(kind, values)
    gone = np.array([one is None for one in values]) if kind == "categories" else np.isnan(values)
    n_missing = int(np.count_nonzero(gone))
    if n_missing == len(values):
        raise DataError(f"{where}: column {name!r} has no value in any row; leave the column out")
    if n_missing:
        _say_missing(name, where, int(np.argmax(gone)), n_missing, len(values), ids)
    found: dict[str, Any] = {"name": name, "kind": kind, "missing": bool(n_missing)}
    if kind == "categories":
        found["levels"] = sorted({one for one in values if one is not None})
        n_levels = len(found["levels"])
        if not as_category and len(values) >= LEAST_ROWS and n_levels > OWN_TEXT * len(values):
            warn(
                f"{where}: column {name!r} has {n_levels:,} texts in {len(values):,} rows, so that it rather "
                f"identifies rows, and is left out; categories=[{name!r}] of cfcore.Features keeps it",
                DataWarning,
            )
            return None, raw
    elif kind == "numbers":
        held = np.sort(values[~gone])
        if numbers == "standard":
            spread = float(held.std())
            found |= {"mean": float(held.mean()), "spread": spread if spread > 0 else 1.0}
        else:
            found |= {"kind": "bins", "edges": _edges(held, n_bins)}
    return found, Raw(kind, values)


def _edges(held: Array, n_bins: int) -> list[float]:
    """Inner edges of bins of about as many rows each; a bin for each number where these are few."""
    distinct = np.unique(held)
    if len(distinct) <= n_bins:
        return [float(one) for one in distinct[1:]]
    inner = held[(np.arange(1, n_bins) * len(held)) // n_bins]
    return [float(one) for one in np.unique(inner) if one > held[0]]


def _say_missing(name: str, where: str, row: int, n: int, n_rows: int, ids: Any) -> None:
    message = (
        f"{where}: column {name!r} has no value in {n:,} of {n_rows:,} rows, the first with id "
        f"{id_at(ids, row)}; these have the feature '{name}={MISSING}' instead"
    )
    if n > FEW_MISSING * n_rows:
        warn(message, DataWarning)
    else:
        logger.info("%s", message)


def names_of(column: Column) -> list[str]:
    """Names of the features of a column."""
    name, kind = column["name"], column["kind"]
    if kind == "weights":
        return [f"{name}{one}" for one in column["levels"]]
    if kind in ("flags", "numbers"):
        found = [name]
    elif kind == "bins":
        edges = [f"{one:g}" for one in column["edges"]]
        found = [f"{name}=[{low}, {high})" for low, high in zip(["", *edges], [*edges, ""], strict=True)]
    else:
        found = [f"{name}={one}" if name else one for one in column["levels"]]
    return [*found, f"{name}={MISSING}"] if column.get("missing") else found


def entries(column: Column, raw: Raw, where: str, ids: Any) -> tuple[Array, Array, Array]:
    """Rows, positions among the column's features, and weights of the entries of a table's column.

    Raises
    ------
    DataError
        The column is of another kind than that which the encoding was learned from.
    """
    kind, values, name = column["kind"], raw.values, column["name"]
    if kind in ("categories", "lists"):
        return _of_words(column, raw, where, ids)
    if raw.kind not in ("flags", "numbers"):
        raise DataError(f"{where}: column {name!r} must hold numbers, as in the fit, not {raw.kind}")
    gone = np.isnan(values)
    if kind == "flags":
        on = np.flatnonzero(~gone & (values != 0))
        found, weights = (on, np.zeros(len(on), dtype=np.int64)), values[on]
        n_features = 1
    else:
        held = np.flatnonzero(~gone)
        if kind == "numbers":
            places = np.zeros(len(held), dtype=np.int64)
            weights, n_features = (values[held] - column["mean"]) / column["spread"], 1
        else:
            edges = np.asarray(column["edges"], dtype=np.float64)
            places = np.searchsorted(edges, values[held], "right").astype(np.int64)
            weights, n_features = np.ones(len(held)), len(edges) + 1
        found = held, places
    without = np.flatnonzero(gone)
    if len(without) and not column.get("missing"):
        warn(
            f"{where}: column {name!r} has no value in {len(without):,} of {len(values):,} rows, the first "
            f"with id {id_at(ids, without[0])}; these are predicted without it",
            DataWarning,
        )
    elif len(without):
        found = np.append(found[0], without), np.append(found[1], np.full(len(without), n_features))
        weights = np.append(weights, np.ones(len(without)))
    return *found, weights


def _of_words(column: Column, raw: Raw, where: str, ids: Any) -> tuple[Array, Array, Array]:
    kind, name = column["kind"], column["name"]
    values = raw.values
    if raw.kind in ("flags", "numbers"):  # categories that are numbers
        values = [None if np.isnan(one) else f"{one:g}" for one in values]
    if kind == "lists":
        if raw.kind != "lists":
            values = [[word for word in (one or "").split(SEPARATOR) if word] for one in values]
        words = list(values)
    else:
        if raw.kind == "lists":
            raise DataError(f"{where}: column {name!r} holds lists; in the table of the fit it held text")
        words = [[MISSING_WORD if one is None else one] for one in values]
    place: dict[Any, int] = {level: at for at, level in enumerate(column["levels"])}
    if column.get("missing"):
        place[MISSING_WORD] = len(column["levels"])
    unknown: dict[Any, int] = {}
    rows, places, lacking = [], [], []
    for row, own in enumerate(words):
        for word in dict.fromkeys(own):
            at = place.get(word)
            if at is not None:
                rows.append(row)
                places.append(at)
            elif word is MISSING_WORD:
                lacking.append(row)
            else:
                unknown.setdefault(word, row)
    for told, first, what in (
        (unknown, next(iter(unknown.values()), 0), f"{shown(next(iter(unknown), None))}, which the table of "
         "the fit does not have"),
        (lacking, lacking[0] if lacking else 0, "no value"),
    ):  # fmt: skip
        if told:
            warn(
                f"{where}: column {name!r} has {what}, first for id {id_at(ids, first)}"
                f"{f', and {len(told) - 1:,} more' if len(told) > 1 else ''}; it is predicted without it",
                DataWarning,
            )
    return np.array(rows, dtype=np.int64), np.array(places, dtype=np.int64), np.ones(len(rows))


class _Missing:
    """What stands for a category that is missing, unlike any text."""


MISSING_WORD: Any = _Missing()
