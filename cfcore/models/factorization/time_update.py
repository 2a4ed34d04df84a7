"""`fold_in`, `partial_fit` and ratings given with a question, for `TimeSVDpp`: days and sessions of users."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data import Duplicates, Ratings, from_fields
from cfcore.data.ids import encode
from cfcore.data.times import as_seconds
from cfcore.models.core.state import State
from cfcore.models.factorization.svdpp import SVDpp
from cfcore.models.factorization.time_state import SESSIONS, TimeState
from cfcore.models.factorization.time_terms import TERMS, names_of, names_of_sessions
from cfcore.models.factorization.user_days import SECONDS, mean_dates
from cfcore.models.factorization.user_sessions import Sessions

Array = np.ndarray[Any, Any]

#: Ratings by which `fold_in` damps the bias of a day: their mean error counts n / (n + DAMPING). Chosen by
#: held-out ratings of held-out users within the training rows of MovieLens 100K (u1) and 1M.
DAMPING = 10.0
#: And those by which it damps the biases of sessions, level by level.
SESSION_DAMPING = 20.0


class TimeUpdatable(SVDpp):
    """The part of `TimeSVDpp` that takes ratings after the fit."""

    frequency_base: float

    def _check_rates(self, method: str, names: tuple[str, ...]) -> None:
        more = names_of_rates(self._state) if method == "partial_fit" else ()
        super()._check_rates(method, (*names, *more))

    def _later(self, ratings: Any, duplicates: Duplicates) -> Ratings:
        later = super()._later(ratings, duplicates)
        in_seconds(later, self._state.time_unit, "timestamps")  # only to check their unit
        return later

    def _state_of_users(self, given: Ratings) -> State:
        fit: TimeState = self._state
        state: Any = super()._state_of_users(self._timed(given))
        if given.timestamps is None or not (len(fit.day_bias) or len(fit.session_lengths)):
            return state
        # The days and sessions of ratings that have times have biases, as after `fold_in`.
        codes = encode(state.user_ids, given.user_ids, "users")[given.user_codes]
        fields: dict[str, Any] = {}
        if len(fit.day_bias):
            fields["day_bias"] = np.zeros(len(state.day_numbers), dtype=fit.day_bias.dtype)
        if len(fit.session_lengths):
            none = Sessions(fit.session_lengths, *(getattr(state, name) for name in SESSIONS[1:]))
            seconds, own = as_seconds(given.timestamps, fit.time_unit), np.arange(len(state.user_ids))
            sessions, _ = none.joined(codes, seconds, own, len(own))
            biases = np.zeros(len(sessions.numbers), dtype=fit.session_bias.dtype)
            fields |= {**sessions.fields(), "session_bias": biases}
        return self._days_solved(state.changed(**fields), given, codes, slice(None))

    def _state_without_each(self, own: Ratings) -> State | None:
        # Biases of days and sessions, and the number of ratings of a day, are other ones without a rating.
        state: TimeState = self._state
        timed = own.timestamps is not None and (len(state.day_bias) or len(state.session_lengths))
        if state.item_frequencies.size or timed:
            return None
        return super()._state_without_each(self._timed(own))

    def _timed(self, given: Ratings) -> Ratings:
        """The ratings with timestamps; if they have none, of today, which is the last day that is known."""
        if given.timestamps is not None:
            return given
        state: TimeState = self._state
        now = int(state.day_numbers.max(initial=0)) * SECONDS * state.time_unit
        return from_fields(
            given.user_codes, given.item_codes, given.values, np.full(len(given), now, dtype=np.int64),
            given.user_ids, given.item_ids, given.scale,
        )  # fmt: skip

    def _joined_fields(self, users_at: Array, items_at: Array, train: Ratings) -> dict[str, Any]:
        state: TimeState = self._state
        later = in_seconds(train, state.time_unit, "timestamps")
        days = state.joined_days(users_at, items_at, later, self.frequency_base)
        return super()._joined_fields(users_at, items_at, train) | days

    def _solved(self, state: Any, kind: str, train: Ratings, codes: Array) -> Any:
        if kind == "item" or len(codes) == 0:
            return super()._solved(state, kind, train, codes)
        wanted = np.zeros(train.n_users, dtype=bool)
        wanted[codes] = True
        rows = {"user": wanted, "day": np.repeat(wanted, np.diff(state.day_indptr))}
        fields = {"user_dates": state.user_dates.copy()}
        fields["user_dates"][codes] = mean_dates(in_seconds(train, state.time_unit, "timestamps"))[codes]
        for name in TERMS:
            owner, held = name.split("_")[0], getattr(state, name)
            if owner in rows and len(held):
                fields[name] = held.copy()
                fields[name][rows[owner]] = name == "user_scale"
        if len(state.session_bias):
            fields["session_bias"] = state.session_bias.copy()
            fields["session_bias"][np.repeat(wanted, np.diff(state.session_indptr))] = 0
        state = super()._solved(state.changed(**fields), kind, train, codes)
        return self._days_solved(state, train, train.user_codes, wanted[train.user_codes])

    def _days_solved(self, state: TimeState, ratings: Ratings, users: Array, which: Any) -> TimeState:
        """A state with biases of the days and sessions of some ratings, from the errors of all other terms.

        `users` are the codes of the users of all `ratings` in the state.
        """
        if not (len(state.day_bias) or len(state.session_bias)):
            return state
        users, items = users[which], ratings.item_codes[which]
        times = np.asarray(ratings.timestamps)[which]
        errors = ratings.values[which] - self._with(state)._score(users, items, times)
        seconds, fields = as_seconds(times, state.time_unit), {}
        if len(state.day_bias):
            fields["day_bias"] = state.day_bias.copy()
            _damped_means(fields["day_bias"], state.days.place(users, seconds)[0], errors, DAMPING)
        if len(state.session_bias):
            fields["session_bias"] = state.session_bias.copy()
            for codes in state.sessions.place(users, seconds):
                _damped_means(fields["session_bias"], codes, errors, SESSION_DAMPING)
        return state.changed(**fields)


def _damped_means(biases: Array, codes: Array, errors: Array, damping: float) -> None:
    """Set the biases of codes to damped means of the errors, and subtract them from these, in place."""
    counts = np.bincount(codes, minlength=len(biases))
    sums = np.bincount(codes, weights=errors, minlength=len(biases))
    biases[counts > 0] = (sums / (counts + damping))[counts > 0]
    errors -= biases[codes]


def names_of_rates(state: TimeState) -> tuple[str, ...]:
    """Names of the rates of the terms of time, and of a state's sessions."""
    lengths = state.session_lengths.tolist()
    named = [*map(names_of, TERMS), *map(names_of_sessions, lengths)]
    return tuple(name for names in named for name in names)


def in_seconds(ratings: Ratings, unit: int, name: str) -> Ratings:
    """Ratings with timestamps of a unit in seconds; DataError if they are of another one."""
    if ratings.timestamps is None:
        return ratings
    seconds = as_seconds(ratings.timestamps, unit, name)
    return ratings if seconds is ratings.timestamps else ratings.with_timestamps(seconds)
