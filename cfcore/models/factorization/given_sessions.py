r"""Sessions of ratings that come with a question: their biases are integrated out, and then solved for.

With biases of sessions, the noise of a user's ratings has the covariance :math:`I / \alpha + \sum_l S_l S_l^T
/ \tau_l`, where :math:`S_l` tells which ratings are in which session of length l. Sessions are nested, so
that its inverse is the identity times :math:`\alpha` less a rank-one term for each session: the equations of
a user's row have a further row of weight -1 for each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.models.factorization.user_sessions import Sessions

Array = np.ndarray[Any, Any]


class GivenSessions:
    """The sessions of some ratings: sums over ratings from the shortest to the longest, and biases back.

    Parameters
    ----------
    lengths : int64[n_lengths]
    users : int32[n]
        Ascending.
    seconds : int64[n]
    n_users : int

    Attributes
    ----------
    sessions : Sessions
        Of all lengths.
    """

    def __init__(self, lengths: Array, users: Array, seconds: Array, n_users: int) -> None:
        self.sessions, of_ratings = Sessions.of_lengths(lengths, users, seconds, n_users)
        levels = self.sessions.levels()
        self.at = [np.flatnonzero(levels == level) for level in range(len(lengths))]
        own = [np.searchsorted(at, codes) for at, codes in zip(self.at, of_ratings, strict=True)]
        self.order = np.argsort(own[-1], kind="stable")
        groups = own[-1][self.order]
        self.starts = [np.flatnonzero(np.diff(groups, prepend=-1))]
        self.parents: list[Array] = []
        for level in range(len(lengths) - 1, 0, -1):  # sessions are in the order of those that contain them
            parent = np.empty(len(self.at[level]), dtype=np.int64)
            parent[own[level]] = own[level - 1]
            self.parents.append(parent)
            self.starts.append(np.flatnonzero(np.diff(parent, prepend=-1)))

    def sums(self, rows: Array, noise: Array, precisions: Array) -> tuple[Array, Array]:
        """Sums over the ratings of each session, less what the biases of the sessions within it account for.

        Parameters
        ----------
        rows : float32[n, n_samples, size]
        noise : float32[n_samples]
            Precision of the ratings' noise.
        precisions : float32[n_samples, n_lengths]
            Of the biases.

        Returns
        -------
        sums : float32[n_sessions, n_samples, size]
        weights : float32[n_sessions, n_samples]
            The same sums of ones.
        """
        n_sessions = len(self.sessions.numbers)
        sums = np.empty((n_sessions, *rows.shape[1:]), dtype=np.float32)
        weights = np.empty((n_sessions, rows.shape[1]), dtype=np.float32)
        now = np.add.reduceat(rows[self.order], self.starts[0], axis=0)
        sizes = np.diff(self.starts[0], append=len(rows))
        now *= noise[:, np.newaxis]
        weight = sizes[:, np.newaxis].astype(np.float32) * noise
        for up, at in enumerate(reversed(self.at)):
            sums[at], weights[at] = now, weight
            if up + 1 < len(self.at):
                precision = precisions[:, len(self.at) - 1 - up]
                left = precision / (precision + weight)
                now = np.add.reduceat(now * left[:, :, np.newaxis], self.starts[up + 1], axis=0)
                weight = np.add.reduceat(weight * left, self.starts[up + 1], axis=0)
        return sums, weights

    def biases(self, sums: Array, weights: Array, precisions: Array) -> tuple[Array, Array, Array]:
        """Biases of the sessions given the errors of the ratings without them, and how they vary.

        Parameters
        ----------
        sums, weights : float32[n_sessions, n_samples]
            Of the errors of the ratings, as `sums` returns them.
        precisions : float32[n_samples, n_lengths]

        Returns
        -------
        means : float32[n_sessions, n_samples]
            Of the biases.
        slopes, variances : float32[n_sessions, n_samples]
            Of the sum of a session's bias, of all that contain it, and of the user's: its slope in the user's
            bias, and its variance around that.
        """
        means, slopes, variances, above = (np.zeros_like(weights) for _ in range(4))
        for level, at in enumerate(self.at):
            precision = precisions[:, level]
            total = precision + weights[at]
            slope, variance, outer = np.ones_like(total), np.zeros_like(total), np.zeros_like(total)
            if level:
                parents = self.at[level - 1][self.parents[len(self.at) - 1 - level]]
                slope, variance, outer = slopes[parents], variances[parents], above[parents]
            means[at] = (sums[at] - weights[at] * outer) / total
            above[at] = outer + means[at]
            left = precision / total
            slopes[at], variances[at] = slope * left, variance * left * left + 1 / total
        return means, slopes, variances
