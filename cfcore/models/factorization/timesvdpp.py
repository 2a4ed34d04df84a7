"""`TimeSVDpp`: SVD++ whose users and items change with time."""

from __future__ import annotations

import sys
from typing import Any, ClassVar, Self

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros, available_memory, padded
from cfcore.data import Ratings
from cfcore.kernels.records import LEFT_OUT, TIME_TERMS, TimeParameters, TimeRates
from cfcore.models.core.model import Array
from cfcore.models.core.params import check_number
from cfcore.models.factorization.base import density_and_spread
from cfcore.models.factorization.svdpp import Rates, SVDpp
from cfcore.models.factorization.time_terms import FACTORS, TERMS, in_order, rates_of_terms
from cfcore.models.factorization.update import moved
from cfcore.models.factorization.user_batches import UserBatches
from cfcore.models.factorization.user_days import WEEKDAYS, WEEKS, Days, mean_dates
from cfcore.random import RandomState
from cfcore.threads import worthwhile_threads

#: Ratings by which `fold_in` damps the bias of a day: their mean error counts n / (n + DAMPING). Judged by
#: held-out ratings of held-out users within the training rows of MovieLens 100K (u1) and 1M.
DAMPING = 5.0


class TimeSVDpp(SVDpp):
    r"""timeSVD++: SVD++ in which users and items change with time. Needs ratings with timestamps.

    .. math::

        \hat r_{ui}(t) = \mu + b_u(t) + b_i(t)
            + q_i \cdot \Bigl(p_u(t) + |N(u)|^{-1/2} \sum_{j \in N(u)} y_j\Bigr)

        b_u(t) = b_u + \alpha_u \mathrm{dev}_u(t) + b_{u,t}, \qquad
        p_u(t) = p_u + \alpha_u' \mathrm{dev}_u(t) + p_{u,t}

        b_i(t) = (b_i + b_{i,\mathrm{Bin}(t)}) (c_u + c_{u,t}) + b_{i,f} + b_{i,\mathrm{weekday}(t)} +
            b_{i,\mathrm{week}(t)}

    where t is a day (UTC), :math:`\mathrm{dev}_u(t) = \mathrm{sign}(t - t_u) |t - t_u|^{0.4}` the distance in
    days to the user's mean date :math:`t_u`, and f the logarithm, rounded down, of the number of the user's
    ratings that day. Trained by stochastic gradient descent like `SVDpp`: every parameter x of a rating moves
    by :math:`\eta_x (e\, \partial \hat r / \partial x - \lambda_x x)`, and :math:`c_u`, which starts at 1,
    shrinks to 1. Koren, "Collaborative filtering with temporal dynamics" (KDD 2009), and for f and c "The
    BellKor solution to the Netflix grand prize" (2009).

    Each term of time has a parameter of its own: False leaves it out, True trains it by the rule, and a pair
    (lr, reg) gives its learning rate of the first epoch and its regularisation. The rule, with s for the
    ratings' standard deviation and the other rates as in `SVDpp` (but no more of lr_bias than sums up to .055
    over the epochs), and what is published for Netflix:

    ================  =======================  =======  ======================  =======  =====================
    parameter         term                     default  lr                      reg      Netflix: lr, reg
    ================  =======================  =======  ======================  =======  =====================
    user_slope        :math:`\alpha_u`         off      .007 lr_bias            .05      3.11e-6, 3.95
    user_scale        :math:`c_u`              on       .9 lr_bias / s²         .008 s²  .00564, .0476
    day_bias          :math:`b_{u,t}`          on       .87 lr_bias             .2       .00257, .00231
    day_scale         :math:`c_{u,t}`          on       .36 lr_bias / s²        .08 s²   .00103, .019
    user_drift        :math:`\alpha_u'`        on       .01 lr_implicit         .045 s
    day_factors       :math:`p_{u,t}`          on       .6 lr_implicit          .27 s
    item_bins         :math:`b_{i,Bin(t)}`     on       .044 lr_bias            .02      .000115, .0929
    item_frequencies  :math:`b_{i,f}`          off      .044 lr_bias            .02      .00236, 1.1e-8
    item_weekdays     :math:`b_{i,weekday}`    off      .073 lr_bias            .02
    item_weeks        :math:`b_{i,week}`       off      .073 lr_bias            .02
    ================  =======================  =======  ======================  =======  =====================

    Parameters
    ----------
    user_slope, user_scale, day_bias, day_scale, user_drift, day_factors : bool or (lr, reg)
        Terms of users.
    item_bins, item_frequencies, item_weekdays, item_weeks : bool or (lr, reg)
        Terms of items.
    n_bins : int, default 30
        Bins of equal length into which the time from the first to the last day is cut; 255 at most.
    frequency_base : float, default 6.76
        Base of the logarithm in f.
    n_factors, n_epochs, lr, lr_decay, reg, lr_bias, reg_bias, lr_implicit, reg_implicit, init_scale
        As in `SVDpp`, whose rule they follow.
    random_state, n_threads, dtype, verbose
        As in `SVDpp`.

    Attributes
    ----------
    user_bias_, user_slope_, user_scale_ : ndarray, shape (n_users,)
        Of terms left out, here and below: no rows, or no columns.
    day_bias_, day_scale_ : ndarray, shape (n_days,)
        Of user-days: pairs of a user and a day on which the user rated.
    user_factors_, user_drift_ : ndarray, shape (n_users, n_factors)
    day_factors_ : ndarray, shape (n_days, n_factors)
    item_bias_ : ndarray, shape (n_items,)
    item_bins_, item_frequencies_, item_weekdays_, item_weeks_ : ndarray, shape (n_items, number of them)
    item_factors_, implicit_factors_ : ndarray, shape (n_items, n_factors), (n_items + n_extra, n_factors)
    day_indptr_, day_numbers_, day_frequencies_ : ndarray
        User u's days are ``day_numbers_[day_indptr_[u]:day_indptr_[u + 1]]``, in days since 1970.
    user_dates_ : ndarray, shape (n_users,)
        Mean day of each user's ratings.
    bin_edges_ : ndarray, shape (n_bins - 1,)
        Days on which the second and later bins begin.
    mean_, history_, implicit_indptr_, implicit_items_, extra_item_ids_
        As in `SVDpp`.
    rates_ : dict of str to float
        As in `SVDpp`, and for every term of the table ``lr_`` and ``reg_`` followed by its name.

    Notes
    -----
    On a day without ratings by the user in training, the terms of that day and f are left out, and the bin is
    the nearest. Without timestamps, as in `recommend`, users are taken at their mean date, and items without
    bin, f, weekday and week. Unknown users and items leave out their terms, as in `SVDpp`.

    The terms of a user's days learn from ratings of the same day. They pay where ratings to be predicted have
    company in training, as in a random split; on days to come they are left out.

    `fold_in` and `partial_fit` take ratings with timestamps. New users are solved for as in `SVDpp`, all
    terms of items included, and then the bias of each of their days from what is left of its n ratings, their
    mean error damped by n / (n + 5); their other terms are where training starts them. Days on which users
    rated are kept and joined by the new ones. `partial_fit` trains the terms of new days, and leaves mean
    dates of users in training and bins as they were.

    ``day_factors`` are n_factors numbers for each user-day, and as many in a copy of the last good epoch.
    With ``verbose`` the fit says how much that is, and it stops with MemoryError, before anything is
    allocated, where the system has less; ``day_factors=False`` does without.

    Which terms are on and how fast they learn was found by cross-validation within the training rows of
    MovieLens 100K (u1) and 1M, by random folds; the powers of s follow from the equations.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.Ratings(["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3], [0, 90_000, 90_000])
    >>> model = cf.TimeSVDpp(n_factors=4, item_weekdays=True, random_state=0).fit(ratings)
    >>> model.predict(["ann", "eve"], ["x", "x"], [86_400, 86_400]).shape
    (2,)
    """

    _needs_timestamps: ClassVar[bool] = True
    _trained: ClassVar[tuple[str, ...]] = tuple(f"{name}_" for name in TIME_TERMS)
    _array_names: ClassVar[tuple[str, ...]] = (
        *_trained, "implicit_indptr_", "implicit_items_", "extra_item_ids_",
        "day_indptr_", "day_numbers_", "day_frequencies_", "user_dates_", "bin_edges_",
    )  # fmt: skip

    user_drift_: Array
    day_bias_: Array
    day_factors_: Array
    item_frequencies_: Array
    day_indptr_: Array
    day_numbers_: Array
    day_frequencies_: Array
    user_dates_: Array
    bin_edges_: Array

    def __init__(
        self,
        *,
        n_factors: int = 100,
        n_epochs: int | None = None,
        user_slope: bool | tuple[float, float] = False,
        user_scale: bool | tuple[float, float] = True,
        day_bias: bool | tuple[float, float] = True,
        day_scale: bool | tuple[float, float] = True,
        user_drift: bool | tuple[float, float] = True,
        day_factors: bool | tuple[float, float] = True,
        item_bins: bool | tuple[float, float] = True,
        item_frequencies: bool | tuple[float, float] = False,
        item_weekdays: bool | tuple[float, float] = False,
        item_weeks: bool | tuple[float, float] = False,
        n_bins: int = 30,
        frequency_base: float = 6.76,
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
        super().__init__(
            n_factors=n_factors, n_epochs=n_epochs, lr=lr, lr_decay=lr_decay, reg=reg, lr_bias=lr_bias,
            reg_bias=reg_bias, lr_implicit=lr_implicit, reg_implicit=reg_implicit, init_scale=init_scale,
            random_state=random_state, n_threads=n_threads, dtype=dtype, verbose=verbose,
        )  # fmt: skip
        self.user_slope = user_slope
        self.user_scale = user_scale
        self.day_bias = day_bias
        self.day_scale = day_scale
        self.user_drift = user_drift
        self.day_factors = day_factors
        self.item_bins = item_bins
        self.item_frequencies = item_frequencies
        self.item_weekdays = item_weekdays
        self.item_weeks = item_weeks
        self.n_bins = n_bins
        self.frequency_base = frequency_base

    def _check_params(self) -> None:
        super()._check_params()
        for name in TERMS:
            given = getattr(self, name)
            if isinstance(given, (bool, np.bool_)):
                continue
            if not isinstance(given, (tuple, list)) or len(given) != 2:
                raise TypeError(f"{name} must be True, False or a pair (lr, reg), not {given!r}")
            check_number(f"lr of {name}", given[0], 0, open_low=True)
            check_number(f"reg of {name}", given[1], 0)
        check_number("n_bins", self.n_bins, 1, LEFT_OUT, integer=True)
        check_number("frequency_base", self.frequency_base, 1, open_low=True)

    # ------------------------------------------------------------------ fitting

    def _fit(
        self,
        train: Ratings,
        validation: Ratings | None,
        early_stopping: int | None,
        implicit: tuple[Array, Array, Array] | None = None,
    ) -> None:
        rng = self._generator()
        rates = Rates.of(self, train)
        days, codes = Days.of(train, self.n_bins, self.frequency_base)
        self._take(days)
        if self.day_factors:
            self._say_what_days_need(len(days.numbers))
        rows = dict(
            zip(
                ("user_factors", "item_factors", "implicit_factors"),
                self._start(train, rates.init_scale, rng, implicit),
                strict=True,
            )
        )
        arrays = self._start_of_time(rows, len(days.numbers))
        named = vars(rates) | rates_of_terms(self, rates, density_and_spread(train)[1])
        self._descend_days(train, days, codes, arrays, named, rng, validation, early_stopping)

    def _go_on(self, train: Ratings, n_epochs: int) -> None:
        if len(self.day_factors_):
            self._say_what_days_need(len(self.day_numbers_))
        arrays = []
        for name in TIME_TERMS:
            array = getattr(self, f"{name}_")
            if name in FACTORS:
                array = padded(array)
                setattr(self, f"{name}_", array[:, : self.n_factors])
            arrays.append(array)
        days = self._days()
        codes, _ = days.place(train.user_codes, train.timestamps)
        rates = {**self.rates_, "n_epochs": n_epochs, "lr_decay": 1.0}
        self._descend_days(train, days, codes, arrays, rates, self._generator())

    def _descend_days(
        self,
        train: Ratings,
        days: Days,
        codes: Array,
        arrays: list[Array],
        rates: dict[str, Any],
        rng: np.random.Generator,
        validation: Ratings | None = None,
        early_stopping: int | None = None,
    ) -> None:
        """Train all parameters, given in the kernel's order; `codes` are the user-days of the ratings."""
        lr, reg = in_order(rates)
        batches = UserBatches(
            train, self._sets(), arrays[-1], rng, self.n_threads, days=days.table, codes=codes
        )

        def slowed(slower: float) -> TimeRates:
            return TimeRates(lr * slower, reg)

        parameters = TimeParameters(*arrays, self.mean_)
        self._train(batches, rates, parameters, slowed, validation, early_stopping)

    def _take(self, days: Days) -> None:
        self.day_indptr_, self.day_numbers_ = days.indptr, days.numbers
        self.day_frequencies_ = days.frequencies
        self.user_dates_, self.bin_edges_ = days.dates, days.edges

    def _start_of_time(self, rows: dict[str, Array], n_days: int) -> list[Array]:
        """The terms of time at their start, as attributes; all parameters as the kernel takes them."""
        n_users, n_items = len(self.user_bias_), len(self.item_bias_)
        columns = {
            "item_bins": self.n_bins,
            "item_frequencies": int(self.day_frequencies_.max()) + 1,
            "item_weekdays": WEEKDAYS,
            "item_weeks": WEEKS,
        }
        for name in TERMS:
            on = getattr(self, name) is not False and bool(getattr(self, name))
            n = (n_days if name.startswith("day") else n_users) if on else 0
            if name in FACTORS:
                rows[name] = aligned_zeros(n, rows["item_factors"].shape[1], self.dtype)
                array = rows[name][:, : self.n_factors]
            elif name in columns:
                array = np.zeros((n_items, columns[name] if on else 0), dtype=self.dtype)
            else:
                array = np.full(n, float(name == "user_scale"), dtype=self.dtype)
            setattr(self, f"{name}_", array)
        return [rows[name] if name in rows else getattr(self, f"{name}_") for name in TIME_TERMS]

    def _say_what_days_need(self, n_days: int) -> None:
        """How much memory the factors of user-days take; MemoryError where there is less."""
        needed = 2 * n_days * self.n_factors * np.dtype(self.dtype).itemsize
        free = available_memory()
        text = f"day_factors of {n_days:,} user-days need {needed / 2**20:,.1f} MiB"
        if free is not None and needed > free:
            raise MemoryError(
                f"{text}; {free / 2**20:,.1f} MiB are free: fit with day_factors=False or fewer n_factors"
            )
        if self.verbose:
            print(f"TimeSVDpp: {text}", file=sys.stderr)

    def _forget_rows(self) -> None:
        super()._forget_rows()
        self._cache.pop("time_rows", None)

    # ------------------------------------------------------------------ ratings that come later

    def _join_more(self, before: Self, users_at: Array, items_at: Array, train: Ratings) -> None:
        super()._join_more(before, users_at, items_at, train)
        days, days_at = before._days().joined(train, users_at, self.frequency_base)
        self._take(days)
        places = {
            "user": (users_at, train.n_users), "day": (days_at, len(days.numbers)),
            "item": (items_at, train.n_items),
        }  # fmt: skip
        for name in TERMS:
            array = getattr(before, f"{name}_")
            if len(array):
                at = places[name.split("_")[0]]
                setattr(self, f"{name}_", moved(array, *at, fill=float(name == "user_scale")))
        # Days with more ratings than any before.
        further = max(int(days.frequencies.max()) + 1 - self.item_frequencies_.shape[1], 0)
        if self.item_frequencies_.size:
            self.item_frequencies_ = np.pad(self.item_frequencies_, ((0, 0), (0, further)))

    def _solve(self, kind: str, train: Ratings, who: Array) -> None:
        if kind == "item":
            return super()._solve(kind, train, who)
        self.user_dates_[who] = mean_dates(train)[who]
        self._cache.pop("days", None)
        wanted = np.zeros(train.n_users, dtype=bool)
        wanted[who] = True
        rows = {"user": wanted, "day": np.repeat(wanted, np.diff(self.day_indptr_))}
        for name in TERMS:
            owner, array = name.split("_")[0], getattr(self, f"{name}_")
            if owner in rows and len(array):
                array[rows[owner]] = name == "user_scale"
        super()._solve(kind, train, who)
        if len(self.day_bias_) and len(who):
            self._solve_days(train, wanted[train.user_codes])

    def _solve_days(self, train: Ratings, which: Array) -> None:
        """Biases of the days of some ratings, from what all else leaves of them."""
        users, items = train.user_codes[which], train.item_codes[which]
        times = np.asarray(train.timestamps)[which]
        left = train.values[which] - self._predict_codes(users, items, times)
        codes, _ = self._days().place(users, times)
        counts = np.bincount(codes, minlength=len(self.day_bias_))
        sums = np.bincount(codes, weights=left, minlength=len(self.day_bias_))
        self.day_bias_[counts > 0] = (sums / (counts + DAMPING))[counts > 0]

    # ------------------------------------------------------------------ predicting

    def _days(self) -> Days:
        """The user-days of training."""
        if "days" not in self._cache:
            self._cache["days"] = Days(
                self.day_indptr_, self.day_numbers_, self.day_frequencies_, self.user_dates_, self.bin_edges_
            )
        days: Days = self._cache["days"]
        return days

    def _products(self) -> None:
        """None: predictions are more than biases and a product of two rows, and lists go by `predict`."""

    def _predict_codes(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        if "time_rows" not in self._cache:
            sums, factors = self._rows()
            rows = {
                "user_factors": sums, "item_factors": factors,
                "user_drift": padded(self.user_drift_), "day_factors": padded(self.day_factors_),
            }  # fmt: skip
            rows["implicit_factors"] = factors[:0]
            self._cache["time_rows"] = TimeParameters(
                *(rows[name] if name in rows else getattr(self, f"{name}_") for name in TIME_TERMS),
                self._offset(),
            )
        out = np.empty(len(users))
        codes, when = self._days().place(users, timestamps)
        parameters: TimeParameters = self._cache["time_rows"]
        n_threads = worthwhile_threads(self.n_threads, len(users) * parameters.width)
        backends.kernel("factorization.timesvdpp").predict(items, codes, when, parameters, out, n_threads)
        return out
