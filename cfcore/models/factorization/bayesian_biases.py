"""`Biases`: those of users, items and sessions in the sampler of `BayesianSVD`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from cfcore.kernels.records import BiasDraws, DrawKey
from cfcore.models.factorization.bayesian_nested import Nested
from cfcore.models.factorization.bayesian_noise import GaussianNoise
from cfcore.models.factorization.bayesian_priors import drawn_precision
from cfcore.models.factorization.bayesian_residuals import Residuals
from cfcore.models.factorization.bayesian_side import BIASES
from cfcore.models.factorization.bayesian_steps import InProcess, draw_biases
from cfcore.models.factorization.user_sessions import Sessions

Array = np.ndarray[Any, Any]


class Biases:
    """Biases of groups of ratings: of users, of items, and of the sessions of each length.

    Parameters
    ----------
    users : int32[n]
        The user of each rating, ascending.
    by_user : int64[n_users + 1]
        Bounds of the ratings of each user.
    by_item : (int64[n_items + 1], int32[n])
        Bounds of the ratings of each item, and the ratings.
    seconds : int64[n] or None
        Times of the ratings, where there are sessions.
    rng : Generator
        For hyper-parameters.

    Attributes
    ----------
    biases, means : list of float64[n_groups]
        As they are drawn, and their means over sweeps.
    precisions : float64[n_kinds]
        Of the priors: users, items, sessions from the longest on.
    scalars : float64[2]
        Mean of the prior of items' biases, and its mean over sweeps.
    """

    def __init__(
        self, users: Array, by_user: Array, by_item: tuple[Array, Array], seconds: Array | None,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.rng = rng
        self.groups: list[tuple[Array, Array | None]] = [(by_user, None), by_item]
        self.sessions = Sessions.none(len(by_user) - 1)
        self.session_at: list[Array] = []
        if seconds is not None:
            self.sessions, codes = Sessions.with_codes(users, seconds, len(by_user) - 1)
            self.groups += self._session_groups(codes)
        own = [self.groups[0], *self.groups[2:]]
        self.nested = Nested(own) if len(own) > 1 else None  # users and sessions
        self.biases = [np.zeros(len(indptr) - 1) for indptr, _ in self.groups]
        self.means = [np.zeros(len(indptr) - 1) for indptr, _ in self.groups]
        self.precisions = np.full(len(self.groups), 5.0)
        self.scalars = np.zeros(2)
        self.rated = [np.diff(indptr) > 0 for indptr, _ in self.groups[:2]]
        self.features: list[Any] = [None] * len(self.groups)  # FeatureTerms of users and of items
        self.drawn: dict[int, BiasDraws] = {}  # of the last draws, whose codes are checked
        self.work: Any = InProcess()  # or what has others do it

    def _session_groups(self, placed: list[Array]) -> list[tuple[Array, Array]]:
        """Bounds and ratings of the sessions of each length, of which `placed` has that of each rating."""
        found = []
        levels = self.sessions.levels()
        self.session_at = [np.flatnonzero(levels == at) for at in range(len(self.sessions.lengths))]
        for at, codes in zip(self.session_at, placed, strict=True):
            own = np.searchsorted(at, codes)
            order = np.argsort(own, kind="stable").astype(np.int32)
            sizes = np.bincount(own, minlength=len(at))
            found.append((np.append(0, np.cumsum(sizes)).astype(np.int64), order))
        return found

    @property
    def session_variance(self) -> float:
        """Variance of a rating's sessions in the prior."""
        return float(np.sum(1 / self.precisions[2:]))

    def draw(
        self, key: tuple[int, int], residuals: Residuals, noise: GaussianNoise, n_threads: int | None
    ) -> None:
        """Draw all biases, and the precisions of each kind; the targets follow the biases.

        Parameters
        ----------
        key : (seed, sweep)
        residuals : Residuals
            Whose targets are changed in place.
        noise : GaussianNoise
        n_threads : int or None
        """
        weights = noise.weights()
        if self.nested is not None:
            self._draw_nested(self.nested, residuals, noise, n_threads)
            self._draw_precisions(key, (0, *range(2, len(self.groups))), n_threads)
        # Those of items come last: their draws sort the targets by item, for the draws of rows.
        for at in (0, 1) if self.nested is None else (1,):
            (indptr, ratings), biases, terms = self.groups[at], self.biases[at], self.features[at]
            mean = float(self.scalars[0]) if at == 1 else 0.0
            if terms is not None:
                biases -= terms.bias_sums
            before = biases.copy() if at == 1 else None
            of_items = (residuals.by_item, residuals.cross) if at == 1 else (None, None)
            changing: dict[str, Any] = {
                "targets": residuals.targets, "products": residuals.products, "biases": biases, "mean": mean,
                "precision": float(self.precisions[at]), "noise_precision": noise.precision,
                "weights": weights, "sorted": of_items[0], "cross": of_items[1],
            }  # fmt: skip
            if at not in self.drawn or self.drawn[at].indptr is not indptr:  # which chains may share
                self.drawn[at] = BiasDraws(indptr, ratings=ratings, **changing)
            given = self.drawn[at].changed(**changing), DrawKey(key[0], BIASES + at, key[1])
            self.work.run(draw_biases, len(biases), *given, n_threads=n_threads, indptr=indptr)
            if before is not None:
                residuals.subtract(residuals.ratings.indices, biases - before, n_threads)
            if terms is not None:
                biases += terms.bias_sums
            self._draw_precisions(key, (at,), n_threads)
        # Given its precision, the mean of the items' biases is normal in the prior, of that precision.
        items = self.biases[1] if self.features[1] is None else self.biases[1] - self.features[1].bias_sums
        items = self._with_ratings(1, items)
        n = len(items) + 1
        self.scalars[0] = items.sum() / n + self.rng.normal() / np.sqrt(self.precisions[1] * n)

    def _draw_nested(
        self, nested: Nested, residuals: Residuals, noise: GaussianNoise, n_threads: int | None
    ) -> None:
        """Draw the biases of users and sessions."""
        given, terms, errors = noise.rating_weights, self.features[0], residuals.errors(slice(None))
        at = [0, *range(2, len(self.groups))]
        biases, precisions = [self.biases[one] for one in at], self.precisions[at]
        prior = np.zeros(len(biases[0])) if terms is None else terms.bias_sums
        sums = nested.sums(errors if given is None else errors * given)
        square = float(np.sum(residuals.squared_errors() * noise.user_weights))
        steps = nested.draw(biases, precisions, prior, sums, square, noise, self.rng)
        self.precisions[at] = precisions
        residuals.subtract(nested.codes, steps, n_threads)

    def _draw_precisions(self, key: tuple[int, int], kinds: Iterable[int], n_threads: int | None) -> None:
        """Draw precisions given the biases of these kinds, and the effects of features on these."""
        for at in kinds:
            mean, terms = float(self.scalars[0]) if at == 1 else 0.0, self.features[at]
            apart = self.biases[at] - mean
            own = self._with_ratings(at, apart if terms is None else apart - terms.bias_sums)
            squares = float(np.sum(own**2)) + mean * mean
            self.precisions[at] = drawn_precision(len(own) + (at == 1), squares, self.rng)
            if terms is not None:
                terms.draw_on_biases(key, apart, float(self.precisions[at]), n_threads)

    def _with_ratings(self, at: int, biases: Array) -> Array:
        """Biases of a kind without those of groups that have no ratings: these do not inform the prior."""
        return biases if at > 1 or self.rated[at].all() else biases[self.rated[at]]

    def unknown(self, at: int) -> float:
        """Mean of the prior of the bias of a user (0), or an item (1), of which nothing is known."""
        mean, terms = float(self.scalars[0]) if at else 0.0, self.features[at]
        return mean if terms is None else mean + terms.mean_bias(terms.bias_effects)

    def keep(self, n: int) -> None:
        """Add the biases to their means over `n` sweeps, this one included."""
        for at, (mean, biases) in enumerate(zip(self.means, self.biases, strict=True)):
            terms = self.features[at]
            if terms is not None:  # of groups without ratings the mean of the prior, not a draw from it
                prior = terms.bias_sums + (self.scalars[0] if at == 1 else 0.0)
                biases = np.where(self.rated[at], biases, prior)
                terms.keep(n)
            mean += (biases - mean) / n
        self.scalars[1] += (self.scalars[0] - self.scalars[1]) / n

    # ------------------------------------------------------------------ arrays

    def arrays(self) -> dict[str, Array]:
        """The means, which change with every sweep."""
        names = ("user_bias", "item_bias", *(f"session_bias_{at}" for at in range(len(self.groups) - 2)))
        found = dict(zip(names, self.means, strict=True)) | {"bias_scalars": self.scalars}
        for kind, terms in zip(("user", "item"), self.features, strict=False):
            if terms is not None:
                found[f"{kind}_feature_effects"] = terms.bias_means
        return found

    def carried(self) -> dict[str, Array]:
        """Live arrays beside these that the next sweep starts from."""
        live = {f"bias_{at}": biases for at, biases in enumerate(self.biases)}
        return live | {"bias_precisions": self.precisions}

    def fields(self, arrays: Mapping[str, Array], spread: float) -> dict[str, Any]:
        """Fields of the state for copies of `arrays`, in the unit of the ratings."""
        found: dict[str, Any] = dict(self.sessions.fields())
        unknown = {"user_bias": 0.0, "item_bias": spread * float(arrays["bias_scalars"][1])}
        for (name, last), terms in zip(unknown.items(), self.features, strict=False):
            if terms is not None:
                effects = arrays[f"{name[:4]}_feature_effects"]
                found[f"{name[:4]}_feature_effects"] = np.append(spread * effects, last).astype(np.float32)
                last += spread * terms.mean_bias(effects)
            found[name] = np.append(spread * arrays[name], last).astype(np.float32)
        found["session_bias"] = np.zeros(len(self.sessions.numbers), dtype=np.float32)
        for at, where in enumerate(self.session_at):
            found["session_bias"][where] = spread * arrays[f"session_bias_{at}"]
        return found
