"""Sessions of users: nested spans of time in which a user rated, of lengths that are chosen from the data."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

#: Lengths of sessions in seconds that are tried, each within those before it: a day, half an hour, two
#: minutes, a quarter of a minute. Which of them are used depends on the data, see `Sessions.with_codes`.
LENGTHS = (86_400, 1_800, 120, 15)
#: A length is left out unless it makes this many times the sessions of the length before it: the clock of the
#: timestamps is too coarse, or users do not return.
FINER = 1.05
#: A length is left out if it makes more sessions than this part of the ratings: next to none share one.
SHARED = 0.95
#: Sessions of one length have numbers from a multiple of this on.
STRIDE = 2**55
#: Numbers of sessions are cut off here, at the ends of what a timestamp holds.
MOST = 2**54


class Sessions:
    """The sessions of training: a session is a user, a length, and the number of such a length since 1970.

    Parameters
    ----------
    lengths : int64[n_lengths]
        In seconds, falling.
    indptr : int64[n_users + 1]
        User u's sessions are ``numbers[indptr[u]:indptr[u + 1]]``.
    numbers : int64[n_sessions]
        Of each user ascending: position of the length times `STRIDE`, plus the number since 1970.
    """

    def __init__(self, lengths: Array, indptr: Array, numbers: Array) -> None:
        self.lengths, self.indptr, self.numbers = lengths, indptr, numbers

    @cached_property
    def _keys(self) -> tuple[Array, Array]:
        """The distinct numbers, and a key of user and number of each session, ascending."""
        users = np.repeat(np.arange(len(self.indptr) - 1, dtype=np.int64), np.diff(self.indptr))
        distinct, rank = np.unique(self.numbers, return_inverse=True)
        return distinct, users * len(distinct) + rank

    @classmethod
    def of(cls, users: Array, seconds: Array, n_users: int) -> Sessions:
        """The sessions of ratings, of the lengths that `with_codes` chooses.

        Parameters
        ----------
        users : int32[n]
        seconds : int64[n]
        n_users : int
        """
        return cls.with_codes(users, seconds, n_users)[0]

    @classmethod
    def with_codes(
        cls, users: Array, seconds: Array, n_users: int, shorter_than: int = MOST
    ) -> tuple[Sessions, list[Array]]:
        """The sessions of ratings, and for each length the session of each rating (int32[n]).

        Lengths of `shorter_than` seconds or more are left out, after the others were compared with them.
        """
        order = _by_user_and_time(users, seconds)
        users, seconds = users[order], seconds[order]
        first = np.append(True, users[1:] != users[:-1])[: len(users)]
        lengths: list[int] = []
        begins: list[Array] = []
        before = float(np.count_nonzero(first)) / FINER
        for length in LENGTHS:
            numbers = _numbers(seconds, length)
            changes = first.copy()
            changes[1:] |= numbers[1:] != numbers[:-1]
            n = np.count_nonzero(changes)
            if before * FINER <= n <= SHARED * len(users):
                before = float(n)
                if length < shorter_than:
                    lengths.append(length)
                    begins.append(changes)
        return cls._of_changes(lengths, begins, users, seconds, order, n_users)

    @classmethod
    def of_lengths(
        cls, lengths: Array, users: Array, seconds: Array, n_users: int
    ) -> tuple[Sessions, list[Array]]:
        """As `with_codes`, of lengths that are given."""
        order = _by_user_and_time(users, seconds)
        users, seconds = users[order], seconds[order]
        begins = []
        for length in lengths.tolist():
            numbers = _numbers(seconds, length)
            changes = np.append(True, (users[1:] != users[:-1]) | (numbers[1:] != numbers[:-1]))
            begins.append(changes[: len(users)])
        return cls._of_changes(lengths.tolist(), begins, users, seconds, order, n_users)

    @classmethod
    def _of_changes(
        cls, lengths: list[int], begins: list[Array], users: Array, seconds: Array, order: Array, n_users: int
    ) -> tuple[Sessions, list[Array]]:
        """Sessions, and those of each rating in the order before, of ratings by user and time.

        `begins` tell of each length at which ratings its sessions begin; `order` is that of the ratings.
        """
        counts = [np.bincount(users[changes], minlength=n_users) for changes in begins]
        indptr = np.append(0, np.cumsum(np.sum(counts, axis=0, dtype=np.int64)))
        indptr = indptr if lengths else np.zeros(n_users + 1, dtype=np.int64)
        held, codes, after = np.empty(indptr[-1], dtype=np.int64), [], indptr[:-1].copy()
        for at, (length, changes, own) in enumerate(zip(lengths, begins, counts, strict=True)):
            # Of each user those of a length follow those of the length before.
            places = np.repeat(after - (np.cumsum(own) - own), own) + np.arange(own.sum())
            held[places] = _numbers(seconds[changes], length) + at * STRIDE
            found = np.empty(len(users), dtype=np.int32)
            found[order] = places[np.cumsum(changes) - 1]
            codes.append(found)
            after += own
        return cls(np.array(lengths, dtype=np.int64), indptr, held), codes

    @classmethod
    def none(cls, n_users: int) -> Sessions:
        """No sessions."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(nothing, np.zeros(n_users + 1, dtype=np.int64), nothing)

    def fields(self) -> dict[str, Array]:
        """The fields of a `BayesianState` that hold the sessions."""
        return {
            "session_lengths": self.lengths,
            "session_indptr": self.indptr,
            "session_numbers": self.numbers,
        }

    def place(self, users: Array, seconds: Array) -> list[Array]:
        """For each length, the session of each pair of user and time: int32[n], -1 for none in training.

        Parameters
        ----------
        users : int32[n]
            Codes; -1: unknown.
        seconds : int64[n]
        """
        found = []
        for at, length in enumerate(self.lengths.tolist()):
            numbers = _numbers(seconds, length) + at * STRIDE
            codes = np.full(len(users), -1, dtype=np.int32)
            if len(self.numbers):
                distinct, known = self._keys
                rank = np.minimum(np.searchsorted(distinct, numbers), len(distinct) - 1)
                keys = users.astype(np.int64) * len(distinct) + rank
                where = np.minimum(np.searchsorted(known, keys), len(known) - 1)
                seen = (users >= 0) & (distinct[rank] == numbers) & (known[where] == keys)
                codes[seen] = where[seen]
            found.append(codes)
        return found

    def joined(self, users: Array, seconds: Array, users_at: Array, n_users: int) -> tuple[Sessions, Array]:
        """These sessions and those, of the same lengths, of ratings that came later; the new code of each.

        Parameters
        ----------
        users : int32[n]
            Of the later ratings.
        seconds : int64[n]
        users_at : int[n_users]
            New code of each user of these sessions.
        n_users : int
            Users of both together.

        Returns
        -------
        Sessions, int64[n_sessions]
        """
        owners, numbers = [np.repeat(users_at, np.diff(self.indptr))], [self.numbers]
        for at, length in enumerate(self.lengths.tolist()):
            owners.append(users)
            numbers.append(_numbers(seconds, length) + at * STRIDE)
        distinct, rank = np.unique(np.concatenate(numbers), return_inverse=True)
        width = np.int64(max(len(distinct), 1))
        keys, codes = np.unique(np.concatenate(owners) * width + rank, return_inverse=True)
        indptr = np.searchsorted(keys // width, np.arange(n_users + 1)).astype(np.int64)
        return Sessions(self.lengths, indptr, distinct[keys % width]), codes[: len(self.numbers)]

    def levels(self) -> Array:
        """The position of the length of each session: int64[n_sessions]."""
        return (self.numbers + MOST) // STRIDE


def _numbers(seconds: Array, length: int) -> Array:
    """How many times a length fits into the time since 1970."""
    return np.clip(seconds // length, -MOST, MOST - 1)


def _by_user_and_time(users: Array, seconds: Array) -> Array:
    """An order of ratings by user, then by time."""
    span = int(seconds.max(initial=0)) - int(seconds.min(initial=0)) + 1
    ranks, n_ranks = seconds - seconds.min(initial=0), span
    if span * (int(users.max(initial=0)) + 1) >= 2**63:
        distinct, ranks = np.unique(seconds, return_inverse=True)
        n_ranks = len(distinct)
    order: Array = np.argsort(users.astype(np.int64) * n_ranks + ranks)  # not lexsort: it is slow
    return order


def moments_of(days: Array, sessions: list[Array]) -> tuple[Array, Array]:
    """The moments of ratings, in each of which one user's ratings share all sessions; that of each rating.

    Parameters
    ----------
    days : int32[n]
        Code of the user-day of each rating.
    sessions : list of int32[n]
        Code of the session of each length, each within that of the length before.

    Returns
    -------
    table, codes : int32[n_moments, 1 + n_lengths], int32[n]
        Of each moment, the user-day and the session of each length.
    """
    finest = sessions[-1]
    n = int(finest.max(initial=-1)) + 1
    some = np.full(n, -1, dtype=np.int64)
    some[finest] = np.arange(len(finest))  # one rating of each
    rows = some[some >= 0]
    codes = (np.cumsum(some >= 0, dtype=np.int32) - 1)[finest].astype(np.int32)
    return np.column_stack([held[rows] for held in (days, *sessions)]).astype(np.int32), codes
