"""`Baseline`: the overall mean and a bias for each user and item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.data import Ratings
from cfcore.kernels.records import Factors, SGDRates
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.model import Array, Model
from cfcore.models.core.params import check_choice, check_number
from cfcore.models.core.state import State, array
from cfcore.models.core.trainer import Trainer
from cfcore.models.core.training import run_epochs
from cfcore.models.factorization.block_grid import Blocks
from cfcore.random import RandomState
from cfcore.threads import threads_for


@dataclass(frozen=True, eq=False, kw_only=True)
class BiasState(State):
    """Biases of users and items; 0 for those without ratings."""

    user_bias: Array = array("f", "n_users")
    item_bias: Array = array("f", "n_items")

    def _verify(self) -> None:
        for name, biases in (("user_bias_", self.user_bias), ("item_bias_", self.item_bias)):
            if not np.isfinite(biases).all():
                raise ValueError(f"{name} must be finite")


class Baseline(Model):
    r"""The overall mean and a bias for each user and each item.

    .. math:: \hat r_{ui} = \mu + b_u + b_i

    Parameters
    ----------
    method : {"als", "sgd", "mean"}, default "als"
        How the biases are found. "als": least squares, items and users in turn; each bias is a damped mean
        of what is left of its ratings,
        :math:`b_i = \sum_u (r_{ui} - \mu - b_u) / (\lambda_i + n_i)`. "mean": the same, once for the items
        and then once for the users. "sgd": stochastic gradient descent,
        :math:`b \leftarrow b + \eta (e - \lambda b)`. (Koren, "Factor in the neighbors", 2010, section 2.1.)
    reg_user, reg_item : float
        Damping :math:`\lambda_u, \lambda_i` of "als" and "mean", in ratings.
    n_epochs : int, optional
        Passes of "als" (10) and "sgd" (20).
    lr, lr_decay, reg : float
        Learning rate of the first epoch, the factor on it after each, and regularisation; "sgd" only.
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
        check_number("n_epochs", self.n_epochs, 1, integer=True, none=True)
        check_number("lr", self.lr, 0, open_low=True)
        check_number("lr_decay", self.lr_decay, 0, open_low=True)

    def _fit(self, train: Ratings, context: FitContext) -> BiasState:
        if self.method == "mean":
            biases = LeastSquares(train, context, self.reg_user, self.reg_item)
            biases.solve()
            return biases.state(biases.arrays(), {}, None)
        trainer: Trainer
        if self.method == "als":
            trainer = LeastSquares(train, context, self.reg_user, self.reg_item)
            return run_epochs(trainer, context, self.n_epochs or 10)  # type: ignore[return-value]
        trainer = Descent(train, context, self.lr, self.lr_decay, self.reg)
        return run_epochs(trainer, context, self.n_epochs or 20, self.lr)  # type: ignore[return-value]

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        state = self._state
        return predicted(users, items, state.user_bias, state.item_bias, state.mean, self.n_threads)


class Biases:
    """The live biases of a fit, and the state that they end in."""

    def __init__(self, train: Ratings, context: FitContext) -> None:
        self.train, self.context, self.mean = train, context, float(context.known["mean"])
        self.user_bias, self.item_bias = np.zeros(train.n_users), np.zeros(train.n_items)

    def predict(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes by the live biases."""
        return predicted(users, items, self.user_bias, self.item_bias, self.mean, self.context.n_threads)

    def arrays(self) -> dict[str, Array]:
        """The live biases."""
        return {"user_bias": self.user_bias, "item_bias": self.item_bias}

    def carried(self) -> dict[str, Array]:
        """Nothing."""
        return {}

    def state(
        self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int | None
    ) -> BiasState:
        """The state with these biases."""
        state: BiasState = self.context.state(BiasState, **arrays, history=dict(history), n_epochs=n_epochs)
        return state


@dataclass(frozen=True)
class Rows:
    """A part of an epoch of least squares: the biases of the items, or of the users, [begin, end)."""

    kind: str
    begin: int
    end: int


class LeastSquares(Biases):
    """Alternating least squares: all biases of items, then all of users; a part is a range of either."""

    def __init__(self, train: Ratings, context: FitContext, reg_user: float, reg_item: float) -> None:
        super().__init__(train, context)
        self.reg_user, self.reg_item = float(reg_user), float(reg_item)
        self.n_threads = threads_for(context.n_threads, len(train))

    def epoch(self, k: int) -> float:
        """Least squares for the items, then for the users."""
        self.solve()
        rows, squares = self.train.by_user, np.empty(self.train.n_users)
        backends.kernel("factorization.baseline").squared_error(
            rows.indptr, rows.indices, rows.values, self.user_bias, self.item_bias, squares, self.mean,
            self.n_threads,
        )  # fmt: skip
        return float(np.sqrt(squares.sum() / len(self.train)))

    def solve(self) -> None:
        """All parts."""
        for part in self.parts(0):
            self.run_part(part)

    def parts(self, k: int) -> list[Rows]:
        """All items, then all users."""
        return [Rows("item", 0, self.train.n_items), Rows("user", 0, self.train.n_users)]

    def run_part(self, part: Rows) -> None:
        """Solve for a range of biases, the other side held."""
        by_item = part.kind == "item"
        rows = self.train.by_item if by_item else self.train.by_user
        own, other = (self.item_bias, self.user_bias) if by_item else (self.user_bias, self.item_bias)
        entries = slice(rows.indptr[part.begin], rows.indptr[part.end])
        backends.kernel("factorization.baseline").solve(
            rows.indptr[part.begin : part.end + 1] - rows.indptr[part.begin], rows.indices[entries],
            rows.values[entries], other, own[part.begin : part.end], self.mean,
            self.reg_item if by_item else self.reg_user, self.n_threads,
        )  # fmt: skip


class Descent(Biases):
    """Stochastic gradient descent: matrix factorisation without factors."""

    def __init__(self, train: Ratings, context: FitContext, lr: float, lr_decay: float, reg: float) -> None:
        super().__init__(train, context)
        self.lr, self.lr_decay, self.reg = lr, lr_decay, reg
        self.blocks = Blocks(train, 0, context.rng, context.n_threads)
        factors = (aligned_zeros(n, 0, np.float64) for n in (train.n_users, train.n_items))
        self.factors = Factors(*factors, self.user_bias, self.item_bias, self.mean)

    def epoch(self, k: int) -> float:
        """One epoch over all ratings."""
        return self.blocks.descend(self.factors, SGDRates(0.0, 0.0, self.lr * self.lr_decay**k, self.reg))

    def parts(self, k: int) -> list[Any]:
        """As one part."""
        return [k]

    def run_part(self, part: Any) -> None:
        """The epoch."""
        self.epoch(part)


def predicted(
    users: Array, items: Array, user_bias: Array, item_bias: Array, mean: float, n_threads: int | None
) -> Array:
    """Predictions of biases for codes."""
    out = np.empty(len(users))
    backends.kernel("factorization.baseline").predict(
        users, items, user_bias, item_bias, out, mean, threads_for(n_threads, len(users))
    )
    return out
