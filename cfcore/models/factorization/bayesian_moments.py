"""`SessionMoments`: how the biases of sessions vary over the sweeps of the sampler of `BayesianSVD`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cfcore.models.factorization.user_sessions import STRIDE, Sessions

Array = np.ndarray[Any, Any]

#: Times of sessions, which are numbers times lengths, are cut off here, within int64.
LATEST = 2**62


class SessionMoments:
    """Moments over sweeps of the sum of a user's bias and the biases of a session and all that contain it.

    The sum varies less than its terms, which are negatively correlated. It is kept as a line in the
    user's bias, which other parameters of a sample depend on as well, and a variance around that line.

    Parameters
    ----------
    sessions : Sessions
    session_at : list of int64[n]
        The sessions of each length.
    n_users : int

    Attributes
    ----------
    sums : float64[n_sessions]
        Means over sweeps of the sums.
    squares, products : float64[n_sessions]
        Means of squared deviations of the sums, and of products with those of the user's bias.
    users, user_squares : float64[n_users]
        The same means of users' biases.
    """

    def __init__(self, sessions: Sessions, session_at: list[Array], n_users: int) -> None:
        n = len(sessions.numbers)
        self.session_at = session_at
        self.owners = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(sessions.indptr))
        self.outer = _outer(sessions, self.owners)
        self.sums, self.squares, self.products = np.zeros(n), np.zeros(n), np.zeros(n)
        self.users, self.user_squares = np.zeros(n_users), np.zeros(n_users)

    def add(self, n: int, user_biases: Array, session_biases: list[Array]) -> None:
        """Add the biases of a sweep (float64) to the moments of `n`, this one included."""
        if not len(self.sums):
            return
        if n == 1:  # of the first sweep after the burn-in, or of the last one in it
            for moment in (self.sums, self.squares, self.products, self.users, self.user_squares):
                moment[:] = 0
        totals = np.empty(len(self.sums))
        for at, biases in zip(self.session_at, session_biases, strict=True):
            outer = self.outer[at]
            totals[at] = biases + np.where(outer >= 0, totals[outer], user_biases[self.owners[at]])
        steps, user_steps = totals - self.sums, user_biases - self.users
        self.sums += steps / n
        self.users += user_steps / n
        apart = totals - self.sums
        self.squares += (steps * apart - self.squares) / n
        self.products += (user_steps[self.owners] * apart - self.products) / n
        self.user_squares += (user_steps * (user_biases - self.users) - self.user_squares) / n

    def arrays(self) -> dict[str, Array]:
        """Live arrays, which change with every sweep."""
        names = ("sums", "squares", "products", "users", "user_squares")
        return {f"session_{name}": getattr(self, name) for name in names}

    def pooled(self, parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """The moments of several chains of as many sweeps, whose arrays are given, together."""
        each = {name: np.array([part[name] for part in parts]) for name in self.arrays()}
        found = {name: held.mean(axis=0) for name, held in each.items()}
        sums = each["session_sums"] - found["session_sums"]
        users = each["session_users"] - found["session_users"]
        found["session_squares"] += np.mean(sums * sums, axis=0)
        found["session_products"] += np.mean(sums * users[:, self.owners], axis=0)
        found["session_user_squares"] += np.mean(users * users, axis=0)
        return found

    def fields(self, arrays: Mapping[str, Array], spread: float) -> dict[str, Any]:
        """Fields of the state for copies of `arrays`: slopes, and variances in the unit of the ratings."""
        products = arrays["session_products"]
        of_users = arrays["session_user_squares"][self.owners]
        slopes = np.divide(products, of_users, out=np.zeros(len(products)), where=of_users > 0)
        around = np.maximum(arrays["session_squares"] - slopes * products, 0)
        return {
            "session_slope": slopes.astype(np.float32),
            "session_variance": (spread**2 * around).astype(np.float32),
        }


def _outer(sessions: Sessions, owners: Array) -> Array:
    """The session of the length before that contains each session: int64[n_sessions], -1 for none."""
    found = np.full(len(sessions.numbers), -1, dtype=np.int64)
    levels = sessions.levels()
    for level in range(1, len(sessions.lengths)):
        at = np.flatnonzero(levels == level)
        most = LATEST // int(sessions.lengths[level])
        numbers = np.clip(sessions.numbers[at] - level * STRIDE, -most, most)
        found[at] = sessions.place(owners[at], numbers * sessions.lengths[level])[level - 1]
    return found
