"""`SVDpp`: matrix factorisation in which the set of items that a user rated has factors, too."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from cfcore.arrays import aligned_zeros
from cfcore.data import Duplicates, Ratings
from cfcore.kernels.records import Factors
from cfcore.models.core.explaining import Contributions
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.implicit_pairs import joined
from cfcore.models.core.model import Array, Callback
from cfcore.models.core.params import MOST_DECAY, MOST_EPOCHS, MOST_SCALE, check_choice, check_number
from cfcore.models.core.training import run_epochs
from cfcore.models.factorization.base import FactorModel, first_factors
from cfcore.models.factorization.explaining import by_sets
from cfcore.models.factorization.first_biases import (
    LEAST_LR,
    density_of_factors,
    first_biases,
    start_by_rule,
)
from cfcore.models.factorization.implicit_state import SVDppState
from cfcore.models.factorization.implicit_trainer import SVDppTrainer
from cfcore.models.factorization.rates import DecayingRates, decay_and_total, density_and_spread, remedy
from cfcore.models.factorization.user_batches import UserBatchTrainer
from cfcore.random import RandomState

#: Defaults by cross-validation; `benchmarks/defaults.py` repeats the search.
N_EPOCHS, INIT_SCALE = 30, 0.01
#: Learning rate of the last epoch, as a part of that of the first.
LAST_LR = 0.02
#: Not far above it training diverges.
MAX_LR = 0.08
#: Sum over the epochs of the biases' learning rates where ratings are dense; it is more where they are not.
BIAS_TOTAL = 0.055
#: Density below which the biases start at their damped means; from twice as much on they start at 0.
SPARSE = 8.0


@dataclass(frozen=True)
class Rates(DecayingRates):
    """Learning rates of the first epoch, and regularisation; the Notes of `SVDpp` give the rule."""

    n_epochs: int
    lr: float
    lr_decay: float
    reg: float
    lr_bias: float
    reg_bias: float
    lr_implicit: float
    reg_implicit: float
    init_scale: float
    init_bias: float

    @classmethod
    def of(cls, model: SVDpp, train: Ratings) -> Rates:
        """The model's hyper-parameters; by the rule where they are not given."""
        density, spread = density_and_spread(train)
        n_epochs = model.n_epochs or N_EPOCHS
        decay, total = decay_and_total(n_epochs, model.lr_decay, LAST_LR)
        pace = 1.12 / spread

        def either(given: float | None, shared: float | None, rule: float) -> float:
            return given if given is not None else shared if shared is not None else rule

        lr = either(model.lr, None, min(MAX_LR, 0.3 / total) * pace)
        reg = either(model.reg, None, 0.335 * spread * density_of_factors(density) ** -0.5)
        lr_bias, init_bias = bias_rates(model, density, total)
        return cls(
            n_epochs, lr, decay, reg, lr_bias,
            reg_bias=either(model.reg_bias, model.reg, 0.02),
            lr_implicit=either(model.lr_implicit, None, lr * min(1.0, 7.7 / density)),
            reg_implicit=either(model.reg_implicit, model.reg, 2.2 * spread * density**-2),
            init_scale=either(model.init_scale, None, INIT_SCALE * pace**-0.5),
            init_bias=init_bias,
        )  # fmt: skip


def bias_rates(model: SVDpp, density: float, total: float) -> tuple[float, float]:
    """`lr_bias` and `init_bias`, by the rule where they are not given."""
    start = model.init_bias
    if model.lr_bias is not None or model.lr is not None:
        lr_bias = model.lr if model.lr_bias is None else model.lr_bias
        return float(lr_bias), 0.0 if start is None else start  # type: ignore[arg-type]
    if start is None:
        start = start_by_rule(density, SPARSE)
    usual = min(MAX_LR, max(BIAS_TOTAL, 1.4 / max(density, 2 * SPARSE)) / total)
    return usual * max(1.0 - start, LEAST_LR), start


class SVDpp(FactorModel):
    """SVD++: matrix factorisation in which the set of items that a user rated adds to the user's factors.

    ::

        r̂_ui = μ + b_u + b_i + q_i · (p_u + |N(u)|^(-1/2) Σ_{j ∈ N(u)} y_j)

    N(u) are the items that u rated in training, and those of the pairs given as ``implicit``. Trained by
    stochastic gradient descent: for each rating, with e = r_ui - r̂_ui and z_u for
    the sum in brackets,

    ::

        b_u ← b_u + η_b (e - λ_b b_u)
        p_u ← p_u + η (e q_i - λ p_u)
        q_i ← q_i + η (e z_u - λ q_i)
        y_j ← y_j + η_y (e |N(u)|^(-1/2) q_i - λ_y y_j)    for all j ∈ N(u)

    and b_i as b_u. Koren, "Factorization meets the neighborhood: a multifaceted collaborative
    filtering model" (KDD 2008).

    Parameters
    ----------
    n_factors : int, default 100
        Length of the rows p_u and q_i: numbers by which each user and each item is described,
        and whose product is the part of a rating that the biases do not explain. More of them describe finer
        tastes, and need more ratings and time. 0 trains the biases alone.
    n_epochs : int, optional
        Passes over the ratings; 30 by default.
    lr, lr_decay : float, optional
        Learning rate of the first epoch, and the factor on it after each epoch.
    reg : float, optional
        Regularisation λ. Where `lr`, `lr_decay` or `reg` is not given, it follows the data by
        the rule in the Notes.
    lr_bias, reg_bias, reg_implicit : float, optional
        The same for the biases, and for the y. By default `lr` and `reg` if they are given, or else by rules
        of their own.
    lr_implicit : float, optional
        Learning rate of the y; by default a part of that of the factors, by the rule.
    init_scale : float, optional
        Standard deviation of the first p and q (0.01 for ratings from 1 to 5). The y start at 0, and so do
        factors of users and items without ratings.
    init_bias : float, optional
        The biases start at so many times (0 to 1) their damped means, as in `SVD`; by default by the rule, 0
        if `lr` or `lr_bias` is given.
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
        p and q.
    implicit_factors_ : ndarray, shape (n_items + n_extra, n_factors)
        y: of the items, then of those that only `implicit` names.
    user_bias_, item_bias_ : ndarray, shape (n_users,), (n_items,)
    implicit_indptr_, implicit_items_ : ndarray of int64, ndarray of int32, or None
        The sets N(u) in compressed rows of ascending codes; None where they are the items rated in training,
        ``seen_indptr_`` and ``seen_items_``.
    extra_item_ids_ : ndarray or None
        Raw ids of the items that only `implicit` names.
    mean_ : float
    history_ : dict of str to list of float
        ``train_rmse``, of the errors just before each rating's update; ``validation_rmse`` if fitted with
        ``validation``.
    rates_ : dict of str to float
        Learning rates of the last epoch, regularisation, and `init_bias` where it is not 0.

    Notes
    -----
    An unknown user stands for those who rated the item: the prediction is μ + b_i + f_i + a, with
    the mean f_i of q_i · z_u over these users, damped by ten ratings of the mean one, and
    a constant a with which the mean over the training ratings is μ. An unknown item likewise, both
    μ. The validation error of a fit leaves f and a out.

    Summed over j, the last step above reads s_u ← s_u + η_y (e q_i - λ_y s_u) for
    the sum ``s_u = |N(u)|^(-1/2) Σ y_j``. So the sum is formed once an epoch for each user, updated by
    the user's ratings, and its change is written to the y once: an epoch costs about twice one of `SVD`, and
    not ``|N(u)|`` times as much.

    Users are cut into batches, 16 or more, which are trained one after the other in a new order in each
    epoch; within a batch ratings are visited block by block, as in `SVD`. The users of a batch start from the
    same y, and the steps of all of them are applied at the batch's end. The more their sets overlap, the
    fewer users a batch has; with more than 103 ratings per user and item it has more, as the learning rate of
    the y is lower then by the rule below. That costs about .0002 of RMSE on MovieLens 1M and nothing
    measurable on 100K, and with it fits on any number of threads are the same to the bit.

    The rule for learning rates and regularisation: with d ratings per user and item (the number of ratings
    over that of users and items together) and ratings of standard deviation s,

    ::

        λ = 0.335 s / √d,    λ_b = 0.02,    λ_y = 2.2 s / d²
        Σ_t η_t = 0.336 / s,    Σ_t η_{b,t} = max(0.055, 1.4 / d),    η_y = η min(1, 7.7 / d)

    where t runs over the epochs, and the last learning rate is a fiftieth of the first. On sparse data, with
    d below 16, the biases start at damped means times w = min(1, max(0, 2 - d / 8)) (`init_bias`);
    the sum of η_b, for which d is at least 16 then, is multiplied by max(1 - w, 0.03). In the rule
    for λ, a d below 24 is replaced by min(24, 2 d), as in `SVD`. A y is updated by all
    ratings of all users that rated its item, hence the higher powers of d. The constants were found by
    cross-validation within the training rows of MovieLens 100K (u1) and 1M, those for sparse data on 3 to 75%
    of these rows and on training rows of MovieTweetings; the powers of s follow from the equations.

    `similar_items` compares q by cosine; `similar_users` compares z_u.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.Ratings(["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3])
    >>> model = cf.SVDpp(n_factors=4, random_state=0).fit(ratings, implicit=(["bob"], ["z"]))
    >>> model.predict(["ann", "eve"], ["x", "x"]).shape
    (2,)
    """

    _state_class: ClassVar[type[SVDppState]] = SVDppState
    _rates_class: ClassVar[type[Rates]] = Rates

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
        lr_implicit: float | None = None,
        reg_implicit: float | None = None,
        init_scale: float | None = None,
        init_bias: float | None = None,
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
        self.lr_implicit = lr_implicit
        self.reg_implicit = reg_implicit
        self.init_scale = init_scale
        self.init_bias = init_bias
        self.random_state = random_state
        self.n_threads = n_threads
        self.dtype = dtype
        self.verbose = verbose

    def _check_params(self) -> None:
        check_number("n_factors", self.n_factors, 0, integer=True)
        check_number("n_epochs", self.n_epochs, 1, MOST_EPOCHS, integer=True, none=True)
        check_number("lr_decay", self.lr_decay, 0, MOST_DECAY, none=True, open_low=True)
        for name in ("lr", "lr_bias", "lr_implicit"):
            check_number(name, getattr(self, name), 0, none=True, open_low=True)
        for name in ("reg", "reg_bias", "reg_implicit"):
            check_number(name, getattr(self, name), 0, none=True)
        check_number("init_bias", self.init_bias, 0, 1, none=True)
        check_number("init_scale", self.init_scale, 0, MOST_SCALE, none=True)
        check_choice("dtype", self.dtype, ("float32", "float64"))

    # ------------------------------------------------------------------ fitting

    def fit(
        self,
        ratings: Any,
        *columns: Any,
        validation: Any = None,
        early_stopping: int | None = None,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        implicit: Any = None,
        duplicates: Duplicates = "error",
        weights: Any = None,
        memory_limit: int | str | None = None,
        **others: Any,
    ) -> Self:
        """Fit the model, forgetting any earlier fit.

        Parameters
        ----------
        ratings, validation, early_stopping, callback, checkpoint, duplicates, weights, memory_limit
            As for every model; see `Model.fit`.
        implicit : Ratings, DataFrame, (users, items) or scipy sparse matrix, optional
            Further pairs for the sets N(u): pages viewed, purchases, ratings whose value is not known. Values
            are ignored; pairs may repeat each other and those of `ratings`. Items may have no ratings; pairs
            of users without ratings are left out.

        Returns
        -------
        self

        Raises
        ------
        DataError, ValueError, TypeError
            As `Model.fit` does; DataError for pairs that cannot be used as well.
        """
        self._refuse_others(others)
        train, held_out = self._taken(ratings, columns, validation, duplicates)
        own = self._weights_of(train, weights, duplicates)
        sets = None if implicit is None else joined(train, implicit)
        return self._run(
            train,
            held_out,
            early_stopping,
            callback=callback,
            checkpoint=checkpoint,
            weights=own,
            memory_limit=memory_limit,
            implicit=sets,
        )

    def _fit(self, train: Ratings, context: FitContext) -> SVDppState:
        trainer = self.trainer(train, context)
        told = remedy(self, vars(trainer.rates) | getattr(trainer, "terms", {}))
        state: SVDppState = run_epochs(trainer, context, trainer.rates.n_epochs, remedy=told)  # type: ignore[assignment]
        return state

    def trainer(self, train: Ratings, context: FitContext, start: Any = None) -> UserBatchTrainer:
        """The trainer of a fit, or of one that goes on from the parameters of a state."""
        if start is not None:
            return SVDppTrainer(start, self._rates_class.going_on(start.rates), train, context)
        rates = self._rates_class.of(self, train)
        return SVDppTrainer(self._first(train, context, rates), rates, train, context)

    def _first(self, train: Ratings, context: FitContext, rates: Rates) -> SVDppState:
        """The state that training starts from."""
        rows = [
            first_factors(counts, self.n_factors, self.dtype, rates.init_scale, context.rng.standard_normal)
            for counts in (train.user_counts, train.item_counts)
        ]
        user_bias, item_bias = first_biases(train, rates.init_bias, self.dtype)
        indptr, items, extra = context.side.get("implicit") or (None, None, None)
        n_implicit = train.n_items + (0 if extra is None else len(extra))
        state: SVDppState = context.state(
            self._state_class,
            user_factors=rows[0][:, : self.n_factors],
            item_factors=rows[1][:, : self.n_factors],
            user_bias=user_bias,
            item_bias=item_bias,
            implicit_factors=aligned_zeros(n_implicit, self.n_factors, self.dtype),
            implicit_indptr=indptr,
            implicit_items=items,
            extra_item_ids=extra,
        )
        return state

    def defaults_for(self, ratings: Ratings) -> dict[str, float]:
        """Learning rates, regularisation and the like, by the rule of the class."""
        return asdict(self._rates_class.of(self, ratings))

    # ------------------------------------------------------------------ ratings that come later

    def _check_rates(self, method: str, names: tuple[str, ...]) -> None:
        more = ("lr_implicit", "reg_implicit") if method == "partial_fit" else ()
        super()._check_rates(method, (*names, *more))

    def _joined_fields(self, users_at: Array, items_at: Array, train: Ratings) -> dict[str, Any]:
        state: SVDppState = self._state
        return state.joined_sets(users_at, items_at, train)

    # ------------------------------------------------------------------ predicting

    def _contributions(self, user: int, item: int, origin: Any) -> Contributions | None:
        return by_sets(self._state, user, item)

    def _record(self) -> Factors:
        self._state.sum_up(self.n_threads)
        return super()._record()

    def _similarity_rows(self, kind: str, codes: Array) -> Array:
        self._state.sum_up(self.n_threads)
        return super()._similarity_rows(kind, codes)
