"""`AsymmetricSVD`: matrix factorisation in which users have no factors of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from cfcore.arrays import aligned_zeros
from cfcore.data import Ratings
from cfcore.models.core.fields import PRODUCT, array, is_finite
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.means import damped_means
from cfcore.models.core.single import Session
from cfcore.models.factorization.base import first_factors
from cfcore.models.factorization.first_biases import density_of_factors, first_biases
from cfcore.models.factorization.implicit_state import SETS, SVDppState
from cfcore.models.factorization.implicit_terms import Term
from cfcore.models.factorization.joining import joined_rows, scattered
from cfcore.models.factorization.rates import decay_and_total, density_and_spread, standard_deviation
from cfcore.models.factorization.svdpp import LAST_LR, N_EPOCHS, Rates, SVDpp, bias_rates

Array = np.ndarray[Any, Any]

#: Defaults by cross-validation within the training rows of MovieLens 100K (u1) and 1M.
INIT_SCALE = 0.035
#: Highest learning rate of q: above, training may diverge on dense data.
MAX_LR_FACTORS = 0.035
#: Ratings by which the constants b' of users and items are damped.
USER_DAMPING, ITEM_DAMPING = 10.0, 25.0


@dataclass(frozen=True)
class AsymmetricRates(Rates):
    """Learning rates of the first epoch, and regularisation; the Notes of `AsymmetricSVD` give the rule."""

    @classmethod
    def of(cls, model: SVDpp, train: Ratings) -> AsymmetricRates:
        """The model's hyper-parameters; by the rule where they are not given."""
        density, spread = density_and_spread(train)
        n_epochs = model.n_epochs or N_EPOCHS
        decay, total = decay_and_total(n_epochs, model.lr_decay, LAST_LR)

        def either(given: float | None, shared: float | None, rule: float) -> float:
            return given if given is not None else shared if shared is not None else rule

        lr = either(model.lr, None, min(MAX_LR_FACTORS, 0.1 / total) * 1.12 / spread)
        reg = either(model.reg, None, 0.335 * spread * density_of_factors(density) ** -0.5)
        lr_bias, init_bias = bias_rates(model, density, total)
        return cls(
            n_epochs, lr, decay, reg, lr_bias,
            reg_bias=either(model.reg_bias, model.reg, 0.02),
            lr_implicit=either(model.lr_implicit, None, lr * min(3.0, 75 / density)),
            reg_implicit=either(model.reg_implicit, model.reg, 0.3 * spread * density**-1.5),
            init_scale=either(model.init_scale, None, INIT_SCALE * (spread / 1.12) ** 0.5),
            init_bias=init_bias,
        )  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class AsymmetricState(SVDppState):
    """Biases, factors of items, and both terms over the items of each user.

    Attributes
    ----------
    user_factors : ndarray, shape (n_users, 0) or (n_users, n_factors)
        Users of the fit have no factors of their own; those whose ratings came later have some.
    rating_factors : ndarray, shape (n_items, n_factors)
        x.
    rating_errors : ndarray of float32, shape (n_seen,)
        (r_uj - b'_uj) / s, in the order of ``seen_items``.
    user_offsets, item_offsets : ndarray of float32, shape (n_users,), (n_items,)
        b'_uj is the sum of both and the mean.
    spread : float
        s.
    """

    user_factors: Array = array("f", "n_users", None, optional=True, high=PRODUCT)
    rating_factors: Array = array("f", "n_items", "n_factors", high=PRODUCT)
    rating_errors: Array = array("fi", "n_seen", low=-PRODUCT, high=PRODUCT)
    user_offsets: Array = array("fi", "n_users", low=-PRODUCT, high=PRODUCT)
    item_offsets: Array = array("fi", "n_items", low=-PRODUCT, high=PRODUCT)
    spread: float = 1.0

    trains_users: ClassVar[bool] = False
    _derived: ClassVar[dict[str, tuple[str, ...]]] = {
        **SVDppState._derived,
        "user_rows": ("user_factors", "rating_factors", "implicit_factors", "rating_errors", *SETS),
        "user_norms": ("user_factors", "rating_factors", "implicit_factors", "rating_errors", *SETS),
        "sets": ("rating_factors", "implicit_factors", "rating_errors", *SETS),
        "table": ("rating_factors", "implicit_factors"),
    }

    def __post_init__(self) -> None:
        if vars(self)["user_factors"] is None and isinstance(self.item_factors, np.ndarray):
            none = np.zeros((len(self.user_ids), 0), dtype=self.item_factors.dtype)
            object.__setattr__(self, "user_factors", none)
        super().__post_init__()

    def _verify(self) -> None:
        super()._verify()
        if not (is_finite(self.spread) and self.spread > 0):
            raise ValueError(f"spread_ must be a positive number, not {self.spread!r}")
        size = self.user_factors.shape[1]
        if size not in (0, self.item_factors.shape[1]):
            raise ValueError(
                f"user_factors_ has {size} factors; item_factors_ has {self.item_factors.shape[1]}"
            )

    def with_user_factors(self) -> Self:
        """The state with factors of all users, of zeros where there were none."""
        if self.user_factors.shape[1]:
            return self
        shape = len(self.user_ids), self.item_factors.shape[1]
        return self.changed(user_factors=np.zeros(shape, dtype=self.item_factors.dtype))

    @property
    def tables(self) -> tuple[str, ...]:
        """Fields that are the tables of factors of the implicit terms."""
        return ("rating_factors", "implicit_factors")

    @property
    def terms(self) -> tuple[Term, ...]:
        """The term of the ratings, then that of the set N(u)."""
        sizes = np.diff(self.seen_indptr)
        weights = self.rating_errors * np.repeat(np.maximum(sizes, 1) ** -0.5, sizes)
        rated = Term(self.seen_indptr, self.seen_items, len(self.rating_factors), weights.astype(np.float32))
        return (rated, *super().terms)

    def joined_sets(self, users_at: Array, items_at: Array, train: Ratings) -> dict[str, Any]:
        """As in `SVDppState`; the ratings of `train` join those of their users, or replace them."""
        fields = super().joined_sets(users_at, items_at, train)
        item_offsets = scattered(self.item_offsets, items_at, train.n_items)
        new = (train.item_counts > 0) & (scattered(self.item_counts, items_at, train.n_items) == 0)
        means = offsets(train.values - self.mean, train.item_codes, train.n_items, ITEM_DAMPING)
        item_offsets[new] = means[new]
        rows = self.seen_indptr, items_at[self.seen_items]
        indptr, members, _ = joined_rows(*rows, users_at, train.n_users, train.user_codes, train.item_codes)
        owners = np.repeat(np.arange(train.n_users), np.diff(indptr))
        cells = owners * np.int64(train.n_items) + members
        users = np.repeat(users_at, np.diff(self.seen_indptr))
        at = np.searchsorted(cells, users * np.int64(train.n_items) + rows[1])
        errors, values = np.zeros(len(cells), dtype=np.float32), np.zeros(len(cells))
        errors[at], values[at] = self.rating_errors, self.values_of(slice(None))
        at = np.searchsorted(cells, train.user_codes * np.int64(train.n_items) + train.item_codes)
        values[at] = train.values
        # The errors of users with new ratings are computed anew, with new offsets.
        left = values - self.mean - item_offsets[members]
        touched = train.user_counts > 0
        user_offsets = scattered(self.user_offsets, users_at, train.n_users)
        user_offsets[touched] = offsets(left, owners, train.n_users, USER_DAMPING)[touched]
        which = touched[owners]
        errors[which] = ((left - user_offsets[owners]) / self.spread)[which]
        return fields | {
            "rating_factors": scattered(self.rating_factors, items_at, train.n_items),
            "rating_errors": errors,
            "user_offsets": user_offsets,
            "item_offsets": item_offsets,
        }

    def values_of(self, at: Any) -> Array:
        """Values of the ratings at some positions of ``seen_items``, up to rounding."""
        owners = np.repeat(np.arange(len(self.user_ids)), np.diff(self.seen_indptr))[at]
        offsets = self.mean + self.user_offsets[owners] + self.item_offsets[self.seen_items[at]]
        values: Array = offsets + self.rating_errors[at] * self.spread
        return values


class AsymmetricSVD(SVDpp):
    """Asymmetric SVD: matrix factorisation in which a user is described by the items that the user rated.

    ::

        r̂_ui = μ + b_u + b_i + q_i · (|R(u)|^(-1/2) Σ_{j ∈ R(u)} ((r_uj - b'_uj) / s) x_j
            + |N(u)|^(-1/2) Σ_{j ∈ N(u)} y_j)

    R(u) are the items that u rated in training, N(u) those and the ones of the pairs given as ``implicit``.
    Users have a bias and no factors of their own: they are described by sums over their items.
    Trained by stochastic gradient descent as `SVDpp` without p_u: for each rating, with
    e = r_ui - r̂_ui and z_u for the sum in brackets,

    ::

        q_i ← q_i + η (e z_u - λ q_i)
        x_j ← x_j + η_y (e |R(u)|^(-1/2) ((r_uj - b'_uj) / s) q_i - λ_y x_j)    for all j ∈ R(u)

    and the y_j and biases as in `SVDpp`. Koren, "Factorization meets the neighborhood: a multifaceted
    collaborative filtering model" (KDD 2008), equations 13 and 14. The b'_uj are constants, as in
    Koren, "Factor in the neighbors" (TKDD 2010): the mean plus a damped mean error of the item's ratings (the
    sum of the errors of n ratings over n + 25), and then of the user's (over n + 10). Division by the
    ratings' standard deviation s scales x; then one rule holds for x and y on any scale of ratings.

    Parameters
    ----------
    n_factors, n_epochs, random_state, n_threads, dtype, verbose
        As in `SVDpp`.
    lr, lr_decay, reg, lr_bias, reg_bias : float, optional
        As in `SVDpp`, for q and the biases.
    lr_implicit, reg_implicit : float, optional
        Of x and y.
    init_scale : float, optional
        Standard deviation of the first q (0.035 for ratings from 1 to 5). All other factors start at 0.
    init_bias : float, optional
        As in `SVDpp`.

    Attributes
    ----------
    item_factors_, rating_factors_ : ndarray, shape (n_items, n_factors)
        q and x.
    implicit_factors_ : ndarray, shape (n_items + n_extra, n_factors)
        y.
    user_bias_, item_bias_ : ndarray, shape (n_users,), (n_items,)
    rating_errors_ : ndarray of float32, shape (n_ratings,)
        (r_uj - b'_uj) / s, in the order of ``seen_items_``.
    user_offsets_, item_offsets_ : ndarray of float32, shape (n_users,), (n_items,)
        b'_uj is the sum of both and the mean.
    spread_ : float
        s.
    user_factors_ : ndarray, shape (n_users, 0) or (n_users, n_factors)
        What is added to the sums of users whose ratings came after the fit; no columns if there are none.
    mean_, history_, rates_, implicit_indptr_, implicit_items_, extra_item_ids_
        As in `SVDpp`.

    Notes
    -----
    The rule for learning rates and regularisation is that of `SVDpp`, with d and s as there, but for

    ::

        Σ_t η_t = 0.112 / s,    η_y = η min(3, 75 / d),    λ_y = 0.3 s d^(-3/2)

    The constants were found by cross-validation within the training rows of MovieLens 100K (u1) and 1M. With
    50 factors the RMSE there is .906 and .842, of `SVDpp` .906 and .839, and of `SVD` .914 and .846.

    The sum of few members is far from those of users with many ratings, for which q was trained. So `fold_in`
    and `partial_fit` solve for z and biases of new users as in `SVDpp`: what the sums lack is kept as factors
    of these users alone (``user_factors_``), which further passes of `partial_fit` leave as they are.

    An epoch takes about two thirds longer than one of `SVDpp`: sets have two members for each rating.

    `similar_items` compares q by cosine; `similar_users` compares z_u.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.Ratings(["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3])
    >>> model = cf.AsymmetricSVD(n_factors=4, random_state=0).fit(ratings)
    >>> model.fold_in((["eve"], ["y"], [5])).predict(["ann", "eve"], ["x", "x"]).shape
    (2,)
    """

    _state_class: ClassVar[type[SVDppState]] = AsymmetricState
    _rates_class: ClassVar[type[Rates]] = AsymmetricRates

    def _first(self, train: Ratings, context: FitContext, rates: Rates) -> AsymmetricState:
        draw = context.rng.standard_normal
        user_bias, item_bias = first_biases(train, rates.init_bias, self.dtype)
        items = first_factors(train.item_counts, self.n_factors, self.dtype, rates.init_scale, draw)
        indptr, members, extra = context.side.get("implicit") or (None, None, None)
        n_implicit = train.n_items + (0 if extra is None else len(extra))
        mean, spread = float(context.known["mean"]), standard_deviation(train.values) or 1.0
        item_offsets = offsets(train.values - mean, train.item_codes, train.n_items, ITEM_DAMPING)
        left = train.values - mean - item_offsets[train.item_codes]
        user_offsets = offsets(left, train.user_codes, train.n_users, USER_DAMPING)
        errors = (left - user_offsets[train.user_codes]) / spread
        state: AsymmetricState = context.state(
            AsymmetricState,
            item_factors=items[:, : self.n_factors],
            user_bias=user_bias,
            item_bias=item_bias,
            rating_factors=aligned_zeros(train.n_items, self.n_factors, self.dtype),
            implicit_factors=aligned_zeros(n_implicit, self.n_factors, self.dtype),
            rating_errors=errors[train.by_user.order].astype(np.float32),
            user_offsets=user_offsets,
            item_offsets=item_offsets,
            spread=spread,
            implicit_indptr=indptr,
            implicit_items=members,
            extra_item_ids=extra,
        )
        return state

    def _row_of_session(self, session: Session) -> None:
        """None: a user's row is made of the errors of their ratings as well."""

    def _solved(self, state: Any, kind: str, train: Ratings, codes: Array) -> Any:
        if kind == "user" and len(codes):
            state = state.with_user_factors()
        return super()._solved(state, kind, train, codes)


def offsets(errors: Array, codes: Array, n: int, damping: float) -> Array:
    """`damped_means` as the state holds them: float32[n]."""
    return damped_means(errors, codes, n, damping).astype(np.float32)
