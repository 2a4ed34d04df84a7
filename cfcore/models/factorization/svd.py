"""`SVD`: matrix factorisation by stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cfcore.arrays import padded
from cfcore.data import Ratings
from cfcore.kernels.records import Factors, SGDRates
from cfcore.models.core.model import Array
from cfcore.models.core.params import check_choice, check_flag, check_number
from cfcore.models.core.training import Training
from cfcore.models.factorization.base import (
    FactorModel,
    decay_and_total,
    density_and_spread,
    first_factors,
    last_rates,
)
from cfcore.models.factorization.block_grid import Blocks
from cfcore.random import RandomState

#: Defaults by cross-validation; `benchmarks/defaults.py` repeats the search.
N_EPOCHS, INIT_SCALE = 20, 0.01
#: Learning rate of the last epoch, as a part of that of the first.
COOLED = 0.05
#: Nothing above was seen to be of use, and not much above it training diverges.
MAX_LR = 0.08


@dataclass(frozen=True)
class Rates:
    """Learning rates and regularisation in force; the Notes of `SVD` say where the defaults come from."""

    n_epochs: int
    lr: float
    lr_decay: float
    reg: float
    lr_bias: float
    reg_bias: float
    init_scale: float

    @classmethod
    def of(cls, model: SVD, train: Ratings) -> Rates:
        """What the model was given, and the rule for the rest."""
        density, spread = density_and_spread(train)
        n_epochs = model.n_epochs or N_EPOCHS
        decay, total = decay_and_total(n_epochs, model.lr_decay, COOLED)

        lr, reg, lr_bias, reg_bias = model.lr, model.reg, model.lr_bias, model.reg_bias
        if lr_bias is None:
            lr_bias = min(MAX_LR, max(0.1, 2.5 / density) / total) if lr is None else lr
        if reg_bias is None:
            reg_bias = 0.75 / density if reg is None else reg
        if lr is None:
            lr = min(MAX_LR, 1.35 * density**-0.3 / total) * (1.12 / spread)
        if reg is None:
            reg = 0.375 * spread * density**-0.5
        if model.init_scale is not None:
            init_scale = model.init_scale
        elif model.init == "uniform":
            init_scale = model.n_factors**0.5 / 10
        else:
            init_scale = INIT_SCALE * (spread / 1.12) ** 0.5
        return cls(n_epochs, lr, decay, reg, lr_bias, reg_bias, init_scale)


class SVD(FactorModel):
    r"""Matrix factorisation with biases, trained by stochastic gradient descent.

    .. math:: \hat r_{ui} = \mu + b_u + b_i + p_u \cdot q_i

    For each rating, with :math:`e = r_{ui} - \hat r_{ui}`:

    .. math::

        b_u \leftarrow b_u + \eta_b (e - \lambda_b b_u), \quad p_u \leftarrow p_u + \eta (e q_i - \lambda p_u)

    and the same for the item. Funk (2006); Koren, Bell and Volinsky, "Matrix factorization techniques for
    recommender systems" (2009).

    Parameters
    ----------
    n_factors : int, default 100
        0 trains the biases alone.
    n_epochs : int, optional
        Passes over the ratings; 20 by default.
    lr, lr_decay : float, optional
        Learning rate of the first epoch, and the factor on it after each epoch.
    reg : float, optional
        Regularisation :math:`\lambda`. What is not given of `lr`, `lr_decay` and `reg` follows the data: see
        Notes.
    lr_bias, reg_bias : float, optional
        The same for the biases. By default those given for the factors, or by a rule of their own.
    biased : bool, default True
        False leaves out the mean and the biases: :math:`\hat r_{ui} = p_u \cdot q_i`.
    init : {"normal", "uniform"}, default "normal"
        Distribution of the first factors: normal around 0, or uniform from 0. The biases start at 0, and
        so do the factors of users and items without ratings.
    init_scale : float, optional
        Standard deviation of "normal" (0.01 for ratings from 1 to 5), upper end of "uniform"
        (:math:`\sqrt{n\_factors} / 10`).
    clip_error : bool, default False
        Take the error on the prediction clipped to the scale of the ratings.
    update : {"simultaneous", "sequential"}, default "simultaneous"
        "sequential" moves :math:`p_u` with the :math:`q_i` that has just been moved.
    random_state : int, SeedSequence, Generator or None
    n_threads : int, optional
        All cores by default. The result does not depend on it.
    dtype : {"float32", "float64"}, default "float32"
        Precision of factors and biases.
    verbose : int, default 0
        1 shows a progress bar.

    Attributes
    ----------
    user_factors_, item_factors_ : ndarray, shape (n_users, n_factors), (n_items, n_factors)
    user_bias_, item_bias_ : ndarray, shape (n_users,), (n_items,)
    mean_ : float
    history_ : dict of str to list of float
        ``train_rmse``: errors met during each epoch; ``validation_rmse`` if fitted with ``validation``.
    rates_ : dict of str to float
        Learning rates of the last epoch, and regularisation, as they were in force.

    Notes
    -----
    An unknown user is given the prediction :math:`\mu + b_i`, an unknown item :math:`\mu + b_u`, both
    :math:`\mu`; without biases all three are given the mean rating.

    The rule for learning rates and regularisation: with d ratings per user and item (the number of ratings
    over that of users and items together) and ratings of standard deviation s,

    .. math:: \lambda = 0.375\, s / \sqrt d, \quad \lambda_b = 0.75 / d, \quad
        \sum_t \eta_t = 1.51 / (s\, d^{0.3}), \quad \sum_t \eta_{b,t} = \max(0.1, 2.5 / d)

    where t runs over the epochs, and the last learning rate is a twentieth of the first. What matters is the
    sum of the learning rates: the first factors are so small that each direction begins to count in its own
    time, the most useful first, and a longer way lets more of them in. The constants were found by
    cross-validation within the training rows of MovieLens 100K (u1) and 1M; the powers of s follow from the
    equations.

    `similar_items` and `similar_users` compare factors by their cosine.

    Ratings are visited block by block, blocks in a new order in each epoch, and each from a new starting
    point; users and items are cut into blocks by the data alone. That costs no accuracy, and it is what makes
    fits on any number of threads the same to the bit.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.Ratings(["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3])
    >>> model = cf.SVD(n_factors=4, random_state=0).fit(ratings)
    >>> model.predict(["ann", "eve"], ["x", "x"]).shape
    (2,)
    """

    def __init__(
        self,
        *,
        n_factors: int = 100,
        n_epochs: int | None = None,
        lr: float | None = None,
        lr_decay: float | None = None,
        reg: float | None = None,
        lr_bias: float | None = None,
        reg_bias: float | None = None,
        biased: bool = True,
        init: str = "normal",
        init_scale: float | None = None,
        clip_error: bool = False,
        update: str = "simultaneous",
        random_state: RandomState = None,
        n_threads: int | None = None,
        dtype: str = "float32",
        verbose: int = 0,
    ) -> None:
        self.n_factors = n_factors
        self.n_epochs = n_epochs
        self.lr = lr
        self.lr_decay = lr_decay
        self.reg = reg
        self.lr_bias = lr_bias
        self.reg_bias = reg_bias
        self.biased = biased
        self.init = init
        self.init_scale = init_scale
        self.clip_error = clip_error
        self.update = update
        self.random_state = random_state
        self.n_threads = n_threads
        self.dtype = dtype
        self.verbose = verbose

    def _check_params(self) -> None:
        check_number("n_factors", self.n_factors, 0, integer=True)
        check_number("n_epochs", self.n_epochs, 1, integer=True, none=True)
        for name in ("lr", "lr_decay", "lr_bias"):
            check_number(name, getattr(self, name), 0, none=True, open_low=True)
        for name in ("reg", "reg_bias", "init_scale"):
            check_number(name, getattr(self, name), 0, none=True)
        check_choice("init", self.init, ("normal", "uniform"))
        check_choice("update", self.update, ("simultaneous", "sequential"))
        check_choice("dtype", self.dtype, ("float32", "float64"))
        check_flag("biased", self.biased)
        check_flag("clip_error", self.clip_error)

    # ------------------------------------------------------------------ fitting

    def _fit(self, train: Ratings, validation: Ratings | None, early_stopping: int | None) -> None:
        rng = self._generator()
        rates = Rates.of(self, train)
        users = self._first_factors(train.user_counts, rates.init_scale, rng)
        items = self._first_factors(train.item_counts, rates.init_scale, rng)
        self.user_bias_ = np.zeros(len(users), dtype=self.dtype)
        self.item_bias_ = np.zeros(len(items), dtype=self.dtype)
        self._descend(train, users, items, rates, rng, validation, early_stopping)

    def _go_on(self, train: Ratings, n_epochs: int) -> None:
        rates = Rates(n_epochs, lr_decay=1.0, init_scale=0.0, **self.rates_)
        self._descend(train, padded(self.user_factors_), padded(self.item_factors_), rates, self._generator())

    def _descend(
        self,
        train: Ratings,
        users: Array,
        items: Array,
        rates: Rates,
        rng: np.random.Generator,
        validation: Ratings | None = None,
        early_stopping: int | None = None,
    ) -> None:
        """Train padded factors and the biases there are."""
        lr_bias = rates.lr_bias if self.biased else 0.0
        low, high = self.scale_ if self.clip_error else (-np.inf, np.inf)
        sequential = self.update == "sequential"
        self._use(users, items)
        factors = Factors(users, items, self.user_bias_, self.item_bias_, self._offset())
        blocks = Blocks(train, users.shape[1] * users.itemsize, rng, self.n_threads)
        training = Training(
            self, rates.n_epochs, validation, early_stopping, snapshot=self._snapshot, lr=rates.lr
        )
        for epoch in training:
            slower = rates.lr_decay**epoch
            steps = SGDRates(
                rates.lr * slower, rates.reg, lr_bias * slower, rates.reg_bias, low, high, sequential
            )
            training.record(blocks.descend(factors, steps))
        if self.user_bias_ is not factors.user_bias:  # an earlier epoch is kept
            self._cache.clear()
        self.rates_ = last_rates(vars(rates), self.n_epochs_)

    def _first_factors(self, counts: Array, scale: float, rng: np.random.Generator) -> Array:
        draw = rng.standard_normal if self.init == "normal" else rng.random
        return first_factors(counts, self.n_factors, self.dtype, scale, draw)

    def _use(self, users: Array, items: Array) -> None:
        """Keep padded factors for the kernels; the attributes are the part of them that is not padding."""
        self._cache["rows"] = users, items
        self.user_factors_ = users[:, : self.n_factors]
        self.item_factors_ = items[:, : self.n_factors]

    def _offset(self) -> float:
        return self.mean_ if self.biased else 0.0

    # ------------------------------------------------------------------ predicting

    def _predict_codes(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        out = super()._predict_codes(users, items, timestamps)
        if not self.biased:
            out[(users < 0) | (items < 0)] = self.mean_
        return out
