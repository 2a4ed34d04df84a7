"""Columns of typed files (parquet, Arrow, JSON) by name, and their values as ids, ratings and times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from cfcore.data import checks, ids
from cfcore.data.batches import Batch
from cfcore.data.columns import by_position, find_columns
from cfcore.data.guesses import is_time_column
from cfcore.data.layout import Options
from cfcore.errors import DataError

__all__ = ["check_times", "columns_of", "rows_from", "typed_batch"]


def columns_of(present: list[str], options: Options, where: str) -> dict[str, str]:
    """Name of the column of each role that is read."""
    given = by_position(options.wanted, present, where)
    if not options.rated:
        given.pop("rating", None)
    names = find_columns(present, given, where, options.needed)
    if options.wanted.get("timestamp") is False:
        names.pop("timestamp", None)
    if not options.rated:
        names.pop("rating", None)
    twice = next((name for name in names.values() if present.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{where} has two columns of the name {twice!r}")
    return names


def check_times(values: Iterable[Any], names: dict[str, str], options: Options, where: str) -> None:
    """Remove from `names` a column of times that was found by its name and holds no times, as in text.

    Parameters
    ----------
    values : iterable
        The first values of the column.
    names : dict
        Name of the column of each role.
    """
    if "timestamp" not in names or options.wanted.get("timestamp") is not None:
        return
    texts = [[value] for value in values if isinstance(value, str)]
    if texts and not is_time_column(texts, 0, names["timestamp"], where):
        del names["timestamp"]


@contextmanager
def rows_from(start: int, where: str) -> Iterator[None]:
    """Errors of a batch name the file, and the row in it: the first row of the batch is number `start`."""
    try:
        yield
    except DataError as error:
        message = re.sub(r"(?<=\brow )\d+", lambda found: str(int(found[0]) + start), str(error))
        raise DataError(f"{where}: {message}") from None


def typed_batch(arrays: Mapping[str, NDArray[Any]], names: Mapping[str, str], options: Options) -> Batch:
    """Arrays of any dtype by role as ids, ratings (NaN where `options` allow none) and times."""
    batch: Batch = {
        role: ids.as_id_column(arrays[role], names[role], options.kinds.get(role))
        for role in ("user", "item")
    }
    if "rating" in arrays:
        missing = float("nan") if options.unrated else None
        batch["rating"] = checks.as_values(arrays["rating"], names["rating"], missing)
    if "timestamp" in arrays:
        batch["timestamp"] = checks.as_timestamps(arrays["timestamp"], names["timestamp"])
    return batch
