"""`TimeSVDpp`: SVD++ whose biases and user factors depend on time."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from cfcore.arrays import aligned_zeros, available_memory
from cfcore.data import Ratings
from cfcore.data.times import UNITS, as_seconds, unit_of
from cfcore.errors import DataWarning, shown, warn
from cfcore.kernels.records import LEFT_OUT
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.model import Array
from cfcore.models.core.params import check_choice, check_number
from cfcore.models.factorization.fallback import with_shifts
from cfcore.models.factorization.rates import density_and_spread
from cfcore.models.factorization.session_effects import has_effect
from cfcore.models.factorization.svdpp import Rates, SVDpp
from cfcore.models.factorization.time_state import TimeState
from cfcore.models.factorization.time_terms import (
    FACTORS,
    TERMS,
    rates_of_sessions,
    rates_of_terms,
)
from cfcore.models.factorization.time_trainer import TimeTrainer, predicted, with_sessions
from cfcore.models.factorization.time_update import TimeUpdatable, in_seconds, names_of_rates
from cfcore.models.factorization.user_batches import UserBatchTrainer
from cfcore.models.factorization.user_days import SECONDS, WEEKDAYS, WEEKS, Days
from cfcore.models.factorization.user_sessions import Sessions
from cfcore.random import RandomState

#: Whole numbers below this (April 1970) are rarely seconds: numbers of days, years or rows.
SMALL = 10**7


class TimeSVDpp(TimeUpdatable):
    """timeSVD++: SVD++ whose parameters depend on time. Needs ratings with timestamps.

    ::

        r̂_ui(t) = μ + b_u(t) + b_i(t) + q_i · (p_u(t) + |N(u)|^(-1/2) Σ_{j ∈ N(u)} y_j)
        b_u(t) = b_u + α_u dev_u(t) + b_{u,t} + Σ_l b_{u,s_l(t)}
        p_u(t) = p_u + α_u' dev_u(t) + p_{u,t}
        b_i(t) = (b_i + b_{i,Bin(t)}) (c_u + c_{u,t}) + b_{i,f} + b_{i,weekday(t)} + b_{i,week(t)}

    where t is a day (UTC), ``dev_u(t) = sign(t - t_u) |t - t_u|^0.4`` the distance in
    days to the user's mean date t_u, f the logarithm, rounded down, of the number of the user's
    ratings that day, and s_l(t) the session of length l (half an hour, two minutes, a quarter of a minute) in
    which the user rated: ratings come in bursts, and the errors of a burst are correlated. Trained by
    stochastic gradient descent like `SVDpp`: each rating updates every parameter x of its prediction by
    η_x (e ∂ r̂ / ∂ x - λ_x x); c_u starts at 1 and is
    regularised towards 1. Koren, "Collaborative filtering with temporal dynamics" (KDD 2009), and for f and c
    "The BellKor solution to the Netflix grand prize" (2009).

    Each term of time has a hyper-parameter: False leaves it out, True trains it by the rule, and a pair
    (lr, reg) gives its learning rate of the first epoch and its regularisation. The rule, with s for the
    ratings' standard deviation and the other rates as in `SVDpp` (the sum of lr_bias over the epochs is .055
    here, or less if lr_bias is given), and the rates published for Netflix:

    ================  =======================  =======  ======================  =======  =====================
    parameter         term                     default  lr                      reg      Netflix: lr, reg
    ================  =======================  =======  ======================  =======  =====================
    user_slope        α_u                      off      .007 lr_bias            .05      3.11e-6, 3.95
    user_scale        c_u                      on       .9 lr_bias / s²         .008 s²  .00564, .0476
    day_bias          b_{u,t}                  on       .87 lr_bias             .2       .00257, .00231
    day_scale         c_{u,t}                  on       .36 lr_bias / s²        .08 s²   .00103, .019
    user_drift        α_u'                     on       .01 lr_implicit         .045 s
    day_factors       p_{u,t}                  on       .6 lr_implicit          .27 s
    item_bins         b_{i,Bin(t)}             on       .044 lr_bias            .02      .000115, .0929
    item_frequencies  b_{i,f}                  off      .044 lr_bias            .02      .00236, 1.1e-8
    item_weekdays     b_{i,weekday}            off      .073 lr_bias            .02
    item_weeks        b_{i,week}               off      .073 lr_bias            .02
    sessions, 1800 s  b_{u,s(t)}               on       .4 lr_bias              .2
    sessions, 120 s   b_{u,s(t)}               on       .8 lr_bias              .2
    sessions, 15 s    b_{u,s(t)}               on       1.2 lr_bias             .2
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
    sessions : {"auto", None}, default "auto"
        Biases of users' sessions that are shorter than a day. Lengths that the timestamps are too coarse for,
        those in which next to no ratings share a session, and those without an effect on ratings, are left
        out. None: no such biases.
    n_factors, n_epochs, lr, lr_decay, reg, lr_bias, reg_bias, lr_implicit, reg_implicit : optional
        As in `SVDpp`, whose rule they follow.
    init_scale, init_bias : float, optional
        As in `SVDpp`, whose rule they follow.
    random_state, n_threads, dtype, verbose
        As in `SVDpp`.

    Attributes
    ----------
    user_bias_, user_slope_, user_scale_ : ndarray, shape (n_users,)
        Terms that are left out, here and below, have no rows, or no columns.
    day_bias_, day_scale_ : ndarray, shape (n_days,)
        Of user-days: pairs of a user and a day on which the user rated.
    user_factors_, user_drift_ : ndarray, shape (n_users, n_factors)
    day_factors_ : ndarray, shape (n_days, n_factors)
    item_bias_ : ndarray, shape (n_items,)
    item_bins_, item_frequencies_, item_weekdays_, item_weeks_ : ndarray, shape (n_items, number of them)
    item_factors_, implicit_factors_ : ndarray, shape (n_items, n_factors), (n_items + n_extra, n_factors)
    day_indptr_, day_numbers_, day_frequencies_ : ndarray
        User u's days are ``day_numbers_[day_indptr_[u]:day_indptr_[u + 1]]``, in days since 1970.
    session_lengths_ : ndarray of int64
        Lengths of sessions in seconds, the longest first; empty without sessions.
    session_bias_, session_indptr_, session_numbers_ : ndarray
        User u's sessions are ``session_indptr_[u]`` to ``session_indptr_[u + 1]``; a number is the position
        of the length times 2^55, plus the number of such lengths since 1970.
    user_dates_ : ndarray, shape (n_users,)
        Mean day of each user's ratings.
    bin_edges_ : ndarray, shape (n_bins - 1,)
        Days on which the second and later bins begin.
    time_unit_ : int
        How many of the unit of the training timestamps make a second.
    mean_, history_, implicit_indptr_, implicit_items_, extra_item_ids_
        As in `SVDpp`.
    rates_ : dict of str to float
        As in `SVDpp`, and for every term of the table ``lr_`` and ``reg_`` followed by its name;
        ``lr_session_1800``, ``reg_session_1800`` for sessions of half an hour.

    Notes
    -----
    Timestamps are seconds since 1970, or milli-, micro- or nanoseconds, which are told by their range and
    mentioned in a DataWarning by `fit`. Timestamps of another unit than in training are refused, by
    `predict`, `fold_in` and `partial_fit` and in validation ratings.

    On a day without ratings by the user in training, the terms of that day and f are left out, and the bin is
    the nearest; outside the sessions of training their biases are left out. Without timestamps, as in
    `recommend`, the day is the user's mean date, and bin, f, weekday and week are left out. For unknown users
    and items their terms of time are left out; else the prediction is that of `SVDpp`.

    The terms of a user's days and sessions are trained on ratings of the same day, or session. They improve
    predictions of ratings on days with training ratings by the user, as in a random split; on later days they
    are left out, and the gain is that the other parameters were trained beside them. Lengths of
    sessions are chosen by their numbers, and by their effect: one is used if it makes at least 5% more
    sessions than the length before, if at least 5% of the ratings share theirs, and if errors of damped
    biases have a higher covariance within its sessions than around them, by 2 standard errors.

    `fold_in` and `partial_fit` take ratings with timestamps. New users are solved for as in `SVDpp`, all
    terms of items included, and then the bias of each of their days from the errors of its n ratings: their
    mean damped by n / (n + 10), and those of their sessions from what is left, by n / (n + 20). Their other
    terms have the values that training starts from. Days on which users rated are kept, and the new ones are
    added. `partial_fit` trains the terms of new days, and leaves the mean dates of users in training and the
    bins as they were.

    ``day_factors`` are n_factors numbers for each user-day, and as many in a copy of the last good epoch.
    With ``verbose`` the fit prints how much memory that is. It raises MemoryError, before anything is
    allocated, where less is available; ``day_factors=False`` does without.

    Which terms are on, and their rates, were found by cross-validation within the training rows of MovieLens
    100K (u1) and 1M, by random folds; those of sessions within those of u1 alone; the powers of s follow from
    the equations.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.Ratings(["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3], [0, 90_000, 90_000])
    >>> model = cf.TimeSVDpp(n_factors=4, item_weekdays=True, random_state=0).fit(ratings)
    >>> model.predict(["ann", "eve"], ["x", "x"], [86_400, 86_400]).shape
    (2,)
    """

    needs_timestamps: ClassVar[bool] = True
    _state_class: ClassVar[type[TimeState]] = TimeState

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
        sessions: str | None = "auto",
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
        super().__init__(
            n_factors=n_factors, n_epochs=n_epochs, lr=lr, lr_decay=lr_decay, reg=reg, lr_bias=lr_bias,
            reg_bias=reg_bias, lr_implicit=lr_implicit, reg_implicit=reg_implicit, init_scale=init_scale,
            init_bias=init_bias, random_state=random_state, n_threads=n_threads, dtype=dtype, verbose=verbose,
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
        self.sessions = sessions

    def _check_params(self) -> None:
        super()._check_params()
        for name in TERMS:
            given = getattr(self, name)
            if isinstance(given, (bool, np.bool_)):
                continue
            if not isinstance(given, (tuple, list)) or len(given) != 2:
                raise TypeError(f"{name} must be True, False or a pair (lr, reg), not {shown(given)}")
            check_number(f"lr of {name}", given[0], 0, open_low=True)
            check_number(f"reg of {name}", given[1], 0)
        check_number("n_bins", self.n_bins, 1, LEFT_OUT, integer=True)
        check_choice("sessions", self.sessions, ("auto", None))
        check_number("frequency_base", self.frequency_base, 1, open_low=True)

    # ------------------------------------------------------------------ fitting

    def _fit(self, train: Ratings, context: FitContext) -> TimeState:
        assert train.timestamps is not None
        unit = unit_of(train.timestamps)
        self._mention_times(train.timestamps, unit)
        side = {**context.side, "time_unit": unit}
        held_out = None
        if context.validation is not None:
            held_out = in_seconds(context.validation, unit, "timestamps of validation")
        context = replace(context, validation=held_out, side=side)
        state: TimeState = super()._fit(in_seconds(train, unit, "timestamps"), context)  # type: ignore[assignment]
        return state

    def _mention_times(self, timestamps: Array, unit: int) -> None:
        """Mention a unit other than seconds, and numbers that are no times since 1970."""
        name, first, last = type(self).__name__, int(timestamps.min()), int(timestamps.max())
        if unit > 1:
            warn(
                f"{name}: by their range, timestamps are read as {UNITS[unit]} since 1970; those of "
                "predictions must have the same unit",
                DataWarning,
            )
        elif len(timestamps) > 1 and 0 <= first < last and last < SMALL and last - first < SECONDS:
            warn(
                f"{name}: the timestamps from {first} to {last} are read as seconds since 1970, "
                "which are all of one day; days become seconds by a factor of 86400",
                DataWarning,
            )

    def trainer(self, train: Ratings, context: FitContext, start: Any = None) -> UserBatchTrainer:
        """The trainer of a fit, or of one that goes on from the parameters of a state."""
        if start is not None:
            self._check_memory(len(start.day_numbers) if len(start.day_factors) else 0)
            train = in_seconds(train, start.time_unit, "timestamps")
            users, times = train.user_codes, np.asarray(train.timestamps)
            codes = [start.days.place(users, times)[0], *start.sessions.place(users, times)]
            names = names_of_rates(start)
            terms = {name: start.rates[name] for name in names}
            return TimeTrainer(start, Rates.going_on(start.rates), terms, train, codes, context)
        rates = Rates.of(self, train)
        days, of_days = Days.of(train, self.n_bins, self.frequency_base)
        codes = [of_days]
        self._check_memory(len(days.numbers) if self.day_factors else 0)
        first: Any = self._first(train, context, rates)
        unit = context.side.get("time_unit", 1)
        first = first.changed(**days.fields(), **self._first_terms(train, days), time_unit=unit)
        terms = rates_of_terms(self, rates, density_and_spread(train)[1])
        if self.sessions is not None:
            times = np.asarray(train.timestamps)
            sessions, of_sessions = Sessions.with_codes(train.user_codes, times, train.n_users, SECONDS)
            pays = has_effect(train, [of_days, *of_sessions])
            if not all(pays):
                lengths = sessions.lengths[pays]
                sessions, of_sessions = Sessions.of_lengths(lengths, train.user_codes, times, train.n_users)
            biases = np.zeros(len(sessions.numbers), dtype=self.dtype)
            first = first.changed(**sessions.fields(), session_bias=biases)
            terms |= rates_of_sessions(sessions.lengths, rates)
            codes += of_sessions
        return TimeTrainer(first, rates, terms, train, codes, context)

    def _first_terms(self, train: Ratings, days: Days) -> dict[str, Array]:
        """The terms of time that training starts from."""
        columns = {
            "item_bins": self.n_bins,
            "item_frequencies": int(days.frequencies.max()) + 1,
            "item_weekdays": WEEKDAYS,
            "item_weeks": WEEKS,
        }
        found = {}
        for name in TERMS:
            on = getattr(self, name) is not False and bool(getattr(self, name))
            n = (len(days.numbers) if name.startswith("day") else train.n_users) if on else 0
            if name in FACTORS:
                found[name] = aligned_zeros(n, self.n_factors, self.dtype)
            elif name in columns:
                found[name] = np.zeros((train.n_items, columns[name] if on else 0), dtype=self.dtype)
            else:
                found[name] = np.full(n, float(name == "user_scale"), dtype=self.dtype)
        return found

    def _check_memory(self, n_days: int) -> None:
        """Show the memory that factors of user-days take; MemoryError where there is less."""
        if not n_days:
            return
        needed = 2 * n_days * self.n_factors * np.dtype(self.dtype).itemsize
        free = available_memory()
        text = f"day_factors of {n_days:,} user-days need {needed / 2**20:,.1f} MiB"
        if free is not None and needed > free:
            raise MemoryError(
                f"{text}; {free / 2**20:,.1f} MiB are free: fit with day_factors=False or fewer n_factors"
            )
        if self.verbose:
            print(f"TimeSVDpp: {text}", file=sys.stderr)

    @classmethod
    def _params_of_file(cls, params: dict[str, Any]) -> dict[str, Any]:
        return {"sessions": None, **params}  # version 0.1.0 had no sessions

    # ------------------------------------------------------------------ predicting

    _contributions = SVDpp._contributions  # the sets are in these predictions too

    def _products(self) -> None:
        """None: a prediction is more than biases and a product of two rows; lists are made by `predict`."""

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        state: TimeState = self._state
        if timestamps is not None:
            timestamps = as_seconds(timestamps, state.time_unit)
        state.sum_up(self.n_threads)
        out = predicted(users, items, timestamps, state.days, state.time_parameters, self.n_threads)
        out = with_sessions(out, users, timestamps, state.sessions, state.session_bias)
        return with_shifts(out, users, items, state, self.n_threads)
