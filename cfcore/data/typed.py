"""Columns of typed files (parquet, Arrow, JSON) by name, and their values as ids, ratings and times."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from cfcore.data import checks, ids
from cfcore.data.batches import Batch
from cfcore.data.columns import by_position, find_columns
from cfcore.data.guesses import is_time_column
from cfcore.data.layout import Options
from cfcore.errors import DataError, DuplicateError, warnings_as

__all__ = ["check_times", "columns_of", "rows_from", "rows_of", "typed_batch"]


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
    """Errors and warnings of a batch name the file, and the row in it: the first is number `start`."""

    def placed(message: str) -> str:
        return f"{where}: " + _ROW.sub(lambda found: str(int(found[0]) + start), message)

    with _worded(placed):
        yield


@contextmanager
def rows_of(files: Sequence[tuple[str, int]]) -> Iterator[None]:
    """Errors and warnings of rows of several files that follow each other name the file, and the row in it.

    Parameters
    ----------
    files : list of (str, int)
        Name and number of rows of each file.
    """
    names = [name for name, _ in files]
    shown = [f"{name} (file {k})" if names.count(name) > 1 else name for k, name in enumerate(names, start=1)]
    ends = list(itertools.accumulate(n for _, n in files))

    def row(found: re.Match[str]) -> str:
        number = int(found[0])
        file = min(bisect.bisect_right(ends, number), len(files) - 1)
        return f"{number - ends[file] + files[file][1]} of {shown[file]}"

    def placed(message: str) -> str:
        if _ROW.search(message):
            return _ROW.sub(row, message)
        return f"{files[0][0]} and {len(files) - 1} more: {message}"

    if len(files) == 1:
        with rows_from(0, files[0][0]):
            yield
    else:
        with _worded(placed):
            yield


#: The number of a row in a message.
_ROW = re.compile(r"(?<=\brow )\d+")


@contextmanager
def _worded(placed: Callable[[str], str]) -> Iterator[None]:
    try:
        with warnings_as(placed):
            yield
    except DuplicateError as error:
        raise DuplicateError(placed(error.problem), error.remedy) from None
    except DataError as error:
        raise DataError(placed(str(error))) from None


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
