"""`Distributed`: distributions of predictions, for models that have more than a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from cfcore.metrics.options import EXPLORING
from cfcore.models.core.given import NewUsers
from cfcore.models.core.params import check_choice, check_number
from cfcore.random import RandomState

__all__ = ["EXPLORING", "OF", "STATISTICS", "Distributed", "Exploration"]

Array = np.ndarray[Any, Any]

#: What a standard deviation or an interval may be of.
OF = ("rating", "mean")
#: Models with distributions, for messages.
WITH_DISTRIBUTIONS = "BayesianSVD"
#: Models with chances of levels.
WITH_LEVELS = "BayesianSVD, RBM"
#: Statistics of distributions over levels.
STATISTICS = ("mean", "median", "mode")
#: Pairs whose distributions are in memory at once.
PAIRS_PER_BLOCK = 2_048


def exploration_of(by: str, n_std: float | None, random_state: RandomState) -> Exploration:
    """The options of lists that explore.

    Raises
    ------
    ValueError
        An option of another `by` is given.
    """
    check_number("n_std", n_std, 0, none=True)
    check_unused(by, n_std, random_state)
    return Exploration(by, 1.0 if n_std is None else float(n_std), random_state)


def check_unused(by: Any, n_std: float | None, random_state: RandomState) -> None:
    """Raise ValueError for an option that `by` has no use for."""
    for name, value, wanted in (("n_std", n_std, "upper"), ("random_state", random_state, "sample")):
        if value is not None and not (isinstance(by, str) and by == wanted):
            raise ValueError(f'{name}= is for by="{wanted}" alone: leave it out, or pass by="{wanted}"')


@dataclass(frozen=True)
class Exploration:
    """What lists that explore are ranked by.

    Attributes
    ----------
    by : {"upper", "sample"}
    n_std : float
        Standard deviations of the mean above it.
    random_state : int, SeedSequence, Generator or None
        Chooses the sample.
    """

    by: str
    n_std: float = 1.0
    random_state: RandomState = None


class Distributed(NewUsers):
    """Distributions behind predictions, of models that have them."""

    # ------------------------------------------------------------------ for models to write

    def _predictive(self, users: Array, items: Array, timestamps: Array | None) -> Any:
        """Distributions of ratings for codes: see `predictive_codes`."""
        raise TypeError(self._without("no distribution of its predictions"))

    def _probabilities(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """The chance of each of ``levels_`` for codes: float64[n, n_levels]."""
        raise TypeError(self._without("no chances of levels", WITH_LEVELS))

    def _explorer(self, exploration: Exploration) -> Self:
        """A copy of the model whose predictions are those that lists by `exploration` rank by."""
        raise TypeError(self._without(f'no distribution of its predictions to rank by "{exploration.by}"'))

    def _has_distributions(self) -> bool:
        return type(self)._explorer is not Distributed._explorer

    def _without(self, what: str, others: str = WITH_DISTRIBUTIONS) -> str:
        return f"{type(self).__name__} has {what}; models that have: {others}"

    # ------------------------------------------------------------------ on codes

    def predictive_codes(self, users: Array, items: Array, timestamps: Array | None = None) -> Any:
        """Distributions of ratings for codes, of models that have them.

        Parameters
        ----------
        users, items : ndarray of int32, shape (n,)
            As `encode_users` and `encode_items` give them; some thousands at most.
        timestamps : ndarray of int64, shape (n,), optional

        Returns
        -------
        Predictive
            Its methods are ``mean()``, ``variance(of)``, ``cdf(levels)`` and ``quantiles(level, of)``, where
            `of` is "rating", a new rating, or "mean", the mean of the ratings that the user may give.

        Raises
        ------
        TypeError
            The model has no distributions.
        """
        here = self.snapshot()
        here._check_fitted()
        return here._predictive(users, items, timestamps)

    def explorer(self, by: str, *, n_std: float | None = None, random_state: RandomState = None) -> Self:
        """Return a copy of the model by whose predictions lists explore; the model itself is not changed.

        ``recommend(..., by="upper")`` lists what ``explorer("upper").recommend(..., by="rating")`` does.

        Parameters
        ----------
        by : {"upper", "sample"}
            "upper": predictions are `n_std` standard deviations of the mean above it (upper confidence
            bounds). "sample": they are those of one of the kept samples (Thompson sampling).
        n_std : float, optional
            At least 0, by default 1; for "upper".
        random_state : int, SeedSequence, Generator, BitGenerator, RandomState or None
            For "sample", chooses it; None: another one in each call.

        Raises
        ------
        TypeError
            The model has no distributions.
        ValueError
            `n_std` is given for "sample", or `random_state` for "upper".
        """
        check_choice("by", by, EXPLORING)
        exploration = exploration_of(by, n_std, random_state)
        here = self.snapshot()
        here._check_fitted()
        return here._explorer(exploration)

    # ------------------------------------------------------------------ statistics

    def _statistic(self, users: Array, items: Array, timestamps: Array | None, which: str) -> Array:
        """Medians or modes of the distributions over levels, for codes: float64[n]."""
        chances = self._probabilities(users, items, timestamps)
        if which == "mode":
            best = np.argmax(chances, axis=1)
        else:  # the lowest level that at least half of the chance is up to
            best = np.argmax(np.cumsum(chances, axis=1) >= 0.5 - 1e-12, axis=1)
        return np.asarray(self._state.levels, dtype=np.float64)[best]

    # ------------------------------------------------------------------ block by block

    def _blocks(self, users: Array, items: Array, timestamps: Array | None) -> Iterator[tuple[slice, Any]]:
        """Parts of the pairs, and their distributions."""
        for begin in range(0, len(users), PAIRS_PER_BLOCK):
            part = slice(begin, begin + PAIRS_PER_BLOCK)
            times = None if timestamps is None else timestamps[part]
            yield part, self._predictive(users[part], items[part], times)
        if not len(users):
            self._predictive(users, items, timestamps)  # raises for a model that has none

    def _deviations(self, users: Array, items: Array, timestamps: Array | None, of: str) -> Array:
        """Standard deviations of ratings, or of their means, for codes: float64[n]."""
        found = np.empty(len(users))
        for part, one in self._blocks(users, items, timestamps):
            found[part] = np.sqrt(one.variance(of))
        return found

    def _quantiles(
        self, users: Array, items: Array, timestamps: Array | None, levels: tuple[float, ...], of: str
    ) -> Array:
        """Quantiles of ratings, or of their means, within the scale: float64[n_levels, n]."""
        found = np.empty((len(levels), len(users)))
        for part, one in self._blocks(users, items, timestamps):
            for row, level in zip(found, levels, strict=True):
                row[part] = one.quantiles(level, of)
        return np.clip(found, *self._state.scale, out=found)
