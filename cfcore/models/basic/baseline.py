"""`Baseline`: the overall mean and a bias for each user and item."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.data import Ratings
from cfcore.kernels.records import Biases, Factors, RatingRows, SGDRates
from cfcore.models.core.explaining import Contributions, bias_contributions
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.given import user_fields
from cfcore.models.core.means import damped_means
from cfcore.models.core.model import Array, Model
from cfcore.models.core.params import MOST_DECAY, MOST_EPOCHS, check_choice, check_number
from cfcore.models.core.single import Session
from cfcore.models.core.state import State, array
from cfcore.models.core.training import run_epochs
from cfcore.models.factorization.block_grid import BlockTrainer
from cfcore.models.factorization.rates import remedy
from cfcore.random import RandomState
from cfcore.threads import threads_worth

#: Most parts in which the biases of users, or of items, are solved for, and least ratings of a part.
MAX_PARTS, MIN_PART = 8, 100_000


@dataclass(frozen=True, eq=False, kw_only=True)
class BiasState(State):
    """Biases of users and items; 0 for those without ratings."""

    user_bias: Array = array("f", "n_users")
    item_bias: Array = array("f", "n_items")

    @cached_property
    def biases(self) -> Biases:
        """The biases as a record for the kernels."""
        users, items = (
            np.ascontiguousarray(held, dtype=np.float64) for held in (self.user_bias, self.item_bias)
        )
        return Biases(users, items, self.mean)


class Baseline(Model):
    """The overall mean and a bias for each user and each item.

    ::

        r̂_ui = μ + b_u + b_i

    Parameters
    ----------
    method : {"als", "sgd", "mean"}, default "als"
        How the biases are found. "als": least squares, alternating between items and users; each bias is a
        damped mean of residuals,
        b_i = Σ_u (r_ui - μ - b_u) / (λ_i + n_i). "mean": the same, once for the items
        and then once for the users. "sgd": stochastic gradient descent,
        b ← b + η (e - λ b). (Koren, "Factor in the neighbors", 2010, section 2.1.)
    reg_user, reg_item : float
        Damping λ_u, λ_i of "als" and "mean", in ratings.
    n_epochs : int, optional
        By default 10 for "als" and 20 for "sgd".
    lr, lr_decay, reg : float
        Learning rate of the first epoch, its factor from epoch to epoch, and regularisation; "sgd" only.
    random_state : int, SeedSequence, Generator or None
        For the order of ratings in "sgd".
    n_threads : int, optional
        All cores by default. The result does not depend on it.
    verbose : int, default 0
        1 shows a progress bar.

    Attributes
    ----------
    user_bias_, item_bias_ : ndarray of float64, shape (n_users,), (n_items,)
        0 for users and items without ratings.
    mean_ : float
    history_ : dict of str to list of float
        ``train_rmse`` per epoch, and ``validation_rmse`` if fitted with ``validation``; empty for "mean".

    Notes
    -----
    The bias of an unknown user or item is left out.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.Ratings(["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3])
    >>> float(cf.Baseline(method="mean", reg_user=0, reg_item=0).fit(ratings).predict("ann", "y"))
    4.5
    """

    _state_class: ClassVar[type[State]] = BiasState

    def __init__(
        self,
        *,
        method: str = "als",
        reg_user: float = 5.0,
        reg_item: float = 2.0,
        n_epochs: int | None = None,
        lr: float = 0.01,
        lr_decay: float = 0.95,
        reg: float = 0.02,
        random_state: RandomState = None,
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.method = method
        self.reg_user = reg_user
        self.reg_item = reg_item
        self.n_epochs = n_epochs
        self.lr = lr
        self.lr_decay = lr_decay
        self.reg = reg
        self.random_state = random_state
        self.n_threads = n_threads
        self.verbose = verbose

    def _check_params(self) -> None:
        check_choice("method", self.method, ("als", "sgd", "mean"))
        for name in ("reg_user", "reg_item", "reg"):
            check_number(name, getattr(self, name), 0)
        check_number("n_epochs", self.n_epochs, 1, MOST_EPOCHS, integer=True, none=True)
        check_number("lr", self.lr, 0, open_low=True)
        check_number("lr_decay", self.lr_decay, 0, MOST_DECAY, open_low=True)

    def _fit(self, train: Ratings, context: FitContext) -> BiasState:
        if self.method == "mean":
            solver = LeastSquares(train, context, self.reg_user, self.reg_item)
            solver.solve()
            return solver.state(solver.arrays(), {}, None)
        trainer = self.trainer(train, context)
        if self.method == "als":
            return run_epochs(trainer, context, self.n_epochs or 10)  # type: ignore[return-value]
        told = remedy(self, {"lr": self.lr, "reg": self.reg})
        return run_epochs(trainer, context, self.n_epochs or 20, remedy=told)  # type: ignore[return-value]

    def trainer(self, train: Ratings, context: FitContext) -> LeastSquares | Descent:
        """The trainer of a fit by "als" or "sgd"; its set-up makes all draws before the first epoch."""
        if self.method == "als":
            return LeastSquares(train, context, self.reg_user, self.reg_item)
        return Descent(train, context, self.lr, self.lr_decay, self.reg)

    def _state_of_users(self, given: Ratings) -> BiasState:
        rows = given.by_user
        users = np.repeat(np.arange(given.n_users), np.diff(rows.indptr))
        bias = self._user_bias(users, rows.indices, rows.values, given.n_users)
        return dataclasses.replace(self._state, user_bias=bias, **user_fields(given))

    def _user_bias(self, users: Array, items: Array, values: Array, n_users: int) -> Array:
        """Biases of users from ratings, items held; a user's ratings are in the order of items."""
        state: BiasState = self._state
        damping = self.reg_user if self.method != "sgd" else self._damping_of_descent(state)
        return damped_means(values - state.mean - state.item_bias[items], users, n_users, damping)

    @staticmethod
    def _damping_of_descent(state: BiasState) -> float:
        """Variance of ratings over that of users' biases: what takes the place of `reg_user` with "sgd"."""
        spread = float(np.var(state.user_bias[state.user_counts > 0]))
        errors = state.history.get("train_rmse", [])
        return errors[-1] ** 2 / spread if errors and spread > 0 else 5.0

    def _contributions(self, user: int, item: int, origin: Any) -> Contributions | None:
        state: BiasState = self._state
        damping = self.reg_user
        if self.method == "sgd":
            if state is origin._state:  # descent has no closed form
                return None
            damping = self._damping_of_descent(origin._state)
        return bias_contributions(state, user, damping)

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        return predicted(users, items, self._state.biases, self.n_threads)

    def _score_pair(self, user: int, item: int) -> float:
        biases: Biases = self._state.biases
        return float(biases.mean + biases.row_bias[user] + biases.column_bias[item])

    def _scores_of_user(self, user: int) -> Array:
        biases: Biases = self._state.biases
        scores: Array = biases.mean + biases.row_bias[user] + biases.column_bias
        return scores

    def _session_scores(self, session: Session) -> Array:
        state: BiasState = self._state
        bias = self._user_bias(np.zeros(len(session.items), dtype=np.int32), session.items, session.values, 1)
        scores: Array = state.mean + bias[0] + state.biases.column_bias
        return scores


class LiveBiases:
    """The live biases of a fit, and the state with them."""

    train: Ratings
    context: FitContext
    user_bias: Array
    item_bias: Array
    mean: float

    def __init__(self, train: Ratings, context: FitContext) -> None:
        self.train, self.context = train, context
        self.user_bias, self.item_bias = np.zeros(train.n_users), np.zeros(train.n_items)
        self.mean = float(context.known["mean"])

    def predict(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes by the live biases."""
        biases = Biases(self.user_bias, self.item_bias, self.mean)
        return predicted(users, items, biases, self.context.n_threads)

    def arrays(self) -> dict[str, Array]:
        """The live biases."""
        return {"user_bias": self.user_bias, "item_bias": self.item_bias}

    def carried(self) -> dict[str, Array]:
        """No further arrays."""
        return {}

    def state(
        self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int | None
    ) -> BiasState:
        """The state with these biases."""
        state: BiasState = self.context.state(BiasState, **arrays, history=dict(history), n_epochs=n_epochs)
        return state


@dataclass(frozen=True)
class Rows:
    """A part of an epoch of least squares: the biases [begin, end) of items, or of users.

    The parts of one stage are independent of each other.
    """

    stage: int
    kind: str
    begin: int
    end: int


class LeastSquares(LiveBiases):
    """Alternating least squares: the biases of all items, then those of all users."""

    def __init__(self, train: Ratings, context: FitContext, reg_user: float, reg_item: float) -> None:
        super().__init__(train, context)
        self.kernel = backends.kernel("factorization.baseline")
        self.n_threads = threads_worth(context.n_threads, len(train), "ratings")
        by_item, by_user = train.by_item, train.by_user
        users, items = self.user_bias, self.item_bias
        self.rows = RatingRows(by_user.indptr, by_user.indices, by_user.values, train.n_items)
        self.biases = Biases(users, items, self.mean)
        columns = RatingRows(by_item.indptr, by_item.indices, by_item.values, train.n_users)
        self.problems = {
            **_problems(0, "item", columns, Biases(items, users, self.mean), float(reg_item)),
            **_problems(1, "user", self.rows, self.biases, float(reg_user)),
        }

    def epoch(self, k: int) -> float:
        """Solve for the biases of items, then of users; return the error after both."""
        self.solve()
        squares = np.empty(self.train.n_users)
        self.kernel.squared_error(self.rows, self.biases, squares, self.n_threads)
        return float(np.sqrt(squares.sum() / len(self.train)))

    def solve(self) -> None:
        """Run all parts in their order."""
        for part in self.parts(0):
            self.run_part(part)

    def parts(self, k: int) -> list[Rows]:
        """Ranges of items, then ranges of users, which need the biases of all items."""
        return list(self.problems)

    def run_part(self, part: Rows) -> None:
        """Solve for a range of biases, with those of the other side held fixed."""
        self.kernel.solve(*self.problems[part], self.n_threads)


def _problems(
    stage: int, kind: str, rows: RatingRows, biases: Biases, reg: float
) -> dict[Rows, tuple[RatingRows, Biases, float]]:
    """Ranges of rows with about equal numbers of ratings, and the arguments of `solve` for each."""
    n_parts = max(1, min(MAX_PARTS, rows.n // MIN_PART))
    wanted = np.arange(1, n_parts) * rows.n // n_parts
    bounds = [0, *np.searchsorted(rows.indptr[1:], wanted).tolist(), rows.n_rows]
    found = {}
    for begin, end in pairwise(bounds):
        first, last = rows.indptr[begin], rows.indptr[end]
        indptr = rows.indptr[begin : end + 1] - first
        own = RatingRows(indptr, rows.indices[first:last], rows.values[first:last], rows.n_columns)
        part = Rows(stage, kind, begin, end)
        found[part] = (own, Biases(biases.row_bias[begin:end], biases.column_bias, biases.mean), reg)
    return found


class Descent(LiveBiases, BlockTrainer):
    """Stochastic gradient descent: matrix factorisation without factors."""

    def __init__(self, train: Ratings, context: FitContext, lr: float, lr_decay: float, reg: float) -> None:
        LiveBiases.__init__(self, train, context)
        self.lr, self.lr_decay, self.reg = lr, lr_decay, reg
        users, items = (aligned_zeros(n, 0, np.float64) for n in (train.n_users, train.n_items))
        live = Factors(users, items, self.user_bias, self.item_bias, self.mean)
        BlockTrainer.__init__(self, train, live, context.rng, context.n_threads)

    def steps(self, k: int) -> SGDRates:
        """Learning rate and regularisation of epoch `k`."""
        return SGDRates(0.0, 0.0, self.lr * self.lr_decay**k, self.reg)


def predicted(users: Array, items: Array, biases: Biases, n_threads: int | None) -> Array:
    """Predictions for codes by biases."""
    out = np.empty(len(users))
    kernel = backends.kernel("factorization.baseline")
    kernel.predict(users, items, biases, out, threads_worth(n_threads, len(users), "ratings"))
    return out
