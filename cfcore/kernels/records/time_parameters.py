"""Records of timeSVD++: user-days, and the parameters that depend on them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cfcore.kernels.records.base import (
    FLOATING,
    MOST,
    Array,
    Record,
    array,
    check_codes,
    check_row_length,
    dimension,
    real,
)
from cfcore.kernels.records.implicit import UserBatchLayout

__all__ = [
    "DAY",
    "LEFT_OUT",
    "MOST_SESSION_LEVELS",
    "TIME_TERMS",
    "TimeLayout",
    "TimeParameters",
    "TimeRates",
    "check_days",
]

#: A user-day, one user's ratings of one day: the user, dev_u(t), and columns of the items' tables.
DAY = np.dtype(
    [("user", "i4"), ("dev", "f4"), ("bin", "u1"), ("frequency", "u1"), ("weekday", "u1"), ("week", "u1")]
)
#: In predictions: a bin, frequency, weekday or week that is not known, whose term is left out.
LEFT_OUT = 255
#: Levels of sessions, at most.
MOST_SESSION_LEVELS = 16


@dataclass(frozen=True, eq=False, repr=False)
class TimeLayout(UserBatchLayout):
    """A `UserBatchLayout` in which the `user` of a rating is the code of its user-day, or of its moment.

    Attributes
    ----------
    ratings, block_ptr, stripe_ptr, user_counts, parts, cuts, n_item_stripes, n_batches
        As in `UserBatchLayout`.
    days : DAY[n_days]
        Of each user-day the user, dev_u(t), and the columns of the items' tables.
    moments : int32[n_moments, 1 + n_levels] or None
        Of each moment, one user's ratings of the same sessions, the user-day and the session of each level.
    n_sessions : int
        One more than the largest code of a session.
    """

    days: Array = array(DAY, "n_days")
    moments: Array | None = array("int32", "n_moments", None, optional=True)
    n_days: int = dimension()
    n_sessions: ClassVar[int] = 0

    @property
    def n_levels(self) -> int:
        """Levels of sessions."""
        return 0 if self.moments is None else self.moments.shape[1] - 1

    def _check(self) -> None:
        super()._check()
        check_codes(self._name("days"), self.days["user"], self.n_users)
        if self.moments is not None:
            if not 1 <= self.n_levels <= MOST_SESSION_LEVELS:
                raise ValueError(f"{self._name('moments')} must have 2 to {MOST_SESSION_LEVELS + 1} columns")
            check_codes(self._name("moments"), np.ascontiguousarray(self.moments[:, 0]), self.n_days)
            check_codes(self._name("moments"), self.moments, MOST)
            vars(self)["n_sessions"] = int(self.moments[:, 1:].max(initial=-1)) + 1


@dataclass(frozen=True, eq=False, repr=False)
class TimeParameters(Record):
    """Parameters of timeSVD++; its prediction is in `timesvdpp.train`.

    Attributes
    ----------
    user_bias, user_slope, user_scale : float32 or float64 [n_users]
        b_u, alpha_u, c_u.
    day_bias, day_scale : same dtype [n_days]
        b_ut, c_ut, of user-days.
    user_factors, user_drift, day_factors : same dtype [n_users or n_days, width]
        p_u, alpha_uk, p_ut; rows padded with zeros to a multiple of 64 bytes.
    item_bias : same dtype [n_items]
    item_bins, item_frequencies, item_weekdays, item_weeks : same dtype [n_items, any]
    item_factors, implicit_factors : same dtype [n_items, width], [n_implicit, width]
    mean : float
    session_bias : same dtype [n_sessions], or None
        Of users' sessions, those of all levels.

    A term is left out by an array without rows (`user_slope`, `user_scale`, `day_bias`, `day_scale`,
    `user_drift`, `day_factors`) or without columns (the items' tables).
    """

    user_bias: Array = array(FLOATING, "n_users", written=True)
    user_slope: Array = array(FLOATING, None, written=True)
    user_scale: Array = array(FLOATING, None, written=True)
    day_bias: Array = array(FLOATING, None, written=True)
    day_scale: Array = array(FLOATING, None, written=True)
    user_factors: Array = array(FLOATING, "n_users", "width", written=True)
    user_drift: Array = array(FLOATING, None, "width", written=True)
    day_factors: Array = array(FLOATING, None, "width", written=True)
    item_bias: Array = array(FLOATING, "n_items", written=True)
    item_bins: Array = array(FLOATING, "n_items", None, written=True)
    item_frequencies: Array = array(FLOATING, "n_items", None, written=True)
    item_weekdays: Array = array(FLOATING, "n_items", None, written=True)
    item_weeks: Array = array(FLOATING, "n_items", None, written=True)
    item_factors: Array = array(FLOATING, "n_items", "width", written=True)
    implicit_factors: Array = array(FLOATING, "n_implicit", "width", written=True)
    mean: float = real()
    session_bias: Array | None = array(FLOATING, None, written=True, optional=True)
    n_users: int = dimension()
    n_items: int = dimension()
    n_implicit: int = dimension()
    width: int = dimension()

    @property
    def n_days(self) -> int:
        """User-days that have parameters; 0 if all terms of days are left out."""
        return max(len(self.day_bias), len(self.day_scale), len(self.day_factors))

    def _check(self) -> None:
        check_row_length(self._name("user_factors"), self.width, self.dtype)
        rows = {"user": self.n_users, "day": self.n_days}
        for name in ("user_slope", "user_scale", "day_bias", "day_scale", "user_drift", "day_factors"):
            needed = rows[name.split("_")[0]]
            if len(getattr(self, name)) not in (needed, 0):
                raise ValueError(f"{self._name(name)} must have {needed} rows, or none")


#: The terms of timeSVD++, in the order of `TimeRates`; sessions have rates for each level.
TIME_TERMS = tuple(
    field.name
    for field in dataclasses.fields(TimeParameters)
    if "dtype" in field.metadata and not field.metadata["optional"]
)


@dataclass(frozen=True, eq=False, repr=False)
class TimeRates(Record):
    """Steps of stochastic gradient descent on the parameters of timeSVD++.

    Attributes
    ----------
    lr, reg : float64[15]
        Of each of `TIME_TERMS`.
    session_lr, session_reg : float64[n_levels], or None
        Of the session biases of each level.
    """

    lr: Array = array("float64", len(TIME_TERMS))
    reg: Array = array("float64", len(TIME_TERMS))
    session_lr: Array | None = array("float64", "n_levels", optional=True)
    session_reg: Array | None = array("float64", "n_levels", optional=True)

    @property
    def n_levels(self) -> int:
        """Levels of sessions."""
        return 0 if self.session_lr is None else len(self.session_lr)

    def _check(self) -> None:
        if (self.session_lr is None) != (self.session_reg is None):
            raise ValueError(f"{type(self).__name__}: session_lr and session_reg must both be given, or none")
        if not all(np.isfinite(held).all() for _, held, _ in self.arrays()):
            raise ValueError(f"{type(self).__name__}: lr and reg must be finite")


def check_days(layout: TimeLayout, parameters: TimeParameters, rates: TimeRates) -> None:
    """Raise ValueError unless parameters and rates that `train` is given are those of the layout's days."""
    if parameters.n_days not in (layout.n_days, 0):
        raise ValueError("train: parameters must have a row for each of layout.days")
    if (parameters.session_bias is None) != (layout.moments is None):
        raise ValueError("train: layout.moments and parameters.session_bias must both be given, or none")
    if parameters.session_bias is not None and len(parameters.session_bias) < layout.n_sessions:
        raise ValueError(
            f"train: layout.moments has sessions up to {layout.n_sessions - 1}, parameters.session_bias has "
            f"{len(parameters.session_bias)} rows"
        )
    if rates.n_levels != layout.n_levels:
        raise ValueError(
            f"train: rates have {rates.n_levels} levels of sessions, layout.moments has {layout.n_levels}"
        )
