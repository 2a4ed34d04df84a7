"""`FeatureTerms`: effects of the features of users, or of items, in the sampler of `BayesianSVD`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from cfcore import backends
from cfcore.data import Ratings
from cfcore.data.features import Features, aligned, extended
from cfcore.data.ids import encode
from cfcore.kernels.records import DrawKey, MemberDraws
from cfcore.models.factorization.bayesian_priors import drawn_precision
from cfcore.models.factorization.bayesian_side import FIRST_PENALTY, FIXED, ON_BIASES, ON_ROWS
from cfcore.models.factorization.sets import COLUMNS, from_blocks, in_blocks, set_weights
from cfcore.threads import threads_worth

__all__ = ["FeatureTerms", "encoded_features", "row_weights", "rows_at", "weighted", "with_features"]

Array = np.ndarray[Any, Any]


class FeatureTerms:
    """The parts of the prior means of rows and of biases that follow from features.

    The prior mean of row u is m + w_u sum over its features of weight times effect, with w_u = n_u^(-1/2) for
    n_u entries: a further set. That of its bias is a mean plus the sum of weight times effect.

    Parameters
    ----------
    kind : int
        0 of users, 1 of items.
    features : Features
    at : int[n]
        Position in the features of each row of the vocabulary, -1 without.
    rated : bool[n]
        The rows with ratings, which effects are drawn given.
    n_factors : int
    rng : Generator
        For precisions.

    Attributes
    ----------
    effects : float64[n_features, n_factors]
    sums : float64[n, n_factors]
        The sums of `effects` in the prior means of rows.
    bias_effects, bias_sums : float64[n_features], float64[n]
        Likewise of biases.
    penalty, bias_precision : float64[1]
        Precision of `effects`, as a multiple of that of rows; and of `bias_effects`.
    """

    def __init__(
        self, kind: int, features: Features, at: Array, rated: Array, n_factors: int,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.kind, self.rng, self.rated = kind, rng, rated
        self.matrix = rows_at(features, at)
        self.weights = row_weights(self.matrix)
        by_feature = self.matrix.tocsc()
        by_feature.sort_indices()
        self.indptr = by_feature.indptr.astype(np.int64)
        self.owners = by_feature.indices.astype(np.int32)
        self.values = by_feature.data.astype(np.float32)
        n, n_features = self.matrix.shape
        self.effects, self.sums = np.zeros((n_features, n_factors)), np.zeros((n, n_factors))
        self.bias_effects, self.bias_sums = np.zeros(n_features), np.zeros(n)
        self.bias_means = np.zeros(n_features)
        self.penalty, self.bias_precision = np.ones(1), np.full(1, 5.0)

    def draw(
        self, key: tuple[int, int], errors: Array, precision: Array, n_threads: int | None
    ) -> None:  # fmt: skip
        """Draw the effects on rows, and their precision.

        Parameters
        ----------
        key : (seed, sweep)
        errors : float64[n, n_factors]
            Rows less all other parts of their prior means.
        precision : float64[n_factors, n_factors]
            Of the rows around their prior means.
        n_threads : int or None
        """
        size = float(np.sum(precision * np.einsum("nf,ng->fg", self.effects, self.effects)))
        drawn = drawn_precision(self.effects.size, size, self.rng)
        self.penalty[0] = drawn if key[1] >= FIXED else FIRST_PENALTY
        root = np.linalg.cholesky(precision)
        white = np.einsum("nf,fg->ng", errors - self.sums, root)
        effects = np.einsum("nf,fg->ng", self.effects, root)
        weights = np.where(self.rated, self.weights, 0.0)
        drawn_key = DrawKey(key[0], ON_ROWS + self.kind, key[1])
        effects = self._regressed(drawn_key, effects, white, weights, float(self.penalty[0]), n_threads)
        self.effects[:] = np.einsum("nf,fg->ng", effects, np.linalg.inv(root))
        self.sums[:] = weighted(self.matrix, self.effects)

    def draw_on_biases(
        self, key: tuple[int, int], biases: Array, precision: float, n_threads: int | None
    ) -> None:
        """Draw the effects on biases, and their precision.

        Parameters
        ----------
        key : (seed, sweep)
        biases : float64[n]
            Less the mean of their prior, the effects included.
        precision : float
            Of the biases around their prior means.
        n_threads : int or None
        """
        size = float(np.sum(self.bias_effects**2))
        self.bias_precision[0] = drawn_precision(len(self.bias_effects), size, self.rng)
        root = np.sqrt(precision)
        errors = np.zeros((len(biases), COLUMNS))
        errors[:, 0] = root * (biases - self.bias_sums)
        effects = np.zeros((len(self.bias_effects), COLUMNS))
        effects[:, 0] = root * self.bias_effects
        drawn_key = DrawKey(key[0], ON_BIASES + self.kind, key[1])
        penalty = float(self.bias_precision[0]) / precision
        effects = self._regressed(
            drawn_key, effects, errors, self.rated.astype(np.float64), penalty, n_threads
        )
        self.bias_effects[:] = effects[:, 0] / root
        self.bias_sums[:] = self.matrix @ self.bias_effects

    def _regressed(
        self, key: DrawKey, effects: Array, errors: Array, weights: Array, penalty: float,
        n_threads: int | None,
    ) -> Array:  # fmt: skip
        """Effects drawn one feature after the other, where the noise of `errors` is white."""
        k = effects.shape[1]
        draws = MemberDraws(
            self.indptr, self.owners, weights, in_blocks(effects), in_blocks(errors), penalty, self.values
        )
        kernel = backends.kernel("factorization.gibbs_priors")
        n_threads = threads_worth(n_threads, 4 * len(self.owners) * k)
        kernel.draw_members(draws, key, (0, len(effects)), n_threads)
        return from_blocks(draws.members, k)

    # ------------------------------------------------------------------ means and arrays

    def keep(self, n: int) -> None:
        """Add the effects on biases to their means over `n` sweeps, this one included."""
        self.bias_means += (self.bias_effects - self.bias_means) / n

    def mean_row(self) -> Array:
        """Mean of `sums` over the rows with ratings: that of a row nothing is known of."""
        mean: Array = self.sums[self.rated].mean(axis=0)
        return mean

    def mean_bias(self, effects: Array) -> float:
        """Mean over the rows with ratings of the sum of such effects on biases."""
        return float((self.matrix @ effects)[self.rated].mean())

    def carried(self, name: str) -> dict[str, Array]:
        """Live arrays that the next sweep starts from, under names that begin with `name`."""
        return {
            f"{name}_effects": self.effects, f"{name}_feature_sums": self.sums,
            f"{name}_bias_effects": self.bias_effects, f"{name}_bias_sums": self.bias_sums,
            f"{name}_effect_penalty": self.penalty, f"{name}_effect_precision": self.bias_precision,
        }  # fmt: skip


def with_features(train: Ratings, users: Any, items: Any) -> tuple[Ratings, dict[str, Any]]:
    """Training ratings whose vocabularies have the ids of tables of features, and side information of a fit.

    Parameters
    ----------
    train : Ratings
    users, items : tables as `Features` takes, or None

    Returns
    -------
    train : Ratings
    side : dict of str to (Features, int[n])
        Under "user_features" and "item_features", where they are given: the features, and the position in
        them of each id of the vocabulary, -1 without.
    """
    tables: list[Features | None] = []
    for kind, given in (("user", users), ("item", items)):
        where = f"{kind}_features"
        made = None if given is None else Features.of(given, where, kind, (train.column_names[kind],))
        tables.append(made)
        if made is not None:  # raises for ids of another kind
            vocabulary, counts = ids_of(train, kind)
            aligned(made, vocabulary, counts > 0, where, f"{kind}s")
    train = extended(train, *tables)
    side: dict[str, Any] = {}
    for kind, table in zip(("user", "item"), tables, strict=True):
        if table is not None:
            side[f"{kind}_features"] = table, encode(table.ids, ids_of(train, kind)[0])
    return train, side


def ids_of(train: Ratings, kind: str) -> tuple[Array, Array]:
    """Vocabulary of users or of items, and the number of ratings of each."""
    return (train.user_ids, train.user_counts) if kind == "user" else (train.item_ids, train.item_counts)


def encoded_features(side: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the state that say how features are encoded, and of which rows they are known."""
    found: dict[str, Any] = {}
    for kind in ("user", "item"):
        given = side.get(f"{kind}_features")
        if given is not None:
            features, at = given
            found |= {f"{kind}_encoding": features.encoding, f"{kind}_featured": at >= 0}
            found |= entry_fields(kind, rows_at(features, at))
    return found


def entry_fields(kind: str, matrix: csr_array) -> dict[str, Array]:
    """Fields of the state with the features of each row."""
    arrays = (
        ("indptr", matrix.indptr.astype(np.int64)), ("indices", matrix.indices.astype(np.int32)),
        ("weights", matrix.data.astype(np.float32)),
    )  # fmt: skip
    return {f"{kind}_feature_{name}": held for name, held in arrays}


def rows_at(features: Features, at: Array) -> csr_array:
    """Rows of features by the codes of a vocabulary, empty without: float64[n, n_features]."""
    sizes = np.where(at >= 0, np.diff(features.indptr)[at], 0)
    starts = np.where(at >= 0, features.indptr[:-1][at], 0)
    indptr = np.append(0, np.cumsum(sizes)).astype(np.int64)
    places = np.arange(indptr[-1]) - np.repeat(indptr[:-1] - starts, sizes)
    data = features.values[places].astype(np.float64)
    return csr_array((data, features.indices[places], indptr), shape=(len(at), features.n_features))


def row_weights(matrix: csr_array) -> Array:
    """n_u^(-1/2) for n_u entries in each row, 0 for rows without."""
    return set_weights(np.diff(matrix.indptr))


def weighted(matrix: csr_array, effects: Array) -> Array:
    """Weighted sums of the effects of each row's features: float64[n, k]."""
    found: Array = row_weights(matrix)[:, np.newaxis] * (matrix @ effects)
    return found
