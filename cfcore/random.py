"""Random generators, made from ``random_state``; nothing is drawn from a global generator."""

from __future__ import annotations

import numpy as np

from cfcore.errors import shown

__all__ = ["RandomState", "generator", "seed64"]

RandomState = (
    int
    | np.integer
    | np.random.SeedSequence
    | np.random.Generator
    | np.random.BitGenerator
    | np.random.RandomState
    | None
)


def generator(random_state: RandomState) -> np.random.Generator:
    """Generator for a `random_state`.

    Parameters
    ----------
    random_state : int, SeedSequence, Generator, BitGenerator, RandomState or None
        An int or a SeedSequence gives the same numbers every time; a Generator is used itself, so that its
        state advances; so does that of a BitGenerator, and of a RandomState, of which a seed is drawn. None
        draws a seed from the operating system.

    Raises
    ------
    ValueError
        For a negative int or any other type.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.BitGenerator):
        return np.random.Generator(random_state)
    if isinstance(random_state, np.random.RandomState):
        words = random_state.randint(0, 2**32, size=4, dtype=np.uint32)
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words.tolist())))
    if isinstance(random_state, np.random.SeedSequence):
        # A new object, because a SeedSequence counts the children that it has spawned.
        random_state = np.random.SeedSequence(random_state.entropy, spawn_key=random_state.spawn_key)
        return np.random.Generator(np.random.PCG64(random_state))
    is_int = isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool)
    if random_state is None or (is_int and random_state >= 0):
        return np.random.Generator(np.random.PCG64(random_state))
    raise ValueError(
        "random_state must be None, a non-negative int, or a SeedSequence, Generator, BitGenerator or "
        f"RandomState of numpy.random, not {shown(random_state)}; random_state=0 gives the same numbers "
        "every time"
    )


def seed64(rng: np.random.Generator) -> int:
    """A 64-bit key for the counter-based generators of the kernels."""
    return int(rng.integers(0, 2**64, dtype=np.uint64))
