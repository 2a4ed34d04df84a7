"""`SVDpp`: matrix factorisation that also looks at which items a user rated."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros, padded
from cfcore.data import Ratings, as_pairs, as_ratings
from cfcore.data.ids import as_id_column, encode
from cfcore.data.index import sets
from cfcore.errors import DataError
from cfcore.kernels.records import ImplicitRows, ImplicitSets, SVDppFactors, SVDppRates
from cfcore.models.core.model import Array, Callback
from cfcore.models.core.params import check_choice, check_number
from cfcore.models.core.training import Training
from cfcore.models.factorization.base import (
    FactorModel,
    decay_and_total,
    density_and_spread,
    first_factors,
    last_rates,
)
from cfcore.models.factorization.update import joined_rows, moved
from cfcore.models.factorization.user_batches import UserBatches
from cfcore.random import RandomState
from cfcore.threads import resolve_threads

#: Defaults by cross-validation; `benchmarks/defaults.py` repeats the search.
N_EPOCHS, INIT_SCALE = 30, 0.01
#: Learning rate of the last epoch, as a part of that of the first.
COOLED = 0.02
#: Not much above it training diverges.
MAX_LR = 0.08
#: Sum over the epochs of the biases' learning rates where ratings are dense; it is more where they are not.
BIAS_TOTAL = 0.055


@dataclass(frozen=True)
class Rates:
    """Learning rates and regularisation in force; the Notes of `SVDpp` say where the defaults come from."""

    n_epochs: int
    lr: float
    lr_decay: float
    reg: float
    lr_bias: float
    reg_bias: float
    lr_implicit: float
    reg_implicit: float
    init_scale: float

    @classmethod
    def of(cls, model: SVDpp, train: Ratings) -> Rates:
        """What the model was given, and the rule for the rest."""
        density, spread = density_and_spread(train)
        n_epochs = model.n_epochs or N_EPOCHS
        decay, total = decay_and_total(n_epochs, model.lr_decay, COOLED)
        pace = 1.12 / spread

        def either(given: float | None, shared: float | None, rule: float) -> float:
            return given if given is not None else shared if shared is not None else rule

        lr = either(model.lr, None, min(MAX_LR, 0.3 / total) * pace)
        reg = either(model.reg, None, 0.335 * spread * density**-0.5)
        return cls(
            n_epochs, lr, decay, reg,
            lr_bias=either(model.lr_bias, model.lr, min(MAX_LR, max(BIAS_TOTAL, 1.4 / density) / total)),
            reg_bias=either(model.reg_bias, model.reg, 0.02),
            lr_implicit=either(model.lr_implicit, None, lr * min(1.0, 7.7 / density)),
            reg_implicit=either(model.reg_implicit, model.reg, 2.2 * spread * density**-2),
            init_scale=either(model.init_scale, None, INIT_SCALE * pace**-0.5),
        )  # fmt: skip


class SVDpp(FactorModel):
    r"""SVD++: matrix factorisation in which the set of items that a user rated counts, beside the ratings.

    .. math:: \hat r_{ui} = \mu + b_u + b_i + q_i \cdot \Bigl(p_u + |N(u)|^{-1/2} \sum_{j \in N(u)} y_j\Bigr)

    N(u) are the items that u rated in training, and those of the pairs given as ``implicit``. Trained by
    stochastic gradient descent: for each rating, with :math:`e = r_{ui} - \hat r_{ui}` and :math:`z_u` for
    what stands in brackets,

    .. math::

        b_u \leftarrow b_u + \eta_b (e - \lambda_b b_u), \quad
        p_u \leftarrow p_u + \eta (e q_i - \lambda p_u), \quad
        q_i \leftarrow q_i + \eta (e z_u - \lambda q_i)

        y_j \leftarrow y_j + \eta_y (e |N(u)|^{-1/2} q_i - \lambda_y y_j) \quad \text{for all } j \in N(u)

    and :math:`b_i` as :math:`b_u`. Koren, "Factorization meets the neighborhood: a multifaceted collaborative
    filtering model" (KDD 2008).

    Parameters
    ----------
    n_factors : int, default 100
        0 trains the biases alone.
    n_epochs : int, optional
        Passes over the ratings; 30 by default.
    lr, lr_decay : float, optional
        Learning rate of the first epoch, and the factor on it after each epoch.
    reg : float, optional
        Regularisation :math:`\lambda`. What is not given of `lr`, `lr_decay` and `reg` follows the data: see
        Notes.
    lr_bias, reg_bias, reg_implicit : float, optional
        The same for the biases, and for the y. By default those given for the factors, or by rules of
        their own.
    lr_implicit : float, optional
        Learning rate of the y; by default a part of that of the factors, by the rule.
    init_scale : float, optional
        Standard deviation of the first p and q (0.01 for ratings from 1 to 5). The biases and the y start at
        0, and so do factors of users and items without ratings.
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
        ``train_rmse``: errors met during each epoch; ``validation_rmse`` if fitted with ``validation``.
    rates_ : dict of str to float
        Learning rates of the last epoch, and regularisation, as they were in force.

    Notes
    -----
    An unknown user is given the prediction :math:`\mu + b_i`, an unknown item :math:`\mu + b_u`, both
    :math:`\mu`.

    Summed over j, the last step above reads :math:`s_u \leftarrow s_u + \eta_y (e q_i - \lambda_y s_u)` for
    the sum :math:`s_u = |N(u)|^{-1/2} \sum y_j`. So the sum is formed once an epoch for each user, moves with
    the user's ratings, and is written back to the y once: an epoch costs about twice one of `SVD`, and not
    :math:`|N(u)|` times as much.

    Users are cut into chunks, 16 or more, visited one after the other in a new order in each epoch; within a
    chunk ratings are visited block by block, as in `SVD`. Users of a chunk start from the same y, and what
    each of them adds is applied at the chunk's end; the more their sets overlap, the fewer users make a
    chunk, and with more than 103 ratings per user and item there are more, as the y learn more slowly by the
    rule below. That costs about .0002 of RMSE on MovieLens 1M and
    nothing to be seen on 100K, and it makes fits on any number of threads the same to the bit.

    The rule for learning rates and regularisation: with d ratings per user and item (the number of ratings
    over that of users and items together) and ratings of standard deviation s,

    .. math::

        \lambda = 0.335\, s / \sqrt d, \quad \lambda_b = 0.02, \quad \lambda_y = 2.2\, s / d^2

        \sum_t \eta_t = 0.336 / s, \quad \sum_t \eta_{b,t} = \max(0.055, 1.4 / d), \quad
        \eta_y = \eta \min(1, 7.7 / d)

    where t runs over the epochs, and the last learning rate is a fiftieth of the first. A y moves with every
    rating of everyone who rated its item, hence the higher powers of d. The constants were found by
    cross-validation within the training rows of MovieLens 100K (u1) and 1M; the powers of s follow from the
    equations.

    `similar_items` compares q by cosine; `similar_users` compares :math:`z_u`.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.Ratings(["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3])
    >>> model = cf.SVDpp(n_factors=4, random_state=0).fit(ratings, implicit=(["bob"], ["z"]))
    >>> model.predict(["ann", "eve"], ["x", "x"]).shape
    (2,)
    """

    _trained: ClassVar[tuple[str, ...]] = (*FactorModel._trained, "implicit_factors_")
    _array_names: ClassVar[tuple[str, ...]] = (
        *_trained, "implicit_indptr_", "implicit_items_", "extra_item_ids_",
    )  # fmt: skip

    implicit_factors_: Array
    implicit_indptr_: Array | None
    implicit_items_: Array | None
    extra_item_ids_: Array | None

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
        self.random_state = random_state
        self.n_threads = n_threads
        self.dtype = dtype
        self.verbose = verbose

    def _check_params(self) -> None:
        check_number("n_factors", self.n_factors, 0, integer=True)
        check_number("n_epochs", self.n_epochs, 1, integer=True, none=True)
        for name in ("lr", "lr_decay", "lr_bias", "lr_implicit"):
            check_number(name, getattr(self, name), 0, none=True, open_low=True)
        for name in ("reg", "reg_bias", "reg_implicit", "init_scale"):
            check_number(name, getattr(self, name), 0, none=True)
        check_choice("dtype", self.dtype, ("float32", "float64"))

    # ------------------------------------------------------------------ fitting

    def fit(
        self,
        ratings: Any,
        *,
        validation: Any = None,
        early_stopping: int | None = None,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        implicit: Any = None,
    ) -> Self:
        """Fit the model, forgetting any earlier fit.

        Parameters
        ----------
        ratings, validation, early_stopping, callback, checkpoint
            As for every model; see `Model.fit`.
        implicit : Ratings, DataFrame, (users, items) or scipy sparse matrix, optional
            Further pairs for the sets N(u): pages viewed, purchases, ratings whose value is not known.
            Values, where there are any, are passed over; pairs may repeat, and repeat those of `ratings`. An
            item may be one without ratings; pairs of users without ratings are left out.

        Returns
        -------
        self

        Raises
        ------
        DataError, ValueError, TypeError
            As `Model.fit` does; DataError for pairs that cannot be used as well.
        """
        train = as_ratings(ratings)
        sets = None if implicit is None else joined(train, implicit)
        return self._run(
            train, validation, early_stopping, callback=callback, checkpoint=checkpoint, implicit=sets
        )

    def _fit(
        self,
        train: Ratings,
        validation: Ratings | None,
        early_stopping: int | None,
        implicit: tuple[Array, Array, Array] | None = None,
    ) -> None:
        rng = self._generator()
        rates = Rates.of(self, train)
        factors = self._start(train, rates.init_scale, rng, implicit)
        self._descend(train, factors, rates, rng, validation, early_stopping)

    def _go_on(self, train: Ratings, n_epochs: int) -> None:
        factors = padded(self.user_factors_), padded(self.item_factors_), padded(self.implicit_factors_)
        rates = Rates(n_epochs, lr_decay=1.0, init_scale=0.0, **self.rates_)
        self._descend(train, factors, rates, self._generator())

    def _descend(
        self,
        train: Ratings,
        factors: tuple[Array, Array, Array],
        rates: Rates,
        rng: np.random.Generator,
        validation: Ratings | None = None,
        early_stopping: int | None = None,
    ) -> None:
        """Train padded p, q and y, and the biases there are."""
        self._show(*factors)
        users, items, table = factors
        parameters = SVDppFactors(
            users, items, self.user_bias_, self.item_bias_, self.mean_, implicit_factors=table
        )
        batches = UserBatches(train, self._sets(), table, rng, self.n_threads)

        def slowed(slower: float) -> SVDppRates:
            return SVDppRates(
                rates.lr * slower, rates.reg, rates.lr_bias * slower, rates.reg_bias,
                rates.lr_implicit * slower, rates.reg_implicit,
            )  # fmt: skip

        self._train(batches, vars(rates), parameters, slowed, validation, early_stopping)

    def _train(
        self,
        batches: UserBatches,
        rates: dict[str, Any],
        parameters: Any,
        slowed: Callable[[float], Any],
        validation: Ratings | None,
        early_stopping: int | None,
    ) -> None:
        """Epochs over `batches`; `slowed` makes the kernel's rates from the factor on learning rates."""
        training = Training(
            self, rates["n_epochs"], validation, early_stopping, snapshot=self._snapshot, lr=rates["lr"]
        )
        for epoch in training:
            error = batches.descend(parameters, slowed(rates["lr_decay"] ** epoch))
            self._forget_rows()
            training.record(error)
        self._forget_rows()
        self.rates_ = last_rates(rates, self.n_epochs_)

    def _join_more(self, before: Self, users_at: Array, items_at: Array, train: Ratings) -> None:
        n_items = len(self.item_ids_)
        y_at = items_at
        if before.extra_item_ids_ is not None and before.implicit_indptr_ is not None:
            # An item that only `implicit` named may be rated now.
            self.extra_item_ids_ = np.setdiff1d(before.extra_item_ids_, self.item_ids_)
            extra_at = encode(self.item_ids_, before.extra_item_ids_, "items")
            extra_at[extra_at < 0] = n_items + np.arange(len(self.extra_item_ids_))
            y_at = np.append(items_at, extra_at)
            owners = np.repeat(np.arange(len(before.user_ids_)), np.diff(before.implicit_indptr_))
            members = y_at[before.implicit_items_]
            members = members[np.lexsort((members, owners))]
            self.implicit_indptr_, self.implicit_items_ = joined_rows(
                before.implicit_indptr_, members, users_at, len(self.user_ids_), train.user_codes,
                train.item_codes,
            )  # fmt: skip
        n_extra = 0 if self.extra_item_ids_ is None else len(self.extra_item_ids_)
        self.implicit_factors_ = moved(before.implicit_factors_, y_at, n_items + n_extra)

    def _start(
        self,
        train: Ratings,
        init_scale: float,
        rng: np.random.Generator,
        implicit: tuple[Array, Array, Array] | None,
    ) -> tuple[Array, Array, Array]:
        """The sets N(u), and all parameters at their start, as attributes; the padded rows of p, q and y."""
        self.implicit_indptr_, self.implicit_items_, self.extra_item_ids_ = implicit or (None, None, None)
        n_extra = 0 if self.extra_item_ids_ is None else len(self.extra_item_ids_)

        users, items = (
            first_factors(counts, self.n_factors, self.dtype, init_scale, rng.standard_normal)
            for counts in (train.user_counts, train.item_counts)
        )
        y = aligned_zeros(len(items) + n_extra, items.shape[1], self.dtype)
        self._show(users, items, y)
        self.user_bias_ = np.zeros(len(users), dtype=self.dtype)
        self.item_bias_ = np.zeros(len(items), dtype=self.dtype)
        return users, items, y

    def _show(self, users: Array, items: Array, y: Array) -> None:
        """Attributes that are the padded rows without their padding."""
        self.user_factors_ = users[:, : self.n_factors]
        self.item_factors_ = items[:, : self.n_factors]
        self.implicit_factors_ = y[:, : self.n_factors]

    def _sets(self) -> ImplicitSets:
        """N(u) in compressed rows."""
        indptr, members = self.implicit_indptr_, self.implicit_items_
        if indptr is None or members is None:
            indptr, members = self.seen_indptr_, self.seen_items_
        return ImplicitSets(indptr, members, len(self.implicit_factors_))

    # ------------------------------------------------------------------ predicting

    def _rows(self) -> tuple[Array, Array]:
        """Padded rows of the users' p plus their sums, and of the items' q."""
        if "rows" not in self._cache:
            implicit = padded(self.implicit_factors_)
            users = aligned_zeros(len(self.user_factors_), implicit.shape[1], implicit.dtype)
            backends.kernel("factorization.svdpp").implicit_sums(
                self._sets(), ImplicitRows(implicit, users), resolve_threads(self.n_threads)
            )
            users[:, : self.user_factors_.shape[1]] += self.user_factors_
            self._cache["rows"] = users, padded(self.item_factors_)
        users, items = self._cache["rows"]
        return users, items


def joined(train: Ratings, pairs: Any) -> tuple[Array, Array, Array]:
    """Sets of the items that users rated and those of further pairs, given as ``fit(..., implicit=pairs)``.

    Returns
    -------
    indptr, members : ndarray of int64, ndarray of int32
        Item codes of each user, ascending.
    extra_ids : ndarray
        Items that are not among the training items; they have the codes from n_items on.
    """
    raw_users, raw_items, _ = as_pairs(pairs)
    users = encode(train.user_ids, raw_users, "implicit users")
    items = encode(train.item_ids, raw_items, "implicit items")
    if len(users) != len(items):
        raise DataError(f"implicit: the columns differ in length: {len(users)} users, {len(items)} items")
    extra, extra_ids = items < 0, train.item_ids[:0]
    if extra.any():
        raw = as_id_column(raw_items, "implicit items")[extra]
        extra_ids, rank = np.unique(raw.astype(str) if raw.dtype == object else raw, return_inverse=True)
        items[extra] = train.n_items + rank
    known = (users >= 0) & (train.user_counts[users] > 0)
    codes = (np.append(train.user_codes, users[known]), np.append(train.item_codes, items[known]))
    indptr, members = sets(*codes, train.n_users, train.n_items + len(extra_ids))
    again = np.zeros(len(members), dtype=bool)
    again[1:] = members[1:] == members[:-1]
    again[indptr[:-1][indptr[:-1] < indptr[1:]]] = False  # whatever the set before ended with
    indptr = indptr - np.searchsorted(np.flatnonzero(again), indptr)
    return indptr, members[~again], extra_ids
