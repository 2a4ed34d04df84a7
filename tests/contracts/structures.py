"""Synthetic ratings with one kind of structure each, and with all of them, beside biases and noise.

Each function returns training and test ratings: a random fifth is held out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import cfcore as cf

Array = np.ndarray[Any, Any]
Parts = tuple[cf.Ratings, cf.Ratings]

N_USERS, N_ITEMS, N_RATINGS = 300, 150, 12_000
FIRST, DAY = 880_000_000, 86_400


class World:
    """Pairs of users and items, with biases and times; structure is added to `signal`."""

    def __init__(self, seed: int, n_ratings: int = N_RATINGS, odds: Array | None = None) -> None:
        self.rng = np.random.default_rng(seed)
        shape = (N_USERS, N_ITEMS)
        # Exponential keys, smallest first: cells without repetition, likelier where the odds are greater.
        keys = self.rng.exponential(size=shape) / (np.ones(shape) if odds is None else odds)
        cells = np.argpartition(keys.ravel(), n_ratings)[:n_ratings]
        self.users, self.items = np.sort(cells) // N_ITEMS, np.sort(cells) % N_ITEMS
        self.days = self.rng.integers(0, 12, N_USERS)[self.users] + self.rng.integers(0, 6, n_ratings)
        user_bias, item_bias = self.rng.normal(0, 0.4, N_USERS), self.rng.normal(0, 0.4, N_ITEMS)
        self.signal = 3.5 + user_bias[self.users] + item_bias[self.items]

    def parts(self, noise: float = 0.5, step: float = 0.5) -> Parts:
        """Training and test ratings on a scale of half stars, .5 to 5."""
        exact = self.signal + self.rng.normal(0, noise, len(self.signal))
        values = np.clip(step * np.rint(exact / step), 0.5, 5).astype(np.float32)
        times = FIRST + DAY * self.days + self.rng.integers(0, DAY, len(values))
        ratings = cf.Ratings(self.users, self.items, values, times, scale=(0.5, 5.0))
        held_out = self.rng.random(len(values)) < 0.2
        return ratings.subset(~held_out), ratings.subset(held_out)


def factors(seed: int = 1) -> Parts:
    """Two factors."""
    world = World(seed)
    tastes = [world.rng.normal(0, 0.8, (n, 2)) for n in (N_USERS, N_ITEMS)]
    world.signal += (tastes[0][world.users] * tastes[1][world.items]).sum(axis=1)
    return world.parts()


def groups(seed: int = 2) -> Parts:
    """Users of ten groups agree about items of ten groups."""
    world = World(seed)
    opinions = world.rng.normal(0, 0.9, (10, 10))
    world.signal += opinions[world.users % 10, world.items % 10]
    return world.parts()


def choices(seed: int = 3) -> Parts:
    """Which items a user rated tells the user's taste; there are few ratings, and they are noisy."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, N_USERS)
    chosen = kind[:, None] == np.arange(N_ITEMS)[None, :] % 3
    world = World(seed, 5_000, np.where(chosen, 12.0, 1.0))
    opinions = np.array([[0.9, -0.9, 0.0], [0.0, 0.9, -0.9], [-0.9, 0.0, 0.9]])
    # The kinds of users differ about the two halves of the items, too.
    halves = np.where(np.arange(N_ITEMS) % 2 == 0, 0.6, -0.6)
    sides = np.array([1.0, -1.0, 0.0])
    world.signal += (
        opinions[kind[world.users], world.items % 3] + sides[kind[world.users]] * halves[world.items]
    )
    return world.parts(0.8)


def drift(seed: int = 4) -> Parts:
    """A bias of each user on each day."""
    world = World(seed)
    day_bias = world.rng.normal(0, 0.9, (N_USERS, 20))
    world.signal += day_bias[world.users, world.days]
    return world.parts()


def opposites(seed: int = 5) -> Parts:
    """Users love one half of the items and hate the other: ratings have two peaks."""
    world = World(seed)
    sides = [world.rng.choice([-1.0, 1.0], n) for n in (N_USERS, N_ITEMS)]
    world.signal += 1.2 * sides[0][world.users] * sides[1][world.items]
    return world.parts(step=1.0)


def everything(seed: int = 6) -> Parts:
    """All of these, weaker."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, N_USERS)
    chosen = kind[:, None] == np.arange(N_ITEMS)[None, :] % 3
    world = World(seed, odds=np.where(chosen, 4.0, 1.0))
    users, items = world.users, world.items
    tastes = [world.rng.normal(0, 0.6, (n, 2)) for n in (N_USERS, N_ITEMS)]
    world.signal += (tastes[0][users] * tastes[1][items]).sum(axis=1)
    world.signal += world.rng.normal(0, 0.5, (10, 10))[users % 10, items % 10]
    world.signal += np.where(chosen[users, items], 0.5, -0.5)
    world.signal += world.rng.normal(0, 0.4, (N_USERS, 20))[users, world.days]
    return world.parts()
