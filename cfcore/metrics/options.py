"""`ListOptions`: how the lists are made that metrics judge."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.data.checks import as_timestamps
from cfcore.errors import DataError, shown

__all__ = ["CRITERIA", "AT_TEST", "ListOptions"]

Array = np.ndarray[Any, Any]

#: What lists are ranked by.
CRITERIA = ("rating", "preference", "upper", "sample")
#: Those that explore.
EXPLORING = CRITERIA[2:]
#: Chooses the sample that judged lists are ranked by.
SEED = 0
#: Where the items of lists are from.
CANDIDATES = ("all", "test")
#: The value of `timestamps` that stands for the times of the test ratings.
AT_TEST = "test"


@dataclass(frozen=True, eq=False)
class ListOptions:
    """The options of `recommend` that `judge` and `evaluate` take, and `candidates`; see `judge`.

    Raises
    ------
    ValueError
        Unknown `by` or `candidates`. `recommend` checks the others.
    """

    by: str | None = None
    min_support: int = 0
    exclude_seen: bool = True
    items: Any = None
    exclude: Any = None
    timestamps: Any = None
    candidates: str = "all"

    def __post_init__(self) -> None:
        for name in ("items", "exclude"):
            if isinstance(getattr(self, name), Iterator):  # they are read for each kind of lists
                object.__setattr__(self, name, list(getattr(self, name)))
        if not (self.by is None or (isinstance(self.by, str) and self.by in CRITERIA)):
            raise ValueError(
                f'by must be "rating", "preference", "upper", "sample" or None, not {shown(self.by)}'
            )
        if not (isinstance(self.candidates, str) and self.candidates in CANDIDATES):
            raise ValueError(f'candidates must be "all" or "test", not {shown(self.candidates)}')

    def of_recommend(self, times: Any = None) -> dict[str, Any]:
        """Keywords of `recommend_batches`, those with their defaults left out; `times` as from `times_of`."""
        given = {
            field.name: value
            for field in fields(self)
            if field.name not in ("candidates", "timestamps")
            and (value := getattr(self, field.name)) is not field.default
        }
        if self.by == "sample":  # the same lists each time that they are judged
            given["random_state"] = SEED
        return given if times is None else {**given, "timestamps": times}

    def rules(self) -> dict[str, Any]:
        """The options that say which items may be listed."""
        return {name: getattr(self, name) for name in ("exclude_seen", "min_support", "items", "exclude")}

    def facts(self, threshold: float | None = None) -> dict[str, Any]:
        """What is not default, in a form whose ``repr`` differs where the lists may."""
        given: dict[str, Any] = {} if threshold is None else {"threshold": float(threshold)}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not field.default:
                given[field.name] = value if np.ndim(value) == 0 else _digest(value)
        return given

    def times_of(self, model: Any, test: Ratings, row_of: Array, n_users: int) -> Array | None:
        """The times that lists are for, int64[n_users]; None for lists without times.

        Parameters
        ----------
        model : Model
        test : Ratings
        row_of : int[n_ratings]
            Row of the user of each test rating.
        n_users : int

        Raises
        ------
        DataError
            ``timestamps="test"``, and the test ratings have no timestamps; or times that are none, or not
            one for each user.
        """
        if self.timestamps is None or not model.uses_timestamps():
            return None
        if not (isinstance(self.timestamps, str) and self.timestamps == AT_TEST):
            times = as_timestamps(np.atleast_1d(self.timestamps), "timestamps")
            if len(times) not in (1, n_users):
                raise DataError(
                    f"timestamps: one for each of the {n_users} users of the test ratings is wanted, or one, "
                    f"not {len(times)}"
                )
            return np.broadcast_to(times, n_users)
        if test.timestamps is None:
            raise DataError(
                'timestamps="test": the test ratings have no timestamps; pass a time, or leave timestamps out'
            )
        each = np.asarray(test.timestamps)
        first = np.full(n_users, each.max())
        np.minimum.at(first, row_of, each)
        return first


def _digest(value: Any) -> str:
    """Checksum of ids or pairs."""
    columns = value if isinstance(value, tuple) else (value,)
    text = "; ".join(repr(column.tolist() if hasattr(column, "tolist") else column) for column in columns)
    return f"{zlib.crc32(text.encode()):08x}"
