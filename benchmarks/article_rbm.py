"""The article's conditional RBM in NumPy, with a switch for each of its faults and choices.

A case is a user, a visible unit an item with a softmax over the levels of the scale. `Settings()` is the
program as its author published it; every other value of a switch corrects or changes one thing. It is for
comparisons only; to train models, use `cfcore.RBM`.

Two faults are left out, because they end the program and do not change the error: it raises on underflow of
exp, as the maximum is not subtracted, and on users without training ratings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

Array = np.ndarray[Any, Any]

#: Part of the epochs, at the end, whose parameters are averaged.
AVERAGED = 0.375
#: Initial visible bias of a level without ratings, if initial biases are plain logarithms of frequencies.
NEVER = -10.0
#: Pseudo-ratings per level, in the distribution of all ratings, by which initial biases are smoothed.
SMOOTH = 10.0


@dataclass(frozen=True)
class Settings:
    """The program of the article, and the changes to it.

    Attributes
    ----------
    lr_weights, lr_visible, lr_hidden, lr_conditional : float
        Learning rates of W, b_ik, b_j and D. In the long run, momentum multiplies them by 1 / (1 - momentum).
    momentum, weight_decay : float
        The decay applies to W only, in rows of the items of the mini-batch.
    lr_decay : float
        The last rates over the first; they decrease geometrically.
    cd_steps : tuple of int
        Gibbs steps; several numbers apply to equal parts of the epochs.
    sign : {-1, 1}
        Sign of D in the inputs of the hidden units. Its gradient is that for 1; the article has -1.
    conditional : {"sum", "own", None}
        The gradient of D_i: the sum of p+ - p- over all cases of the mini-batch (the article), or over those
        that rated i; None: no D.
    conditional_decay : float
        Decay of D in the rows that are updated.
    normalize : {"article", "count", "batch"}
        Divisor of the gradients. "count": those of an item's parameters by the cases that rated it, that of
        b_j by the cases of the mini-batch; "batch": all by the latter; "article": W and b_ik as "count", D
        and b_j by `batch_size`, also in the last mini-batch, which may be smaller.
    start : {"article", "smoothed"}
        Initial visible biases: logs of frequencies, -10 for a level and 0 for an item without ratings; or
        logs of frequencies smoothed by those of all ratings.
    init_scale : float
        Standard deviation of the initial W.
    per_rating : bool
        The other reading of the article's listing, whose indentation is lost: the negative phase and the sum
        of p+ - p- are inside the loop over a case's items. The sum then counts each case once for each of its
        ratings.
        (Each rating would also have its own chain; here the ratings of a case share one, which does not
        change the distribution of the updates of W_i and b_i.)
    """

    lr_weights: float = 0.005
    lr_visible: float = 0.005
    lr_hidden: float = 0.05
    lr_conditional: float = 0.001
    momentum: float = 0.7
    weight_decay: float = 0.001
    lr_decay: float = 1.0
    n_hidden: int = 30
    n_epochs: int = 100
    batch_size: int = 30
    cd_steps: tuple[int, ...] = (3,)
    sign: int = -1
    conditional: str | None = "sum"
    conditional_decay: float = 0.0
    normalize: str = "article"
    start: str = "article"
    init_scale: float = 0.01
    per_rating: bool = False

    def rates(self, epoch: int) -> tuple[float, float, float, float]:
        """Rates of W, b_ik, b_j and D in an epoch."""
        left = self.lr_decay ** (epoch / max(1, self.n_epochs - 1))
        rates = self.lr_weights, self.lr_visible, self.lr_hidden, self.lr_conditional
        return tuple(rate * left for rate in rates)  # type: ignore[return-value]


@dataclass
class Parameters:
    """W, b_ik, b_j and D; or their velocities; or their mean."""

    weights: Array
    visible: Array
    hidden: Array
    conditional: Array

    def arrays(self) -> tuple[Array, ...]:
        """All four."""
        return self.weights, self.visible, self.hidden, self.conditional

    def copy(self) -> Parameters:
        """A copy of all four."""
        return Parameters(*(array.copy() for array in self.arrays()))


@dataclass(frozen=True)
class Ones:
    """Ratings in compressed rows by user: item and level of each; and the numbers of items and levels."""

    indptr: Array
    items: Array
    levels: Array
    n_items: int
    n_levels: int

    @classmethod
    def of(cls, ratings: Any) -> Self:
        """The ratings of a `cfcore.Ratings` on the levels 1, 2, ..."""
        rows = ratings.by_user
        levels = rows.values.astype(np.int64) - 1
        return cls(rows.indptr, rows.indices.astype(np.int64), levels, ratings.n_items, int(levels.max()) + 1)

    def counts(self) -> Array:
        """Number of ratings of each item at each level."""
        cells = self.items * self.n_levels + self.levels
        size = self.n_items * self.n_levels
        return np.bincount(cells, minlength=size).reshape(self.n_items, self.n_levels).astype(np.float64)

    def pairs(self, users: Array) -> tuple[Array, Array]:
        """Positions of the ratings of some users, and their compressed rows."""
        lengths = self.indptr[users + 1] - self.indptr[users]
        indptr = np.append(0, np.cumsum(lengths))
        return np.repeat(self.indptr[users] - indptr[:-1], lengths) + np.arange(indptr[-1]), indptr


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    return 1 / (1 + np.exp(np.minimum(-x, 87)))


def softmax(x: Array) -> Array:
    """Distributions along the last axis."""
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    x /= x.sum(axis=-1, keepdims=True)
    return x


class ArticleRBM:
    """The article's RBM; `fit` trains it for all epochs, `epoch` for one.

    Parameters
    ----------
    ratings : Ones
    settings : Settings
    seed : int

    Attributes
    ----------
    latest, mean : Parameters
        Those after the last epoch, and the mean over the last epochs.
    """

    def __init__(self, ratings: Ones, settings: Settings, seed: int) -> None:
        self.ratings, self.settings = ratings, settings
        self._rng = np.random.default_rng(seed)
        n_items, n_levels, n_hidden = ratings.n_items, ratings.n_levels, settings.n_hidden
        weights = self._rng.standard_normal((n_items, n_levels, n_hidden), dtype=np.float32)
        self.latest = Parameters(
            weights * np.float32(settings.init_scale),
            first_biases(ratings.counts(), settings.start).astype(np.float32),
            np.zeros(n_hidden, dtype=np.float32),
            np.zeros((n_items, n_hidden), dtype=np.float32),
        )
        self.mean = self.latest.copy()
        self._velocity = Parameters(*(np.zeros_like(array) for array in self.latest.arrays()))
        self._users = np.flatnonzero(np.diff(ratings.indptr))
        self._local = np.zeros(n_items, dtype=np.int64)  # scratch: positions of items in a mini-batch

    def fit(self) -> Self:
        """Train for all epochs."""
        n_epochs = self.settings.n_epochs
        first = n_epochs - max(1, int(AVERAGED * n_epochs))
        for epoch in range(n_epochs):
            self.epoch(epoch)
            share = np.float32(1 / max(1, epoch + 1 - first))
            for mean, latest in zip(self.mean.arrays(), self.latest.arrays(), strict=True):
                mean += share * (latest - mean)
        return self

    def epoch(self, epoch: int) -> None:
        """One pass over the users in a new order."""
        how = self.settings
        order = self._rng.permutation(self._users)
        n_steps = how.cd_steps[epoch * len(how.cd_steps) // how.n_epochs]
        for begin in range(0, len(order), how.batch_size):
            self.step(order[begin : begin + how.batch_size], n_steps, how.rates(epoch))

    def step(self, users: Array, n_steps: int, rates: tuple[float, ...]) -> None:
        """Update the parameters by the difference between one mini-batch and its reconstruction."""
        how, now = self.settings, self.latest
        positions, indptr = self.ratings.pairs(users)
        rated_items, n_levels = self.ratings.items[positions], self.ratings.n_levels
        self._local[rated_items] = 1
        items = np.flatnonzero(self._local)
        self._local[items] = np.arange(len(items))
        local = self._local[rated_items]
        self._local[items] = 0
        shape = len(items), n_levels, how.n_hidden
        weights = now.weights[items]
        flat = weights.reshape(-1, how.n_hidden)
        # Logits of each rating, a row a level: NumPy is fast on long rows.
        cell = np.repeat(np.arange(len(users)), np.diff(indptr)) * shape[0] + local
        cells = cell * n_levels + np.arange(n_levels)[:, None]
        biases = np.ascontiguousarray(now.visible[rated_items].T)
        rated = rows_of(local, indptr, shape[0])
        offset = now.hidden
        if how.conditional:
            offset = offset + np.float32(how.sign) * (rated @ now.conditional[items])

        data = rows_of(local * n_levels + self.ratings.levels[positions], indptr, len(flat))
        drawn = data.copy()
        first = on = sigmoid(offset + data @ flat)
        for _ in range(n_steps):
            state = (self._rng.random(on.shape, dtype=np.float32) < on).astype(np.float32)
            level = draw(np.take(state @ flat.T, cells) + biases, self._rng)
            drawn.indices = (local * n_levels + level).astype(data.indices.dtype)
            on = sigmoid(offset + drawn @ flat)

        difference = first - on
        weight = np.diff(indptr).astype(np.float32) if how.per_rating else np.ones(len(users), np.float32)
        total = weight @ difference
        counts = np.bincount(local, minlength=shape[0]).astype(np.float32)
        size = np.float32(how.batch_size if how.normalize == "article" else len(users))
        over = np.full_like(counts, len(users)) if how.normalize == "batch" else counts
        seen = np.bincount(data.indices, minlength=len(flat)) - np.bincount(
            drawn.indices, minlength=len(flat)
        )
        step = data.T @ first
        step -= drawn.T @ on
        step = step.reshape(shape)
        step /= over[:, None, None]
        self._update(0, items, step, rates[0], how.weight_decay)
        self._update(1, items, seen.reshape(shape[:2]).astype(np.float32) / over[:, None], rates[1])
        self._update(2, slice(None), total / size, rates[2])
        if how.conditional == "own":
            step = (rated.T @ difference) / (over[:, None] if how.normalize == "count" else size)
            self._update(3, items, step, rates[3], how.conditional_decay)
        elif how.conditional == "sum":
            step = np.tile(total / size, (shape[0], 1))
            self._update(3, items, step, rates[3], how.conditional_decay)

    def _update(self, kind: int, where: Any, step: Array, rate: float, decay: float = 0.0) -> None:
        """Update one kind of parameter; rows of items outside the mini-batch keep values and velocities."""
        array, velocity = self.latest.arrays()[kind], self._velocity.arrays()[kind]
        before, fresh = array[where], velocity[where]
        if decay:
            step -= np.float32(decay) * before
        step *= np.float32(rate)
        fresh = fresh * np.float32(self.settings.momentum)
        fresh += step
        velocity[where] = fresh
        array[where] = before + fresh

    def predict(
        self,
        users: Array,
        items: Array,
        *,
        averaged: bool = False,
        exact: bool = False,
        fallback: bool = False,
    ) -> Array:
        """Expected ratings.

        Parameters
        ----------
        users, items : ndarray of int
        averaged : bool
            Predict by the mean of the last epochs' parameters instead of those after the last epoch.
        exact : bool
            Sum over the states of the hidden units instead of using their means.
        fallback : bool
            Predict items without ratings by the user's mean, shrunk towards the mean of all ratings.
        """
        now = self.mean if averaged else self.latest
        ratings = self.ratings
        cells = ratings.items * ratings.n_levels + ratings.levels
        flat = now.weights.reshape(-1, self.settings.n_hidden)
        inputs = now.hidden + rows_of(cells, ratings.indptr, len(flat)) @ flat
        if self.settings.conditional:
            rated = rows_of(ratings.items, ratings.indptr, ratings.n_items)
            inputs += np.float32(self.settings.sign) * (rated @ now.conditional)
        scale = np.arange(1.0, ratings.n_levels + 1)
        out = np.empty(len(users))
        for begin in range(0, len(users), 4096):
            part = slice(begin, begin + 4096)
            x, weights = inputs[users[part]], now.weights[items[part]]
            if exact:
                added = np.logaddexp(0, x[:, None, :].astype(np.float64) + weights).sum(axis=2)
            else:
                added = np.einsum("nkj,nj->nk", weights, sigmoid(x)).astype(np.float64)
            out[part] = softmax(now.visible[items[part]] + added) @ scale
        if fallback:
            unseen = ratings.counts().sum(axis=1)[items] == 0
            out[unseen] = self._usual(users[unseen])
        return out

    def _usual(self, users: Array) -> Array:
        """Means of users' ratings, each with five more ratings at the mean of all."""
        values = self.ratings.levels + 1.0
        sums = np.append(0, np.cumsum(values))[self.ratings.indptr]
        lengths = np.diff(self.ratings.indptr)
        return ((np.diff(sums) + 5 * values.mean()) / (lengths + 5))[users]


def first_biases(counts: Array, start: str) -> Array:
    """Initial b_ik; see `Settings`."""
    totals = counts.sum(axis=1, keepdims=True)
    if start == "smoothed":
        overall = counts.sum(axis=0) + 1
        strength = SMOOTH * counts.shape[1]
        return np.log((counts + strength * overall / overall.sum()) / (totals + strength))
    logs = np.full(counts.shape, NEVER)
    np.log(counts / np.maximum(totals, 1), out=logs, where=counts > 0)
    return np.where(totals > 0, logs, 0.0)


def rows_of(columns: Array, indptr: Array, n_columns: int) -> Any:
    """Sparse matrix of ones, float32, from compressed rows."""
    ones = np.ones(len(columns), dtype=np.float32)
    return sp.csr_matrix((ones, columns, indptr), shape=(len(indptr) - 1, n_columns))


def draw(logits: Array, rng: np.random.Generator) -> Array:
    """Draw a level from each distribution, a column each."""
    logits -= logits.max(axis=0)
    shares = np.cumsum(np.exp(logits, out=logits), axis=0)
    uniform = rng.random(shares.shape[1], dtype=np.float32) * shares[-1]
    return (uniform >= shares[:-1]).sum(axis=0)
