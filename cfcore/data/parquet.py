"""Parquet files, read in batches, so that the raw columns are never in memory whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.data import checks, ids
from cfcore.errors import DataError

__all__ = ["read_batches"]

#: Rows decoded at a time.
BATCH = 1 << 20


class GrowingVocabulary:
    """Distinct ids of the batches so far; those of a batch that are new get the next numbers."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._ids: NDArray[Any] | None = None  # sorted
        self._numbers: NDArray[np.int32] = np.empty(0, dtype=np.int32)

    def number(self, raw: NDArray[Any]) -> NDArray[np.int32]:
        """Number of each id of a batch."""
        own, codes = ids.distinct(raw, self._column)
        if self._ids is None:
            self._ids, self._numbers = own, np.arange(len(own), dtype=np.int32)
            return codes
        positions = np.searchsorted(self._ids, own)
        new = np.ones(len(own), dtype=bool)
        inside = positions < len(self._ids)
        new[inside] = self._ids[positions[inside]] != own[inside]
        numbers = np.empty(len(own), dtype=np.int32)
        numbers[~new] = self._numbers[positions[~new]]
        n_known = len(self._ids)
        n_all = ids.check_size(n_known + int(np.count_nonzero(new)), self._column)
        numbers[new] = np.arange(n_known, n_all, dtype=np.int32)
        both: NDArray[Any] = np.concatenate([self._ids, own[new]])  # strings get the larger width
        order = np.argsort(both, kind="stable")
        self._ids, self._numbers = both[order], np.append(self._numbers, numbers[new])[order]
        return numbers[codes]

    def finish(self, codes: NDArray[np.int32]) -> NDArray[Any]:
        """The sorted vocabulary; in `codes`, numbers are replaced by positions in it."""
        assert self._ids is not None
        position = np.empty(len(self._ids), dtype=np.int32)
        position[self._numbers] = np.arange(len(self._ids), dtype=np.int32)
        for start in range(0, len(codes), BATCH):
            codes[start : start + BATCH] = position[codes[start : start + BATCH]]
        return self._ids


def read_batches(path: Path, names: Mapping[str, str]) -> tuple[list[Any], NDArray[Any], NDArray[Any]] | None:
    """Columns of a parquet file, by pyarrow: codes, codes, ratings, timestamps (or None), the vocabularies.

    Returns None for a file whose columns are not plain integers, floats, strings and timestamps: it must be
    read at once.

    Parameters
    ----------
    path : Path
    names : dict of str to str
        Column of each of the roles user, item, rating and, if any, timestamp.

    Raises
    ------
    DataError
        For missing values, and numbers that are not valid ratings or timestamps.
    """
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path, buffer_size=1 << 20) as file:
        n = file.metadata.num_rows
        if n == 0 or not _is_plain(file.schema_arrow, names):
            return None
        codes = {role: np.empty(n, dtype=np.int32) for role in ("user", "item")}
        vocabularies = {role: GrowingVocabulary(names[role]) for role in codes}
        values = np.empty(n, dtype=np.float32)
        times = np.empty(n, dtype=np.int64) if "timestamp" in names else None
        for start, batch in _batches(file, list(names.values())):
            rows = slice(start, start + batch.num_rows)
            part = {role: _array(batch, name, start, role) for role, name in names.items()}
            for role, vocabulary in vocabularies.items():
                codes[role][rows] = vocabulary.number(ids.as_id_column(part[role], names[role]))
            with np.errstate(over="ignore"):
                values[rows] = part["rating"]
            if times is not None:
                times[rows] = checks.as_timestamps(part["timestamp"], names["timestamp"])
    vocabulary_of = {role: vocabulary.finish(codes[role]) for role, vocabulary in vocabularies.items()}
    columns = [codes["user"], codes["item"], checks.as_values(values, names["rating"]), times]
    return columns, vocabulary_of["user"], vocabulary_of["item"]


def _is_plain(schema: Any, names: Mapping[str, str]) -> bool:
    from pyarrow import types

    def is_text(kind: Any) -> bool:
        return types.is_string(kind) or types.is_large_string(kind)

    kind_of = {role: schema.field(name).type for role, name in names.items()}
    return (
        all(types.is_integer(kind_of[role]) or is_text(kind_of[role]) for role in ("user", "item"))
        and (types.is_integer(kind_of["rating"]) or types.is_floating(kind_of["rating"]))
        and (
            "timestamp" not in names
            or types.is_signed_integer(kind_of["timestamp"])
            or types.is_timestamp(kind_of["timestamp"])
        )
    )


def _batches(file: Any, columns: list[str]) -> Iterator[tuple[int, Any]]:
    """Batches of rows, each with the number of its first row."""
    start = 0
    for batch in file.iter_batches(BATCH, columns=columns, use_threads=False):
        yield start, batch
        start += batch.num_rows


def _array(batch: Any, name: str, start: int, role: str) -> NDArray[Any]:
    column = batch.column(name)
    if column.null_count:
        row = start + int(np.asarray(column.is_null().to_numpy(zero_copy_only=False)).argmax())
        raise DataError(
            f"column {name!r}: missing {'id' if role in ('user', 'item') else 'value'} at row {row}"
        )
    array: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return array
