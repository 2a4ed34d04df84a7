"""Batches of rows as files give them, and their collection to whole columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.arrays import objects
from cfcore.data import ids
from cfcore.data.kinds import Kind, integers, strings
from cfcore.errors import DataError, shown

__all__ = ["Batch", "GrowingVocabulary", "TextIds", "Words", "joined"]

#: Rows that are converted at a time.
CHUNK = 1 << 20


@dataclass(frozen=True)
class Words:
    """Ids of a column as they are written: the distinct ones, and the number of that of each row."""

    texts: Sequence[str]
    codes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice) -> Words:
        return Words(self.texts, self.codes[rows])


Batch = dict[str, Any]
"""Columns of some rows by role: user, item, rating and timestamp, as far as they are read."""


def joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """The parts as one read-only array; the list is empty afterwards."""
    column = parts[0] if len(parts) == 1 else np.concatenate(parts)
    parts.clear()
    # Read-only arrays are taken over by Ratings instead of being copied.
    for array in (column, column.base):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return column


class TextIds:
    """Ids of a column of text: plain integers as long as all are, else words."""

    def __init__(self, column: str, kind: Kind = None) -> None:
        self._column = column  # of either kind: the text is kept
        self._integers: list[NDArray[np.int64]] = []
        self._codes: list[NDArray[np.int32]] = []
        self._code_of: dict[str, int] = {}

    def add(self, part: NDArray[np.int64] | Words) -> None:
        """The next rows."""
        if isinstance(part, Words):
            integers, self._integers = self._integers, []
            for earlier in integers:
                self._number(_words(earlier, self._column))
            self._number(part)
        elif self._codes:
            self._number(_words(part, self._column))
        else:
            self._integers.append(part)

    def _number(self, part: Words) -> None:
        code_of = self._code_of
        codes = np.array([code_of.setdefault(text, len(code_of)) for text in part.texts], dtype=np.int32)
        self._codes.append(codes[part.codes])
        ids.check_size(len(code_of), self._column)

    def finish(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Distinct ids, integers or texts, and the codes of the rows."""
        if not self._codes:
            return ids.factorize(joined(self._integers), self._column)
        return objects(self._code_of), joined(self._codes)


def _words(integers: NDArray[np.int64], column: str) -> Words:
    """Integers as words: the kernel reads only those whose text is that of Python."""
    vocabulary, codes = ids.factorize(integers, column)
    return Words(list(map(str, vocabulary.tolist())), codes)


class GrowingVocabulary:
    """Ids of a column of a typed file. Those of a batch that are new get the next numbers."""

    def __init__(self, column: str, kind: Kind = None) -> None:
        self._column, self._kind = column, kind
        self._ids: NDArray[Any] | None = None  # sorted
        self._numbers: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._codes: list[NDArray[np.int32]] = []

    def add(self, part: NDArray[Any]) -> None:
        """The next rows."""
        self._codes.append(self._number(part))

    def _number(self, raw: NDArray[Any]) -> NDArray[np.int32]:
        own, codes = ids.distinct(raw, self._column)
        if self._kind == "str" and not ids.are_strings(own):
            own, position = ids.sort_vocabulary(strings(list(map(str, own.tolist()))), self._column)
            codes = position[codes]
        if self._ids is None:
            self._ids, self._numbers = own, np.arange(len(own), dtype=np.int32)
            return codes
        own = self._alike(own)
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

    def _alike(self, own: NDArray[Any]) -> NDArray[Any]:
        """Ids of a batch in a dtype that goes with those before; NumPy would make text or floats of them."""
        assert self._ids is not None
        if ids.are_strings(own) != ids.are_strings(self._ids):
            raise DataError(
                f"column {self._column!r} must hold integer or string ids, all of one kind: there are "
                f"{shown(self._ids[0].item())} and {shown(own[0].item())}; ids=str makes strings of all"
            )
        if not ids.are_strings(own) and np.result_type(own, self._ids).kind == "f":  # int64 with uint64
            bounds = [int(one[end]) for one in (own, self._ids) for end in (0, -1)]
            dtype = integers(bounds, self._column).dtype
            self._ids = self._ids.astype(dtype)
            return own.astype(dtype)
        return own

    def finish(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """The sorted vocabulary, and the codes of the rows."""
        assert self._ids is not None
        codes = self._codes[0] if len(self._codes) == 1 else np.concatenate(self._codes)
        self._codes.clear()
        position = np.empty(len(self._ids), dtype=np.int32)
        position[self._numbers] = np.arange(len(self._ids), dtype=np.int32)
        for start in range(0, len(codes), CHUNK):
            codes[start : start + CHUNK] = position[codes[start : start + CHUNK]]
        return self._ids, codes
