"""`ALS`: matrix factorisation by alternating least squares."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from cfcore.arrays import padded
from cfcore.data import Ratings, from_fields
from cfcore.kernels.records import RatingRows
from cfcore.models.core.explaining import Contributions
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.model import Array
from cfcore.models.core.params import MOST_EPOCHS, check_choice, check_flag, check_number
from cfcore.models.core.single import Session
from cfcore.models.core.state import State
from cfcore.models.core.training import run_epochs
from cfcore.models.factorization.als_explaining import by_ratings
from cfcore.models.factorization.als_rows import Penalties, Side
from cfcore.models.factorization.als_state import ALSState
from cfcore.models.factorization.als_trainer import ALSTrainer, first_arrays
from cfcore.models.factorization.base import FactorModel
from cfcore.models.factorization.joining import joined_rows, scattered, weights_of_later
from cfcore.models.factorization.rates import density_and_spread
from cfcore.random import RandomState

__all__ = ["ALS"]

#: Constants of the rule, found on a tenth of the training rows of MovieLens 100K (u1) and 1M, held out
#: (``python benchmarks/als.py choose``): of factors, with `scale_reg` and without; of the y and w; of biases.
SCALED, UNSCALED, IMPLICIT, REG_BIAS = 9.0, 3.2, 0.87, 5.0
#: Steps of conjugate gradients for each row in an epoch: with a third, the error of MovieLens 1M is the same.
STEPS = 2
#: Ratings per user and item below which regularisation is that of so many: factors would overfit.
SPARSE = 24.0


class ALS(FactorModel):
    """Matrix factorisation with biases and implicit sets, by alternating least squares.

    ::

        r̂_ui = μ + b_u + b_i + x_u · z_i
        x_u = p_u + |N_u|^(-1/2) Σ_{j ∈ N_u} y_j
        z_i = q_i + |N_i|^(-1/2) Σ_{v ∈ N_i} w_v

    where N(u) are the items that u rated, and N(i) the users who rated i. The parameters minimise

    ::

        Σ_{u,i} ω_ui (r_ui - r̂_ui)² + λ (Σ_u n_u |p_u|² + Σ_i n_i |q_i|²) + λ_b (Σ_u b_u² + Σ_i b_i²)
            + λ_y (Σ_j |y_j|² + Σ_v |w_v|²)

    with the weights ω given to `fit` (else 1) and their sums n, which are numbers of ratings.

    Parameters
    ----------
    n_factors : int, default 64
        Length of the rows.
    n_epochs : int, default 20
        Times that all items, and then all users, are solved for.
    reg : float, optional
        λ; by default 3.2 s √d, with `scale_reg` 9 s / d, for d ratings
        per user and item, of standard deviation s; but for `scale_reg`, d is at least 24.
    reg_bias : float, optional
        λ_b; by default 5: as much as five ratings.
    reg_implicit : float, optional
        λ_y; by default .87 s d.
    scale_reg : bool, default False
        Whether a row's penalty grows with its ratings (ALS-WR). By default all n above are 1.
    sets : {"both", "user", "item"} or None, default "both"
        Which rows have sums over sets: of users (y), of items (w), both, or none.
    solver : {"cholesky", "cg"}, default "cholesky"
        How the equations of a row are solved: exactly, or improved from the row of the epoch before by two
        steps of conjugate gradients, which cost O(n k) in place of O(n k^2). Rows of ratings that come after
        the fit are exact with either.
    random_state : int, SeedSequence, Generator, BitGenerator, RandomState or None
        Seed of the first factors of users.
    n_threads : int, optional
        By default all cores. Results do not depend on it.
    verbose : int, default 0
        1 shows a progress bar.

    Attributes
    ----------
    user_factors_, item_factors_ : ndarray of float32, shape (n_users, n_factors), (n_items, n_factors)
        x and z: the sums over the sets are in them.
    user_bias_, item_bias_ : ndarray of float32, shape (n_users,), (n_items,)
    implicit_factors_ : ndarray of float32, shape (n_items, n_factors) or (n_items, 0)
        y.
    implicit_user_factors_ : ndarray of float32, shape (n_users, n_factors) or (n_users, 0)
        w.
    mean_ : float
        Mean of the ratings, by their weights.
    history_ : dict of str to list of float
        ``train_rmse`` after each epoch, by weights; ``validation_rmse`` if fitted with ``validation``.
    rates_ : dict of str to float
        The regularisation.
    seen_weights_ : ndarray of float32, or None
        Weights of the ratings, in the order of ``seen_items_``.

    Notes
    -----
    An epoch draws nothing, has no learning rate and cannot diverge: each step is the exact minimum over some
    parameters given the others, and the sum above never grows. In turn these are the w, one after the other;
    factors and bias of each item together; the y; factors and bias of each user together. The normal
    equations of a row are those of a row of `BayesianSVD`, without the noise. Y. Zhou, Wilkinson, Schreiber
    and Pan, "Large-scale parallel collaborative filtering for the Netflix Prize" (AAIM 2008), whose weighted
    λ is that of `scale_reg`; Hu, Koren and Volinsky, "Collaborative filtering for implicit
    feedback datasets" (ICDM 2008); Koren, "Factorization meets the neighborhood" (KDD 2008), for the sets.

    An epoch costs O(n k^2 + (n_users + n_items) k^3) for n ratings and k factors; the sets add O(n k). Any
    number of threads finds the same bits.

    Ratings that come after the fit are answered by the same equations: with ``given=`` and `fold_in`, the row
    of a user is the minimum over it with all items held, so that a user of the training ratings with the
    same ratings gets the same row. `partial_fit` goes on with epochs over all ratings, those that the model
    keeps and those given.

    A row's sums of products are formed in float32 in parts of 64 ratings, and in double beyond; equations are
    solved in double.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.Ratings(["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3])
    >>> model = cf.ALS(n_factors=2, random_state=0).fit(ratings, weights=[1, 1, 2])
    >>> model.predict(["ann", "eve"], ["x", "x"]).shape
    (2,)
    """

    _state_class: ClassVar[type[State]] = ALSState
    takes_weights: ClassVar[bool] = True

    n_epochs: int

    def __init__(
        self,
        *,
        n_factors: int = 64,
        n_epochs: int = 20,
        reg: float | None = None,
        reg_bias: float | None = None,
        reg_implicit: float | None = None,
        scale_reg: bool = False,
        sets: str | None = "both",
        solver: str = "cholesky",
        random_state: RandomState = None,
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_factors = n_factors
        self.n_epochs = n_epochs
        self.reg = reg
        self.reg_bias = reg_bias
        self.reg_implicit = reg_implicit
        self.scale_reg = scale_reg
        self.sets = sets
        self.solver = solver
        self.random_state = random_state
        self.n_threads = n_threads
        self.verbose = verbose

    def _check_params(self) -> None:
        check_number("n_factors", self.n_factors, 1, 2**16, integer=True)
        check_number("n_epochs", self.n_epochs, 1, MOST_EPOCHS, integer=True)
        for name in ("reg", "reg_bias", "reg_implicit"):
            check_number(name, getattr(self, name), 0, none=True, open_low=True)
        check_flag("scale_reg", self.scale_reg)
        check_choice("sets", self.sets, ("both", "user", "item", None))
        check_choice("solver", self.solver, ("cholesky", "cg"))

    # ------------------------------------------------------------------ fitting

    def _fit(self, train: Ratings, context: FitContext) -> ALSState:
        trainer = self.trainer(train, context)
        state: Any = run_epochs(trainer, context, self.n_epochs, growth=np.inf)
        found: ALSState = state
        return found

    def trainer(self, train: Ratings, context: FitContext, start: Any = None) -> ALSTrainer:
        """The trainer of a fit, or of one that goes on, with all ratings, from the parameters of a state."""
        if start is None:
            rates, spread = self._rates(train), density_and_spread(train)[1]
            first = first_arrays(train, self.n_factors, self.sets, spread, context.rng)
            return ALSTrainer(train, context, rates, first, context.weights, self._steps)
        weights = None
        if start.seen_values is not None:
            users = np.repeat(np.arange(train.n_users, dtype=np.int32), np.diff(start.seen_indptr))
            train = from_fields(
                users, start.seen_items, start.seen_values, None, start.user_ids, start.item_ids, start.scale
            )
            weights = start.seen_weights
        first = {
            name: np.array(getattr(start, name), dtype=np.float32)
            for name in ("user_factors", "item_factors", "user_bias", "item_bias", "implicit_factors",
                         "implicit_user_factors")
        }  # fmt: skip
        return ALSTrainer(train, context, start.rates, first, weights, self._steps)

    @property
    def _steps(self) -> int:
        return STEPS if self.solver == "cg" else 0

    def _rates(self, train: Ratings) -> dict[str, float]:
        """The regularisation of a fit, by the rule where it is not given."""
        density, spread = density_and_spread(train)
        dense = max(density, SPARSE)
        usual = SCALED * spread / density if self.scale_reg else UNSCALED * spread * dense**0.5
        given = {
            "reg": (self.reg, usual),
            "reg_bias": (self.reg_bias, REG_BIAS),
            "reg_implicit": (self.reg_implicit, IMPLICIT * spread * dense),
        }
        found = {name: float(rule if held is None else held) for name, (held, rule) in given.items()}
        return {**found, "scale_reg": float(self.scale_reg)}

    def defaults_for(self, ratings: Ratings) -> dict[str, float]:
        """Regularisation by the rule of the class."""
        found = self._rates(ratings)
        del found["scale_reg"]
        return found

    # ------------------------------------------------------------------ ratings that come later

    def _check_rates(self, method: str, names: tuple[str, ...]) -> None:
        super()._check_rates(method, ("reg", "reg_bias", "reg_implicit", "scale_reg"))

    def _loop_options(self, before: Any) -> dict[str, Any]:
        return {"growth": np.inf}

    def _joined_fields(self, users_at: Array, items_at: Array, train: Ratings) -> dict[str, Any]:
        before: ALSState = self._state
        fields: dict[str, Any] = {
            "implicit_factors": scattered(before.implicit_factors, items_at, train.n_items),
            "implicit_user_factors": scattered(before.implicit_user_factors, users_at, train.n_users),
        }
        if before.seen_weights is not None:
            cells = train.user_codes, train.item_codes, train.values
            own = weights_of_later(before, users_at, items_at, cells, train.n_items)
            _, _, fields["seen_weights"] = joined_rows(
                before.seen_indptr, items_at[before.seen_items], users_at, train.n_users, train.user_codes,
                train.item_codes, (before.seen_weights, own),
            )  # fmt: skip
        return fields

    def _with_weights(self, state: Any, train: Ratings, weights: Array) -> Any:
        if state.seen_values is None:
            raise ValueError(
                "partial_fit: the model does not keep its ratings, and so no weights; leave out weights=, or "
                "call fit with all ratings and their weights"
            )
        held = np.ones(len(state.seen_items), dtype=np.float32)
        if state.seen_weights is not None:
            held[:] = state.seen_weights
        held[places_of(state, train.user_codes, train.item_codes)] = weights
        return state.changed(seen_weights=held)

    def _solved(self, state: Any, kind: str, train: Ratings, codes: Array) -> Any:
        """As in `FactorModel`, by the equations of the fit."""
        if len(codes) == 0:
            return state
        self._check_rates("fold_in", ())
        rows = train.by_user if kind == "user" else train.by_item
        counts = np.diff(rows.indptr)
        wanted = np.zeros(len(counts), dtype=bool)
        wanted[codes] = True
        picked = np.repeat(wanted, counts)
        indptr = np.append(0, np.cumsum(counts[codes]))
        weights = None
        if state.seen_weights is not None:
            at = rows.order[picked]
            weights = weights_of(state, train.user_codes[at], train.item_codes[at])
        other = "item" if kind == "user" else "user"
        factors, bias = (getattr(state, f"{other}_{what}") for what in ("factors", "bias"))
        others = padded(factors.astype(np.float32)), bias.astype(np.float32)
        ratings = RatingRows(indptr, rows.indices[picked], rows.values[picked], len(factors))
        found, found_bias = self._rows_of(state, kind, ratings, weights, others)
        factors, bias = getattr(state, f"{kind}_factors").copy(), getattr(state, f"{kind}_bias").copy()
        factors[codes], bias[codes] = found, found_bias
        return state.completed(kind, codes, factors, bias)

    def _rows_of(
        self, state: ALSState, kind: str, ratings: RatingRows, weights: Array | None, others: Any
    ) -> tuple[Array, Array]:
        """Factors and biases of some users (or items), given padded rows and biases of the others."""
        side = Side(ratings, weights, Penalties.of(state.rates), self.n_threads)
        own = np.zeros((ratings.n_rows, others[0].shape[1]), dtype=np.float32)
        bias = np.zeros(ratings.n_rows, dtype=np.float32)
        side.solving((own, bias), others, state.mean, side.totals())(side.sums(state.member_rows(kind)))
        return own[:, : state.item_factors.shape[1]], bias

    def _row_of_session(self, session: Session) -> tuple[Array, float] | None:
        state: ALSState = self._state
        if state.item_rows.dtype != np.float32:
            return None
        self._check_rates("given=", ())
        indptr = np.array([0, len(session.items)])
        ratings = RatingRows(indptr, session.items, session.values, len(state.item_ids))
        others = state.item_rows, np.ascontiguousarray(state.item_bias)
        own, bias = self._rows_of(state, "user", ratings, None, others)
        row = np.zeros(others[0].shape[1], dtype=np.float32)
        row[: own.shape[1]] = own[0]
        return row, state.mean + float(bias[0])

    def _contributions(self, user: int, item: int, origin: Any) -> Contributions | None:
        return by_ratings(self._state, user, item)

    def _state_without_each(self, own: Ratings) -> State | None:
        return None


def weights_of(state: ALSState, users: Array, items: Array) -> Array:
    """Weights of ratings that a state has: float32[n]."""
    assert state.seen_weights is not None
    found: Array = state.seen_weights[places_of(state, users, items)]
    return found


def places_of(state: ALSState, users: Array, items: Array) -> Array:
    """Positions of ratings of a state in its `seen_items`: int[n]."""
    width = np.int64(len(state.item_ids))
    owners = np.repeat(np.arange(len(state.user_ids)), np.diff(state.seen_indptr))
    keys = owners * width + state.seen_items
    return np.searchsorted(keys, users * width + items)
