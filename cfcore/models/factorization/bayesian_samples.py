"""`Samples`: what the sampler of `BayesianSVD` keeps of its sweeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.models.factorization.bayesian_side import Side

Array = np.ndarray[Any, Any]


class Samples:
    """Parameters of some of the sweeps after the burn-in, in units of the ratings' standard deviation.

    Until the end of the burn-in, the first sample is the last sweep.

    Parameters
    ----------
    users, items : Side
    burn_in, n_samples : int
    most : int
        At most so many sweeps are kept.

    Attributes
    ----------
    row_means : float32[n_users, width]
        Means of the conditional distributions of the users' rows in this sweep, see `wants_means`.
    """

    def __init__(self, users: Side, items: Side, burn_in: int, n_samples: int, most: int) -> None:
        self.users, self.items, self.burn_in = users, items, burn_in
        self.sweeps = kept_sweeps(burn_in, n_samples, most)
        self.n_sweeps = burn_in + n_samples
        n_kept, k = len(self.sweeps), users.n_factors
        n_members = items.n if users.has_sets else 0
        self.held: dict[str, Array] = {
            "user_factors": np.zeros((users.n + 1, n_kept, k), dtype=np.float32),
            "item_factors": np.zeros((items.n + 1, n_kept, k), dtype=np.float32),
            "implicit_factors": np.zeros((n_members, n_kept, k), dtype=np.float32),
            "item_biases": np.zeros((items.n, n_kept), dtype=np.float32),
            "prior_means": np.zeros((n_kept, k)),
            "prior_precisions": np.zeros((n_kept, k, k)),
            "precisions": np.zeros((n_kept, 2)),
        }
        sides = {"user_feature_factors": users, "item_feature_factors": items}
        self.featured = [(name, side) for name, side in sides.items() if side.features is not None]
        for name, side in self.featured:
            self.held[name] = np.zeros((len(side.features.effects) + 1, n_kept, k), dtype=np.float32)
        self.row_means = np.zeros_like(users.rows)

    def keeps(self, k: int) -> bool:
        """Whether sweep `k` becomes a sample, if only until the next sweep."""
        return k < self.burn_in or k in self.sweeps

    def n_kept(self, n_epochs: int) -> int:
        """The number of samples after so many sweeps."""
        return max(int(np.searchsorted(self.sweeps, n_epochs)), 1)

    def keep(self, k: int, user_bias_precision: float, item_biases: Array, variance: float) -> None:
        """Add the parameters to the samples if sweep `k` is kept.

        Parameters
        ----------
        k : int
        user_bias_precision : float
        item_biases : float64[n_items]
        variance : float
            Of a rating outside of sessions.
        """
        if not self.keeps(k):
            return
        at = self.n_kept(k + 1) - 1
        held, users, items = self.held, self.users, self.items
        n_factors = users.n_factors
        held["user_factors"][:-1, at] = self.row_means[:, :n_factors]
        held["user_factors"][-1, at] = users.unknown_row()
        held["item_factors"][:-1, at] = items.rows[:, :n_factors]
        held["item_factors"][-1, at] = items.unknown_row()
        for name, side in self.featured:
            held[name][:-1, at], held[name][-1, at] = side.features.effects, side.mean
        if users.has_sets:
            held["implicit_factors"][:, at] = users.members
        held["item_biases"][:, at] = item_biases
        held["prior_means"][at], held["prior_precisions"][at] = users.mean, users.precision
        held["precisions"][at] = 1 / variance, user_bias_precision

    def carried(self) -> dict[str, Array]:
        """Live arrays of the samples."""
        return {f"sample_{name}": held for name, held in self.held.items()}

    def fields(self, n_epochs: int, spread: float) -> dict[str, Any]:
        """Fields of the state after so many sweeps, with samples side by side."""
        n = self.n_kept(n_epochs)
        is_last = n_epochs == self.n_sweeps  # no further sweep changes the samples
        found: dict[str, Any] = {}
        for name, samples in self.held.items():
            part = samples[:n] if name.startswith("pr") else samples[:, :n]
            found[name] = samples if is_last else part.copy()
        n_columns = n * self.users.n_factors
        names = [name for name, _ in self.featured]
        for name in ("user_factors", "item_factors", "implicit_factors", *names):
            found[name] = found[name].reshape(len(found[name]), n_columns)
        if not self.users.has_sets:
            found["implicit_factors"] = np.zeros((self.items.n, 0), dtype=np.float32)
        for name in ("user_factors", "user_feature_factors"):
            if name in found:
                found[name] = found[name] * np.float32(spread / n)
        return found


def kept_sweeps(burn_in: int, n_samples: int, most: int) -> Array:
    """The sweeps whose samples are kept: at most so many, evenly spaced, the last among them."""
    n_kept = min(n_samples, most)
    return burn_in + (np.arange(1, n_kept + 1) * n_samples) // n_kept - 1
