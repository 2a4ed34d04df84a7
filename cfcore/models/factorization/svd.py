"""`SVD`: matrix factorisation by stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cfcore.arrays import padded
from cfcore.data import Ratings
from cfcore.kernels.records import Factors, SGDRates
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.model import Array
from cfcore.models.core.params import (
    MOST_DECAY,
    MOST_EPOCHS,
    MOST_SCALE,
    check_choice,
    check_flag,
    check_number,
)
from cfcore.models.core.training import run_epochs
from cfcore.models.factorization.base import FactorModel, first_factors, or_mean, predicted, state_of
from cfcore.models.factorization.block_grid import BlockTrainer
from cfcore.models.factorization.first_biases import (
    LEAST_LR,
    SPARSE,
    density_of_factors,
    first_biases,
    start_by_rule,
)
from cfcore.models.factorization.rates import (
    DecayingRates,
    decay_and_total,
    density_and_spread,
    remedy,
    standard_deviation,
)
from cfcore.models.factorization.state import FactorState
from cfcore.random import RandomState

#: Defaults by cross-validation; `benchmarks/defaults.py` repeats the search.
N_EPOCHS, INIT_SCALE = 20, 0.01
#: Learning rate of the last epoch, as a part of that of the first.
LAST_LR = 0.05
#: No higher learning rate was found to be useful, and not far above it training diverges.
MAX_LR = 0.08


@dataclass(frozen=True)
class Rates(DecayingRates):
    """Learning rates of the first epoch, and regularisation; the Notes of `SVD` give the rule."""

    n_epochs: int
    lr: float
    lr_decay: float
    reg: float
    lr_bias: float
    reg_bias: float
    init_scale: float
    init_bias: float

    @classmethod
    def of(cls, model: SVD, train: Ratings) -> Rates:
        """The model's hyper-parameters; by the rule where they are not given."""
        density, spread = density_and_spread(train)
        of_biases = max(density, 2 * SPARSE)
        n_epochs = model.n_epochs or N_EPOCHS
        decay, total = decay_and_total(n_epochs, model.lr_decay, LAST_LR)

        lr, reg, lr_bias, reg_bias = model.lr, model.reg, model.lr_bias, model.reg_bias
        init_bias = model.init_bias
        if init_bias is None:
            init_bias = (
                start_by_rule(density, SPARSE) if model.biased and lr is None and lr_bias is None else 0.0
            )
        if lr_bias is None:
            usual = min(MAX_LR, max(0.1, 2.5 / of_biases) / total)
            lr_bias = usual * max(1.0 - init_bias, LEAST_LR) if lr is None else lr
        if reg_bias is None:
            reg_bias = 0.75 / of_biases if reg is None else reg
        if lr is None:
            lr = min(MAX_LR, 1.35 * density**-0.3 / total) * (1.12 / spread)
        if reg is None:
            reg = 0.375 * spread * density_of_factors(density) ** -0.5
        if model.init_scale is not None:
            init_scale = model.init_scale
        elif model.init == "uniform":
            init_scale = model.n_factors**0.5 / 10 * (spread / 1.12) ** 0.5
        else:
            init_scale = INIT_SCALE * (spread / 1.12) ** 0.5
        return cls(n_epochs, lr, decay, reg, lr_bias, reg_bias, init_scale, init_bias)


class SVD(FactorModel):
    """Matrix factorisation with biases, trained by stochastic gradient descent.

    ::

        r̂_ui = μ + b_u + b_i + p_u · q_i

    For each rating, with e = r_ui - r̂_ui:

    ::

        b_u ← b_u + η_b (e - λ_b b_u)
        p_u ← p_u + η (e q_i - λ p_u)

    and the same for the item. Funk (2006); Koren, Bell and Volinsky, "Matrix factorization techniques for
    recommender systems" (2009).

    Parameters
    ----------
    n_factors : int, default 100
        Length of the rows p_u and q_i: numbers by which each user and each item is described,
        and whose product is the part of a rating that the biases do not explain. More of them describe finer
        tastes, and need more ratings and time. 0 trains the biases alone.
    n_epochs : int, optional
        Passes over the ratings; 20 by default.
    lr, lr_decay : float, optional
        Learning rate of the first epoch, and the factor on it after each epoch.
    reg : float, optional
        Regularisation λ. What is not given of `lr`, `lr_decay` and `reg` follows the data: see
        Notes.
    lr_bias, reg_bias : float, optional
        The same for the biases. By default those given for the factors, or by a rule of their own.
    biased : bool, default True
        False leaves out the mean and the biases: r̂_ui = p_u · q_i.
    init : {"normal", "uniform"}, default "normal"
        Distribution of the first factors: normal around 0, or uniform from 0. Factors of users and items
        without ratings start at 0.
    init_scale : float, optional
        Standard deviation of "normal" (0.01 for ratings from 1 to 5), upper end of "uniform"
        (√(n_factors) / 10 for ratings from 1 to 5).
    init_bias : float, optional
        The biases start at so many times (0 to 1) their damped means, as in `Baseline`, but with the damping
        estimated from the ratings. By default 0 on dense data and up to 1 on sparse data, by the rule in
        Notes; 0 if `lr` or `lr_bias` is given.
    clip_error : bool, default False
        Take the error on the prediction clipped to the scale of the ratings.
    update : {"simultaneous", "sequential"}, default "simultaneous"
        "sequential" updates q_i first, and p_u with the new q_i.
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
        ``train_rmse``, of the errors just before each rating's update; ``validation_rmse`` if fitted with
        ``validation``.
    rates_ : dict of str to float
        Learning rates of the last epoch, regularisation, and `init_bias` where it is not 0.

    Notes
    -----
    An unknown user stands for those who rated the item: the prediction is μ + b_i + f_i + a, with
    the mean f_i of q_i · p_u over these users, damped by ten ratings of the mean one, and
    a constant a with which the mean over the training ratings is μ. An unknown item likewise, both
    μ. The validation error of a fit leaves f and a out.

    The rule for learning rates and regularisation: with d ratings per user and item (the number of ratings
    over that of users and items together) and ratings of standard deviation s,

    ::

        λ = 0.375 s / √d,    λ_b = 0.75 / d,    Σ_t η_t = 1.51 / (s d^0.3),    Σ_t η_{b,t} = max(0.1, 2.5 / d)

    where t runs over the epochs, and the last learning rate is a twentieth of the first. On sparse data, with
    d below 24, biases learnt from few ratings each would have larger errors than damped means. So they start
    at damped means times

    ::

        w = min(1, max(0, 2 - d / 12))

    (`init_bias`), which is 1 up to d = 12 and 0 from d = 24 on; the sum of η_b is multiplied by
    max(1 - w, 0.03); and d is at least 24 in the rules for λ_b and η_b, and
    min(24, 2 d) in the rule for λ. The sum of the
    learning rates matters: the first factors are so small that each direction grows to a useful size only
    after some epochs, the most useful direction first, and a larger sum lets more directions grow. The
    constants were found by cross-validation within the training rows of MovieLens 100K (u1) and 1M, those for
    sparse data on 3 to 75% of these rows and on training rows of MovieTweetings; the powers of s follow from
    the equations.

    `similar_items` and `similar_users` compare factors by their cosine.

    Ratings are visited block by block, blocks in a new order in each epoch, and each from a new starting
    point; users and items are cut into blocks by the data alone. That costs no accuracy, and fits on any
    number of threads are the same to the bit.

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
        init_bias: float | None = None,
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
        self.init_bias = init_bias
        self.clip_error = clip_error
        self.update = update
        self.random_state = random_state
        self.n_threads = n_threads
        self.dtype = dtype
        self.verbose = verbose

    def _check_params(self) -> None:
        check_number("n_factors", self.n_factors, 0, integer=True)
        check_number("n_epochs", self.n_epochs, 1, MOST_EPOCHS, integer=True, none=True)
        check_number("lr_decay", self.lr_decay, 0, MOST_DECAY, none=True, open_low=True)
        for name in ("lr", "lr_bias"):
            check_number(name, getattr(self, name), 0, none=True, open_low=True)
        for name in ("reg", "reg_bias"):
            check_number(name, getattr(self, name), 0, none=True)
        check_number("init_bias", self.init_bias, 0, 1, none=True)
        check_number("init_scale", self.init_scale, 0, MOST_SCALE, none=True)
        check_choice("init", self.init, ("normal", "uniform"))
        check_choice("update", self.update, ("simultaneous", "sequential"))
        check_choice("dtype", self.dtype, ("float32", "float64"))
        check_flag("biased", self.biased)
        check_flag("clip_error", self.clip_error)

    # ------------------------------------------------------------------ fitting

    def _fit(self, train: Ratings, context: FitContext) -> FactorState:
        trainer = self.trainer(train, context)
        start = None
        if not self.biased:  # from predictions of 0
            start = float(np.hypot(train.mean, standard_deviation(train.values)))
        told = remedy(self, vars(trainer.rates))
        return run_epochs(trainer, context, trainer.rates.n_epochs, remedy=told, start=start)  # type: ignore[return-value]

    def trainer(self, train: Ratings, context: FitContext, start: FactorState | None = None) -> SVDTrainer:
        """The trainer of a fit, or of one that goes on from the parameters of a state."""
        return SVDTrainer(self, train, context, start)

    def defaults_for(self, ratings: Ratings) -> dict[str, float]:
        """Learning rates, regularisation and the like, by the rule of the class."""
        return asdict(Rates.of(self, ratings))


class SVDTrainer(BlockTrainer):
    """Biases and factors trained block by block.

    Parameters
    ----------
    model : SVD
        For its hyper-parameters.
    train, context, start
        As of `FactorModel.trainer`.
    """

    def __init__(self, model: SVD, train: Ratings, context: FitContext, start: FactorState | None) -> None:
        self.context = context
        self.n_factors, self.biased, self.sequential = (
            model.n_factors,
            model.biased,
            model.update == "sequential",
        )
        self.bounds = context.scale if model.clip_error else (-np.inf, np.inf)
        if start is None:
            self.rates = Rates.of(model, train)
            draw = context.rng.standard_normal if model.init == "normal" else context.rng.random
            users, items = (
                first_factors(counts, model.n_factors, model.dtype, self.rates.init_scale, draw)
                for counts in (train.user_counts, train.item_counts)
            )
            user_bias, item_bias = first_biases(train, self.rates.init_bias, model.dtype)
        else:
            self.rates = Rates.going_on(start.rates)
            users, items = padded(start.user_factors), padded(start.item_factors)
            user_bias, item_bias = start.user_bias.copy(), start.item_bias.copy()
        self.mean = float(context.known["mean"])
        live = Factors(users, items, user_bias, item_bias, self.mean if model.biased else 0.0)
        super().__init__(train, live, context.rng, context.n_threads)

    def steps(self, k: int) -> SGDRates:
        """The steps of epoch `k`."""
        now = self.rates.in_epoch(k)
        lr_bias = now.lr_bias if self.biased else 0.0
        return SGDRates(now.lr, now.reg, lr_bias, now.reg_bias, *self.bounds, self.sequential)

    def predict(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes by the live parameters."""
        out = predicted(users, items, self.factors, self.context.n_threads)
        return out if self.biased else or_mean(out, users, items, self.mean)

    def arrays(self) -> dict[str, Array]:
        """The live parameters, without padding."""
        live = self.factors
        return {
            "user_factors": live.user_factors[:, : self.n_factors],
            "item_factors": live.item_factors[:, : self.n_factors],
            "user_bias": live.user_bias,
            "item_bias": live.item_bias,
        }

    def carried(self) -> dict[str, Array]:
        """Nothing."""
        return {}

    def state(
        self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int
    ) -> FactorState:
        """The state with these parameters."""
        fields: dict[str, Any] = {**arrays, "history": dict(history), "n_epochs": n_epochs}
        fields["rates"] = self.rates.after(n_epochs)
        rows = {"user_rows": self.factors.user_factors, "item_rows": self.factors.item_factors}
        state: FactorState = state_of(self.context, FactorState, rows, **fields)
        return state
