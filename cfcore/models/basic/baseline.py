"""`Baseline`: the overall mean and a bias for each user and item."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.data import Ratings
from cfcore.kernels.records import Biases, Factors, RatingRows, SGDRates
from cfcore.models.core.model import Array, Model
from cfcore.models.core.params import check_choice, check_number
from cfcore.models.core.training import Training
from cfcore.models.factorization.block_grid import Blocks
from cfcore.random import RandomState
from cfcore.threads import threads_for


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

    _array_names: ClassVar[tuple[str, ...]] = ("user_bias_", "item_bias_")

    user_bias_: Array
    item_bias_: Array

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

    def _fit(self, train: Ratings, validation: Ratings | None, early_stopping: int | None) -> None:
        self.user_bias_, self.item_bias_ = np.zeros(train.n_users), np.zeros(train.n_items)
        if self.method == "mean":
            self._solve(train)
            return
        usual = 10 if self.method == "als" else 20
        lr = self.lr if self.method == "sgd" else None
        training = Training(
            self, self.n_epochs or usual, validation, early_stopping, snapshot=self._snapshot, lr=lr
        )
        if self.method == "als":
            for _ in training:
                self._solve(train)
                training.record(self._train_rmse(train))
        else:
            self._descend(train, training)

    def _solve(self, train: Ratings) -> None:
        """Least squares for the items, then for the users."""
        solve = backends.kernel("factorization.baseline").solve
        users, items, mean = self.user_bias_, self.item_bias_, self.mean_
        threads = threads_for(self.n_threads, len(train))
        by_user, by_item = train.by_user, train.by_item
        rows = RatingRows(by_user.indptr, by_user.indices, by_user.values, train.n_items)
        columns = RatingRows(by_item.indptr, by_item.indices, by_item.values, train.n_users)
        solve(columns, Biases(items, users, mean), float(self.reg_item), threads)
        solve(rows, Biases(users, items, mean), float(self.reg_user), threads)

    def _train_rmse(self, train: Ratings) -> float:
        by_user, squares = train.by_user, np.empty(train.n_users)
        backends.kernel("factorization.baseline").squared_error(
            RatingRows(by_user.indptr, by_user.indices, by_user.values, train.n_items),
            Biases(self.user_bias_, self.item_bias_, self.mean_),
            squares,
            threads_for(self.n_threads, len(train)),
        )
        return float(np.sqrt(squares.sum() / len(train)))

    def _descend(self, train: Ratings, training: Training) -> None:
        """Matrix factorisation with no factors."""
        blocks = Blocks(train, 0, self._generator(), self.n_threads)
        users, items = (aligned_zeros(n, 0, np.float64) for n in (train.n_users, train.n_items))
        factors = Factors(users, items, self.user_bias_, self.item_bias_, self.mean_)
        for epoch in training:
            lr = self.lr * self.lr_decay**epoch
            training.record(blocks.descend(factors, SGDRates(0.0, 0.0, lr, self.reg)))

    def _snapshot(self) -> dict[str, Array]:
        return {"user_bias_": self.user_bias_.copy(), "item_bias_": self.item_bias_.copy()}

    def _predict_codes(self, users: Array, items: Array, timestamps: Any) -> Array:
        out = np.empty(len(users))
        backends.kernel("factorization.baseline").predict(
            users,
            items,
            Biases(self.user_bias_, self.item_bias_, self.mean_),
            out,
            threads_for(self.n_threads, len(users)),
        )
        return out
