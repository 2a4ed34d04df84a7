"""Sessions of users: nested spans of time in which a user rated, of lengths that are chosen from the data."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

#: Lengths of sessions in seconds that are tried, each within those before it: a day, half an hour, two
#: minutes, a quarter of a minute. Which of them pay is decided by each data set, see `Sessions.of`.
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
        users = np.repeat(np.arange(len(indptr) - 1, dtype=np.int64), np.diff(indptr))
        self._distinct, rank = np.unique(numbers, return_inverse=True)
        self._keys = users * len(self._distinct) + rank

    @classmethod
    def of(cls, users: Array, seconds: Array, n_users: int) -> Sessions:
        """The sessions of ratings, of the lengths that pay for them.

        Parameters
        ----------
        users : int32[n]
        seconds : int64[n]
        n_users : int
        """
        lengths: list[int] = []
        parts: list[tuple[Array, Array]] = []
        before = len(np.unique(users)) / FINER
        for length in LENGTHS:
            found = _distinct(users, seconds, length)
            if before * FINER <= len(found[0]) <= SHARED * len(users):
                parts.append(found)
                lengths.append(length)
                before = len(found[0])
        return cls._joined(lengths, parts, n_users)

    @classmethod
    def of_lengths(cls, lengths: Array, users: Array, seconds: Array, n_users: int) -> Sessions:
        """The sessions of ratings, of lengths that are given."""
        parts = [_distinct(users, seconds, length) for length in lengths.tolist()]
        return cls._joined(lengths.tolist(), parts, n_users)

    @classmethod
    def _joined(cls, lengths: list[int], levels: list[tuple[Array, Array]], n_users: int) -> Sessions:
        """Sessions from the users and numbers of those of each length."""
        parts = [(owners, numbers + at * STRIDE) for at, (owners, numbers) in enumerate(levels)]
        owners = np.concatenate([part[0] for part in parts] or [np.zeros(0, dtype=np.int64)])
        found = np.concatenate([part[1] for part in parts] or [np.zeros(0, dtype=np.int64)])
        order = np.lexsort((found, owners))
        indptr = np.searchsorted(owners[order], np.arange(n_users + 1)).astype(np.int64)
        return cls(np.array(lengths, dtype=np.int64), indptr, found[order])

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
            if len(self._keys):
                rank = np.minimum(np.searchsorted(self._distinct, numbers), len(self._distinct) - 1)
                keys = users.astype(np.int64) * len(self._distinct) + rank
                where = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
                seen = (users >= 0) & (self._distinct[rank] == numbers) & (self._keys[where] == keys)
                codes[seen] = where[seen]
            found.append(codes)
        return found

    def levels(self) -> Array:
        """The position of the length of each session: int64[n_sessions]."""
        return (self.numbers + MOST) // STRIDE


def _distinct(users: Array, seconds: Array, length: int) -> tuple[Array, Array]:
    """Users and numbers of the sessions of a length, each once."""
    numbers = _numbers(seconds, length)
    distinct, rank = np.unique(numbers, return_inverse=True)
    keys = np.unique(users.astype(np.int64) * len(distinct) + rank)
    return keys // len(distinct), distinct[keys % len(distinct)]


def _numbers(seconds: Array, length: int) -> Array:
    """How many times a length fits into the time since 1970."""
    return np.clip(seconds // length, -MOST, MOST - 1)
