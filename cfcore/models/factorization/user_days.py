"""The user-days of training, and the days of predictions, as the kernel `timesvdpp` reads them."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.kernels.records import DAY, LEFT_OUT
from cfcore.models.factorization.joining import scattered

Array = np.ndarray[Any, Any]

SECONDS, WEEKDAYS, WEEKS = 86_400, 7, 53
#: Koren's exponent of the days between a rating and its user's mean date.
POWER = 0.4


class Days:
    """The days on which users rated in training: a user-day is a user and a day (UTC).

    Parameters
    ----------
    indptr : int64[n_users + 1]
        User u's days are ``numbers[indptr[u]:indptr[u + 1]]``.
    numbers : int64[n_days]
        Days since 1970, of each user ascending.
    frequencies : uint8[n_days]
        The f of that day's ratings by the user.
    dates : float64[n_users]
        Mean day of each user's ratings.
    edges : float64[n_bins - 1]
        Days on which the second and later bins of time begin.
    """

    def __init__(self, indptr: Array, numbers: Array, frequencies: Array, dates: Array, edges: Array) -> None:
        self.indptr, self.numbers, self.frequencies = indptr, numbers, frequencies
        self.dates, self.edges = dates, edges
        users = np.repeat(np.arange(len(dates), dtype=np.int32), np.diff(indptr))
        self.table = self._described(users, numbers)
        self.table["frequency"] = frequencies
        self._distinct = np.unique(numbers)
        self._keys = users * np.int64(len(self._distinct)) + np.searchsorted(self._distinct, numbers)

    def fields(self) -> dict[str, Array]:
        """The fields of a `TimeState` that hold the days."""
        return {
            "day_indptr": self.indptr,
            "day_numbers": self.numbers,
            "day_frequencies": self.frequencies,
            "user_dates": self.dates,
            "bin_edges": self.edges,
        }

    @classmethod
    def of(cls, train: Ratings, n_bins: int, base: float) -> tuple[Days, Array]:
        """The user-days of ratings with timestamps, and the user-day of each rating (int32).

        Bins are of equal length, from the first day to the last; f is the logarithm to `base` of the number
        of the user's ratings that day, rounded down.
        """
        users, numbers, frequencies, codes = user_days(train, base)
        first, last = float(numbers.min()), float(numbers.max()) + 1
        edges = first + (last - first) * np.arange(1, n_bins) / n_bins
        indptr = np.searchsorted(users, np.arange(train.n_users + 1)).astype(np.int64)
        return cls(indptr, numbers, frequencies, mean_dates(train), edges), codes

    def joined(self, train: Ratings, users_at: Array, base: float) -> tuple[Days, Array]:
        """These days and those of ratings that came later, and the new code of each of these user-days.

        Of a day that both have, the greater frequency counts. Users keep their dates, new ones have none (0),
        and the bins stay as they are.

        Parameters
        ----------
        train : Ratings
            The later ratings.
        users_at : int[n_users]
            Code in `train` of each user.
        base : float
            As in `of`.
        """
        users, numbers, frequencies, _ = user_days(train, base)
        owners = np.append(users_at[self.table["user"]], users)
        distinct, rank = np.unique(np.append(self.numbers, numbers), return_inverse=True)
        keys, codes = np.unique(owners * np.int64(len(distinct)) + rank, return_inverse=True)
        most = np.zeros(len(keys), dtype=np.uint8)
        np.maximum.at(most, codes, np.append(self.frequencies, frequencies))
        days = Days(
            np.searchsorted(keys // len(distinct), np.arange(train.n_users + 1)).astype(np.int64),
            distinct[keys % len(distinct)],
            most,
            scattered(self.dates, users_at, train.n_users),
            self.edges,
        )
        return days, codes[: len(self.numbers)]

    def place(self, users: Array, timestamps: Array | None) -> tuple[Array, Array]:
        """User-day codes of pairs, -1 for days without ratings by the user in training, and entries of the
        days.

        An entry for a day without ratings has what follows from its date: the distance to the user's mean
        date, the nearest bin, weekday and week. Without timestamps the day is the user's mean date, and the
        columns of items' tables are left out.

        Parameters
        ----------
        users : int32[n]
            Codes, -1 for unknown users.
        timestamps : int64[n] or None

        Returns
        -------
        codes : int32[n]
        when : DAY[n]
        """
        codes = np.full(len(users), -1, dtype=np.int32)
        if timestamps is None:
            when = np.zeros(len(users), dtype=DAY)
            when["user"] = users
            for name in ("bin", "frequency", "weekday", "week"):
                when[name] = LEFT_OUT
            return codes, when
        numbers = timestamps // SECONDS
        when = self._described(users, numbers)
        if not len(self._keys):
            return codes, when
        rank = np.minimum(np.searchsorted(self._distinct, numbers), len(self._distinct) - 1)
        keys = users * np.int64(len(self._distinct)) + rank
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        seen = (users >= 0) & (self._distinct[rank] == numbers) & (self._keys[at] == keys)
        codes[seen] = at[seen]
        when["frequency"][seen] = self.frequencies[codes[seen]]
        return codes, when

    def _described(self, users: Array, numbers: Array) -> Array:
        """Entries of users' days, without their frequencies."""
        when = np.empty(len(users), dtype=DAY)
        away = np.where(users >= 0, numbers - self.dates[users], 0.0)
        when["user"] = users
        when["dev"] = np.sign(away) * np.abs(away) ** POWER
        when["bin"] = np.searchsorted(self.edges, numbers, side="right")
        when["frequency"] = LEFT_OUT
        dates = numbers.astype("datetime64[D]")
        when["weekday"] = (numbers + 3) % WEEKDAYS  # 1970 began on a Thursday; Monday is 0
        when["week"] = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) // 7
        return when


def user_days(train: Ratings, base: float) -> tuple[Array, Array, Array, Array]:
    """Of each user-day, by user and then by day: user, day and f; and the user-day of each rating (int32)."""
    numbers = np.asarray(train.timestamps) // SECONDS
    distinct, rank = np.unique(numbers, return_inverse=True)
    keys, codes, counts = np.unique(
        train.user_codes * np.int64(len(distinct)) + rank, return_inverse=True, return_counts=True
    )
    # Where a count is a power of the base, the quotient of logarithms may be rounded down.
    frequencies = np.minimum(np.floor(np.log(counts) / np.log(base) + 1e-9), LEFT_OUT - 1)
    return (
        keys // len(distinct), distinct[keys % len(distinct)], frequencies.astype(np.uint8),
        codes.astype(np.int32),
    )  # fmt: skip


def mean_dates(train: Ratings) -> Array:
    """Mean day of each user's ratings; 0 without any."""
    numbers = np.asarray(train.timestamps) // SECONDS
    n_ratings = np.maximum(train.user_counts, 1)
    return np.bincount(train.user_codes, weights=numbers, minlength=train.n_users) / n_ratings
