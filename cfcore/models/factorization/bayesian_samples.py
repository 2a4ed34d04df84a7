"""`Samples`: what the sampler of `BayesianSVD` keeps of its sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cfcore.models.factorization.bayesian_biases import Biases
from cfcore.models.factorization.bayesian_noise import GaussianNoise
from cfcore.models.factorization.bayesian_side import Side
from cfcore.models.factorization.bayesian_stopping import Stopping, kept_sweeps

Array = np.ndarray[Any, Any]

#: What is kept with samples along the first axis.
BY_SAMPLE = ("prior_means", "prior_precisions", "item_precisions", "precisions", "cut_points")
#: Fractions of multiples of this are spread evenly over [0, 1), however many there are.
GOLDEN = (np.sqrt(5) - 1) / 2
#: In place of a sweep that is not planned.
NEVER = np.iinfo(np.int64).max


class Samples:
    """Parameters of some of the sweeps after the burn-in, in units of the ratings' standard deviation.

    Before the first of these sweeps, the latest sweep is the only sample. The last user and item are the
    unknown: what is drawn from the priors.

    Parameters
    ----------
    users, items : Side
    burn_in : int
    stopping : Stopping
        How many there are after these.
    most : int
        At most so many sweeps are kept. A sample takes 4 bytes for each factor of an item, and of each member
        of users' sets, and 8 for each factor of a user.

    Attributes
    ----------
    sweeps : int64[n]
        The sweeps that are kept, ascending, as far as they are planned.
    n_sweeps : int
        Sweeps in all.
    row_means : float32[n_users, width]
        Means of the conditional distributions of the users' rows in this sweep, see `keeps`.
    """

    def __init__(self, users: Side, items: Side, burn_in: int, stopping: Stopping, most: int) -> None:
        self.users, self.items, self.burn_in = users, items, burn_in
        self.sweeps = np.full(min(stopping.most, most), NEVER)
        planned = kept_sweeps(burn_in, stopping.planned, most)
        self.sweeps[: len(planned)] = planned
        self.n_sweeps = burn_in + stopping.most
        self.row_means = np.zeros_like(users.rows)

    def hold(self, seed: int, biases: Biases, noise: GaussianNoise) -> None:
        """Allocate the arrays of the samples; biases and noise are those of the sweeps to keep."""
        self.seed, self.biases, self.noise = seed, biases, noise
        sides = {"user_feature_factors": self.users, "item_feature_factors": self.items}
        self.featured = [(name, side) for name, side in sides.items() if side.features is not None]
        self.held = self._room(len(self.sweeps))
        self.latest = self._room(1)

    def _room(self, n_kept: int) -> dict[str, Array]:
        users, items, biases = self.users, self.items, self.biases
        k, n_members = users.n_factors, items.n if users.has_sets else 0
        room: dict[str, Array] = {
            "user_factors": np.zeros((users.n + 1, n_kept, k), dtype=np.float32),
            "user_draws": np.zeros((users.n + 1, n_kept, k), dtype=np.float32),
            "item_factors": np.zeros((items.n + 1, n_kept, k), dtype=np.float32),
            "implicit_factors": np.zeros((n_members, n_kept, k), dtype=np.float32),
            "unknown_item": np.zeros((1, n_kept, k), dtype=np.float32),
            "user_biases": np.zeros((users.n + 1, n_kept), dtype=np.float32),
            "item_biases": np.zeros((items.n + 1, n_kept), dtype=np.float32),
            "user_weights": np.zeros((users.n + 1, n_kept), dtype=np.float32),
            "prior_means": np.zeros((n_kept, k)),
            "prior_precisions": np.zeros((n_kept, k, k)),
            "item_precisions": np.zeros((n_kept, k, k)),
            "precisions": np.zeros((n_kept, 1 + len(biases.precisions))),
        }
        if self.noise.cut_points is not None:
            room["cut_points"] = np.zeros((n_kept, len(self.noise.cut_points)))
        for name, side in self.featured:
            room[name] = np.zeros((len(side.features.effects) + 1, n_kept, k), dtype=np.float32)
        return room

    def keeps(self, k: int) -> bool:
        """Whether sweep `k` becomes a sample, if only until the next sweep."""
        return k < self.sweeps[0] or k in self.sweeps

    def n_kept(self, n_epochs: int) -> int:
        """The number of samples after so many sweeps; 0 before the first, when there is the latest sweep."""
        return int(np.searchsorted(self.sweeps, n_epochs))

    def plan(self, n_samples: int) -> None:
        """Plan further sweeps, after those planned so far: `n_samples` after the burn-in.

        Of the samples so far those stay that are nearest to evenly spaced ones.
        """
        own = self.sweeps[self.sweeps < NEVER]
        spread = kept_sweeps(self.burn_in, n_samples, len(self.sweeps))
        new = spread[spread > own[-1]]
        stay = nearest(own, spread[: len(spread) - len(new)])
        for name, samples in self.held.items():
            part = samples if name in BY_SAMPLE else samples.swapaxes(0, 1)
            for at, before in enumerate(stay):
                part[at] = part[before]
        self.sweeps[:] = NEVER
        self.sweeps[: len(stay) + len(new)] = np.append(own[stay], new)

    def keep(self, k: int) -> None:
        """Add the parameters to the samples if sweep `k` is kept."""
        if not self.keeps(k):
            return
        n, users, items, biases = self.n_kept(k + 1), self.users, self.items, self.biases
        held, at = (self.held, n - 1) if n else (self.latest, 0)
        n_factors = users.n_factors
        means = self.row_means[:, :n_factors]
        held["user_factors"][:-1, at], held["user_factors"][-1, at] = means, users.unknown_row()
        held["user_draws"][:-1, at] = users.rows[:, :n_factors] - means
        held["item_factors"][:-1, at] = items.rows[:, :n_factors]
        held["item_factors"][-1, at] = items.unknown_row()
        if items.features is not None:  # of items without ratings the mean of the prior, not a draw
            unrated = np.flatnonzero(~items.rated)
            held["item_factors"][unrated, at] = items.mean + items.features.sums[unrated]
        for name, side in self.featured:
            held[name][:-1, at], held[name][-1, at] = side.features.effects, side.mean
        if users.has_sets:
            held["implicit_factors"][:, at] = users.members
        for name, drawn in (("user_biases", biases.biases[0]), ("item_biases", biases.biases[1])):
            held[name][:-1, at] = drawn
        held["user_weights"][:-1, at] = self.noise.user_weights
        held["prior_means"][at], held["prior_precisions"][at] = users.mean, users.precision
        held["item_precisions"][at] = items.precision
        held["precisions"][at] = self.noise.precision, *biases.precisions
        if self.noise.cut_points is not None:
            held["cut_points"][at] = self.noise.cut_points
        self._keep_unknown(held, k, at)

    def _keep_unknown(self, held: dict[str, Array], k: int, at: int) -> None:
        """Draw the unknown user and item from their priors, by numbers that no sweep depends on."""
        biases = self.biases
        rng = np.random.default_rng((self.seed, k))
        for name, side in (("user_draws", self.users), ("unknown_item", self.items)):
            root = np.linalg.cholesky(side.precision)
            held[name][-1, at] = np.linalg.solve(root.T, rng.normal(size=side.n_factors))
        deviations = 1 / np.sqrt(biases.precisions[:2])
        held["user_biases"][-1, at] = biases.unknown(0) + deviations[0] * rng.normal()
        held["item_biases"][-1, at] = biases.unknown(1) + deviations[1] * rng.normal()
        # Quantiles of the Gamma prior: of few samples, they are more like it than draws are.
        held["user_weights"][-1, at] = self.noise.prior_weight((at * GOLDEN + 0.5) % 1)

    def arrays(self) -> dict[str, Array]:
        """Live arrays of the latest sweep, of which `fields` takes copies."""
        return {f"latest_{name}": held for name, held in self.latest.items()}

    def carried(self) -> dict[str, Array]:
        """Live arrays of the samples."""
        return {"kept_sweeps": self.sweeps} | {f"sample_{name}": held for name, held in self.held.items()}

    def fields(self, arrays: Mapping[str, Array], n_epochs: int, spread: float) -> dict[str, Any]:
        """Fields of the state after so many sweeps, with samples side by side."""
        n = self.n_kept(n_epochs)
        held = self.held
        if not n:
            held, n = {name: arrays[f"latest_{name}"] for name in held}, 1
        # No further sweep changes the samples, and there are as many as there may be.
        is_last = n_epochs == self.n_sweeps and n == len(self.sweeps)
        found: dict[str, Any] = {}
        for name, samples in held.items():
            part = samples[:n] if name in BY_SAMPLE else samples[:, :n]
            found[name] = samples if is_last else part.copy()
        n_columns = n * self.users.n_factors
        names = ["user_factors", "user_draws", "item_factors", "implicit_factors", "unknown_item"]
        for name in (*names, *(name for name, _ in self.featured)):
            found[name] = found[name].reshape(len(found[name]), n_columns)
        if not self.users.has_sets:
            found["implicit_factors"] = np.zeros((self.items.n, 0), dtype=np.float32)
        for name in ("user_factors", "user_feature_factors"):
            if name in found:
                found[name] = found[name] * np.float32(spread / n)
        found["unknown_item"] = found["unknown_item"][0]
        return found


def nearest(held: Array, wanted: Array) -> list[int]:
    """Positions of different sweeps among those held, the nearest to each of those wanted; both ascend.

    There are no more wanted than held.
    """
    found = np.searchsorted((held[1:] + held[:-1]) / 2, wanted)
    n = len(wanted)
    for at in range(n):
        least = found[at - 1] + 1 if at else 0
        found[at] = min(max(found[at], least), len(held) - n + at)
    return [int(at) for at in found]
