"""From the caller's ids to a fitted model's codes."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np

from cfcore.data.checks import as_timestamps
from cfcore.data.ids import encode
from cfcore.errors import DataError

Array = np.ndarray[Any, Any]


class Coded:
    """Something fitted that knows users and items by code: the part of a model that looks ids up.

    A code is a position in ``user_ids_`` or ``item_ids_``, and -1 is anybody unknown: ids that are not in the
    vocabulary, and those in it without training ratings (a subset keeps the vocabulary of the whole).
    """

    user_ids_: Array
    item_ids_: Array
    user_counts_: Array
    item_counts_: Array
    _cache: dict[str, Any]

    def _pairs(self, users: Any, items: Any, timestamps: Any) -> tuple[Array, Array, Array | None]:
        """Codes of raw ids, and timestamps, all of one length; single ones are repeated."""
        columns = {"users": self._codes(_column(users), "user"), "items": self._codes(_column(items), "item")}
        if timestamps is not None:
            columns["timestamps"] = as_timestamps(_column(timestamps), "timestamps")
        lengths = {len(column) for column in columns.values()} - {1}
        if len(lengths) > 1:
            sizes = ", ".join(f"{len(column)} {name}" for name, column in columns.items())
            raise DataError(f"predict: the columns differ in length: {sizes}")
        length = lengths.pop() if lengths else 1
        for name, column in columns.items():
            if len(column) != length:
                columns[name] = np.repeat(column, length)
        return columns["users"], columns["items"], columns.get("timestamps")

    def _codes(self, raw: Any, kind: str) -> Array:
        """Codes of raw ids; -1 where the id is not in the vocabulary or has no training ratings."""
        codes = encode(getattr(self, f"{kind}_ids_"), raw, f"{kind}s")
        table = self._known(kind)
        return codes if table is None else table[codes]

    def _codes_of(self, ids: Array, codes: Array, kind: str) -> Array:
        """Codes in this model of codes in another vocabulary `ids`; nothing to look up in our own."""
        if ids is getattr(self, f"{kind}_ids_"):
            table = self._known(kind)
            return codes if table is None else table[codes]
        return self._codes(ids, kind)[codes]

    def _known(self, kind: str) -> Array | None:
        """Table code -> code, or -1 for codes without training ratings; None where there are none such."""
        key = f"known_{kind}"
        if key not in self._cache:
            counts = getattr(self, f"{kind}_counts_")
            table = None
            if not counts.all():
                # One entry more, which -1 (not in the vocabulary) picks by wrapping around.
                table = np.full(len(counts) + 1, -1, dtype=np.int32)
                table[:-1][counts > 0] = np.flatnonzero(counts)
            self._cache[key] = table
        return self._cache[key]

    def _code(self, raw: Any, kind: str) -> int:
        """Code of a single raw id."""
        if not is_single(raw):
            raise DataError(f"{kind}: one id is wanted, not {type(raw).__name__} of shape {np.shape(raw)}")
        return int(self._codes(_column(raw), kind)[0])


def is_single(raw: Any) -> bool:
    """Whether `raw` is one value and not a column of them."""
    # Not np.ndim, which makes an array of a list only to count its dimensions.
    return (
        raw is None
        or isinstance(raw, (str, bytes, int, float, date, np.generic))
        or getattr(raw, "ndim", 1) == 0
    )


def _column(raw: Any) -> Any:
    """A single value as a column of one; anything else as it is."""
    return np.atleast_1d(raw) if is_single(raw) else raw
