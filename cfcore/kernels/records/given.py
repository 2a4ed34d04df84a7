"""Records of users whose ratings are given, in kept samples of a Gibbs sampler."""

from __future__ import annotations

from dataclasses import dataclass

from cfcore.kernels.records.base import (
    Array,
    Record,
    array,
    check_codes,
    check_compressed,
    dimension,
    integer,
)

__all__ = ["GivenRatings", "GivenRows", "GivenSamples"]


@dataclass(frozen=True, eq=False, repr=False)
class GivenRatings(Record):
    """Ratings of users as compressed rows, in an order in which each session's ratings are neighbours.

    Attributes
    ----------
    indptr : int64[n_users + 1]
    items : int32[n]
    targets : float32[n, n_kept]
        Ratings less all but the user's bias, row and sessions, in each sample.
    sessions : int32[n, n_lengths]
        Session of each length, the longest first; each is within that of the length before. A session's
        ratings are those of neighbours of the same code.
    n_items, n_sessions : int
        Codes are less than these.
    weights : float32[n], optional
        What multiplies the precision of each rating; 1 where None.
    """

    indptr: Array = array("int64", "n_users + 1")
    items: Array = array("int32", "n")
    targets: Array = array("float32", "n", "n_kept")
    sessions: Array = array("int32", "n", "n_lengths")
    n_items: int = integer(0)
    n_sessions: int = integer(0)
    weights: Array | None = array("float32", "n", optional=True)
    n_users: int = dimension()
    n: int = dimension()
    n_kept: int = dimension()
    n_lengths: int = dimension()

    def _check(self) -> None:
        check_compressed(self._name("indptr"), self.indptr, self.n)
        check_codes(self._name("items"), self.items, self.n_items)
        check_codes(self._name("sessions"), self.sessions, self.n_sessions)
        if self.n_lengths > 64:
            raise ValueError(f"{self._name('sessions')} must be of at most 64 lengths")


@dataclass(frozen=True, eq=False, repr=False)
class GivenSamples(Record):
    """What the rows of users are solved for with, in each sample.

    Attributes
    ----------
    item_factors : float32[n_items, n_columns]
        `n_factors` columns a sample, side by side.
    members : float32[n_items, n_columns], optional
        The y of the sets of items.
    precisions : float64[n_kept, n_factors, n_factors]
        Of the prior of users' rows.
    bias_precisions, noise : float64[n_kept]
        Of the prior of users' biases, and of ratings.
    session_precisions : float64[n_kept, n_lengths]
        Of the prior of the biases of sessions.
    first : int
        Number of the first sample, for random numbers.
    """

    item_factors: Array = array("float32", "n_items", "n_columns")
    precisions: Array = array("float64", "n_kept", "n_factors", "n_factors")
    bias_precisions: Array = array("float64", "n_kept")
    noise: Array = array("float64", "n_kept")
    session_precisions: Array = array("float64", "n_kept", "n_lengths")
    members: Array | None = array("float32", "n_items", "n_columns", optional=True)
    first: int = integer(0, 2**31 - 1, default=0)
    n_items: int = dimension()
    n_columns: int = dimension()
    n_kept: int = dimension()
    n_factors: int = dimension()
    n_lengths: int = dimension()

    def _check(self) -> None:
        if not 1 <= self.n_factors <= 2**16:
            raise ValueError(f"{self._name('precisions')} must be of 1 to 65536 factors")
        if self.n_columns != self.n_kept * self.n_factors:
            raise ValueError(
                f"{self._name('item_factors')} must have {self.n_kept * self.n_factors} columns, "
                f"n_factors={self.n_factors} of each of {self.n_kept} samples, not {self.n_columns}"
            )


@dataclass(frozen=True, eq=False, repr=False)
class GivenRows(Record):
    """The rows of users in each sample; the last number of a row is the bias.

    Attributes
    ----------
    base : float64[n_bases, n_kept, n_factors + 1]
        Prior means before sets, of all users (n_bases 1), or of each.
    means, draws : float32[n_users, n_kept, n_factors + 1]
        Means of the conditional distributions, and what draws from these add.
    session_means, session_slopes, session_variances : float32[n_kept, n_sessions]
        Means of the biases of sessions; slope in the user's bias, and variance around it, of the sum of a
        session's bias, of all that contain it, and of the user's.
    """

    base: Array = array("float64", "n_bases", "n_kept", "n_factors + 1")
    means: Array = array("float32", "n_users", "n_kept", "n_factors + 1", written=True)
    draws: Array = array("float32", "n_users", "n_kept", "n_factors + 1", written=True)
    session_means: Array = array("float32", "n_kept", "n_sessions", written=True)
    session_slopes: Array = array("float32", "n_kept", "n_sessions", written=True)
    session_variances: Array = array("float32", "n_kept", "n_sessions", written=True)
    n_bases: int = dimension()
    n_users: int = dimension()
    n_kept: int = dimension()
    n_factors: int = dimension()
    n_sessions: int = dimension()

    def _check(self) -> None:
        if self.n_bases not in (1, self.n_users):
            raise ValueError(f"{self._name('base')} must be of 1 or {self.n_users} users, not {self.n_bases}")
