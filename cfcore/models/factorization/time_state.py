"""`TimeState`: the frozen state of timeSVD++."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from cfcore.arrays import padded
from cfcore.data import Ratings
from cfcore.data.times import UNITS
from cfcore.kernels.records import MOST_SESSION_LEVELS, TIME_TERMS, TimeParameters
from cfcore.models.core.fields import PRODUCT, array
from cfcore.models.factorization.implicit_state import SVDppState
from cfcore.models.factorization.joining import scattered
from cfcore.models.factorization.time_terms import FACTORS, TERMS
from cfcore.models.factorization.user_days import SECONDS, WEEKDAYS, WEEKS, Days
from cfcore.models.factorization.user_sessions import Sessions

Array = np.ndarray[Any, Any]

#: Day of the last timestamp, an int64 number of seconds.
LAST_DAY = 2**63 // SECONDS

DAYS = ("day_indptr", "day_numbers", "day_frequencies", "user_dates", "bin_edges")
SESSIONS = ("session_lengths", "session_indptr", "session_numbers")


@dataclass(frozen=True, eq=False, kw_only=True)
class TimeState(SVDppState):
    """Parameters of SVD++, terms of time, and the user-days that some of them belong to.

    Arrays of terms that are left out have no rows (users, days) or no columns (items); so have those that are
    not given.

    Attributes
    ----------
    user_slope, user_scale : ndarray, shape (n_users,)
    day_bias, day_scale : ndarray, shape (n_days,)
    user_drift, day_factors : ndarray, shape (n_users, n_factors), (n_days, n_factors)
    item_bins, item_frequencies, item_weekdays, item_weeks : ndarray, shape (n_items, number of them)
    day_indptr, day_numbers, day_frequencies, user_dates, bin_edges : ndarray
        As of `Days`.
    session_lengths, session_indptr, session_numbers : ndarray
        As of `Sessions`.
    session_bias : ndarray, shape (n_sessions,)
    time_unit : int
        How many of the unit of the training timestamps make a second.
    """

    user_slope: Array = array("f", None, optional=True, high=PRODUCT)
    user_scale: Array = array("f", None, optional=True, high=PRODUCT)
    day_bias: Array = array("f", None, optional=True, high=PRODUCT)
    day_scale: Array = array("f", None, optional=True, high=PRODUCT)
    user_drift: Array = array("f", None, "n_factors", optional=True, high=PRODUCT)
    day_factors: Array = array("f", None, "n_factors", optional=True, high=PRODUCT)
    item_bins: Array = array("f", "n_items", None, optional=True, high=PRODUCT)
    item_frequencies: Array = array("f", "n_items", None, optional=True, high=PRODUCT)
    item_weekdays: Array = array("f", "n_items", None, optional=True, high=PRODUCT)
    item_weeks: Array = array("f", "n_items", None, optional=True, high=PRODUCT)
    day_indptr: Array = array("int64", "n_users + 1", optional=True, order="bounds of n_days")
    day_numbers: Array = array(
        "int64", "n_days", optional=True, low=-LAST_DAY, high=LAST_DAY, rows="day_indptr"
    )
    day_frequencies: Array = array("uint8", "n_days", optional=True)
    user_dates: Array = array("fi", "n_users", optional=True, low=-LAST_DAY, high=LAST_DAY)
    bin_edges: Array = array("fi", None, optional=True, low=-LAST_DAY, high=LAST_DAY)
    session_lengths: Array = array("int64", "n_lengths", optional=True, low=1, high=SECONDS)
    session_indptr: Array = array("int64", "n_users + 1", optional=True, order="bounds of n_sessions")
    session_numbers: Array = array("int64", "n_sessions", optional=True, rows="session_indptr")
    session_bias: Array = array("f", "n_sessions", optional=True, high=PRODUCT)
    time_unit: int = 1

    _later: ClassVar[tuple[str, ...]] = (*SVDppState._later, "time_unit", *SESSIONS, "session_bias")
    _user_dimensions: ClassVar[tuple[str, ...]] = (*SVDppState._user_dimensions, "n_days", "n_sessions")
    _derived: ClassVar[dict[str, tuple[str, ...]]] = {
        **SVDppState._derived,
        "days": DAYS,
        "sessions": SESSIONS,
        "drift_rows": ("user_drift",),
        "day_rows": ("day_factors",),
    }

    def __post_init__(self) -> None:
        factors, n_users = self.item_factors, len(self.user_ids)
        if isinstance(factors, np.ndarray):  # otherwise the check of the fields says so
            for name in TERMS:
                if getattr(self, name) is None:
                    rows = len(self.item_ids) if name.startswith("item") else 0
                    columns = (
                        factors.shape[1:] if name in FACTORS else (0,) if name.startswith("item") else ()
                    )
                    object.__setattr__(self, name, np.zeros((rows, *columns), dtype=factors.dtype))
        missing = {
            "day_indptr": np.zeros(n_users + 1, dtype=np.int64),
            "day_numbers": np.zeros(0, dtype=np.int64),
            "day_frequencies": np.zeros(0, dtype=np.uint8),
            "user_dates": np.zeros(n_users),
            "bin_edges": np.zeros(0),
            **Sessions.none(n_users).fields(),
            "session_bias": np.zeros(0, dtype=getattr(factors, "dtype", np.float32)),
        }
        for name, held in missing.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, held)
        super().__post_init__()

    def _verify(self) -> None:
        super()._verify()
        if self.time_unit not in UNITS:
            raise ValueError(
                f"time_unit_ must be one of {', '.join(map(str, UNITS))}, not {self.time_unit!r}"
            )
        n_days = len(self.day_numbers)
        for name in TERMS:
            needed = {"user": len(self.user_ids), "day": n_days}.get(name.split("_")[0])
            if needed is not None and len(getattr(self, name)) not in (needed, 0):
                raise ValueError(
                    f"{name}_ has {len(getattr(self, name))} rows; it should have {needed}, or none"
                )
        lengths = self.session_lengths
        nested = not (SECONDS % lengths[:1]).any() and not (lengths[:-1] % lengths[1:]).any()
        if len(lengths) > MOST_SESSION_LEVELS or not nested:
            raise ValueError(
                f"session_lengths_ must be at most {MOST_SESSION_LEVELS} parts of a day in seconds, each one "
                "of the length before"
            )
        if len(self.session_numbers):
            levels = self.sessions.levels()
            if levels.min() < 0 or levels.max() >= len(lengths):
                raise ValueError("session_numbers_ are of lengths that session_lengths_ does not have")
        if (self.bin_edges[1:] < self.bin_edges[:-1]).any():
            raise ValueError("bin_edges_ must not fall")
        for name, n_columns in (("item_weekdays", WEEKDAYS), ("item_weeks", WEEKS)):
            if getattr(self, name).shape[1] not in (n_columns, 0):
                raise ValueError(
                    f"{name}_ has {getattr(self, name).shape[1]} columns, not {n_columns} or none"
                )
        n_bins, n_frequencies = self.item_bins.shape[1], self.item_frequencies.shape[1]
        if n_bins and n_bins != len(self.bin_edges) + 1:
            raise ValueError(
                f"item_bins_ has {n_bins} columns; bin_edges_ makes {len(self.bin_edges) + 1} bins"
            )
        if n_frequencies and self.day_frequencies.max(initial=0) >= n_frequencies:
            raise ValueError(
                f"item_frequencies_ has {n_frequencies} columns; day_frequencies_ goes up to "
                f"{self.day_frequencies.max()}"
            )

    # ------------------------------------------------------------------ derived

    @cached_property
    def days(self) -> Days:
        """The user-days of training."""
        return Days(self.day_indptr, self.day_numbers, self.day_frequencies, self.user_dates, self.bin_edges)

    @cached_property
    def sessions(self) -> Sessions:
        """The sessions of training."""
        return Sessions(self.session_lengths, self.session_indptr, self.session_numbers)

    @cached_property
    def drift_rows(self) -> Array:
        """Drifts of users' factors in padded rows."""
        return padded(self.user_drift)

    @cached_property
    def day_rows(self) -> Array:
        """Factors of days in padded rows."""
        return padded(self.day_factors)

    @cached_property
    def time_parameters(self) -> TimeParameters:
        """The record of the kernel's `predict`: users' rows with their sums, and no implicit factors."""
        rows = {
            "user_factors": self.user_rows,
            "user_drift": self.drift_rows,
            "day_factors": self.day_rows,
            "item_factors": self.item_rows,
            "implicit_factors": self.item_rows[:0],
        }
        arrays = (
            rows[name] if name in rows else np.ascontiguousarray(getattr(self, name)) for name in TIME_TERMS
        )
        given: dict[str, Any] = dict(zip(TIME_TERMS, arrays, strict=True))
        return TimeParameters(**given, mean=self.mean)

    # ------------------------------------------------------------------ ratings that come later

    def without_users(self, n: int = 0) -> Self:
        """As in `FactorState`; users have no terms of time, and there are no sessions."""
        owned = [name for name in TERMS if not name.startswith("item")]
        fields = {name: getattr(self, name)[:0] for name in ("session_lengths", *owned)}
        return super().without_users(n).changed(**fields)

    def remaining(self, kept: Array) -> Self:
        """As in `State`; with the terms of users and of their days."""
        masks = {"user": kept, "day": np.repeat(kept, np.diff(self.day_indptr))}
        fields = {}
        for name in TERMS:
            mask, held = masks.get(name.split("_")[0]), getattr(self, name)
            if mask is not None and len(held):
                fields[name] = held[mask]
        return dataclasses.replace(super().remaining(kept), **fields)

    def joined_days(self, users_at: Array, items_at: Array, train: Ratings, base: float) -> dict[str, Any]:
        """Fields of days, sessions and terms of time, with those of `train`, in new codes, joined to them.

        `users_at` and `items_at` are the new codes of users and items; `base` is that of f.
        """
        days, days_at = self.days.joined(train, users_at, base)
        rows = {
            "user": (users_at, train.n_users),
            "day": (days_at, len(days.numbers)),
            "item": (items_at, train.n_items),
        }
        fields = days.fields()
        for name in TERMS:
            held = getattr(self, name)
            if len(held):
                at = rows[name.split("_")[0]]
                fields[name] = scattered(held, *at, fill=float(name == "user_scale"))
        if len(self.session_lengths):
            sessions, sessions_at = self.sessions.joined(
                train.user_codes, np.asarray(train.timestamps), users_at, train.n_users
            )
            fields |= sessions.fields()
            fields["session_bias"] = scattered(self.session_bias, sessions_at, len(sessions.numbers))
        else:
            fields |= Sessions.none(train.n_users).fields()
        # Days with more ratings than any before.
        further = max(int(days.frequencies.max(initial=0)) + 1 - self.item_frequencies.shape[1], 0)
        if self.item_frequencies.size:
            fields["item_frequencies"] = np.pad(fields["item_frequencies"], ((0, 0), (0, further)))
        return fields
