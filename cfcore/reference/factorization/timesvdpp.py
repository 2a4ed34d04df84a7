"""Twin of `cfcore.kernels.factorization.timesvdpp` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import (
    DAY,
    LEFT_OUT,
    TIME_TERMS,
    ImplicitSets,
    TimeLayout,
    TimeParameters,
    TimeRates,
    UserBatchScratch,
    UserBatchVisits,
    check_aligned,
    check_days,
    check_user_batches,
)
from cfcore.reference.common.checks import check_array, check_record, check_threads, overlaps
from cfcore.reference.factorization.svdpp import _are_codes, _Model, _train_batches

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Ratings = NDArray[np.void]
Days = NDArray[np.void]
Floating = np.ndarray[Any, Any]

#: Tables of the items, and the field of a user-day that says which column.
COLUMNS = {
    "item_bins": "bin", "item_frequencies": "frequency", "item_weekdays": "weekday", "item_weeks": "week",
}  # fmt: skip


def train(
    layout: TimeLayout,
    sets: ImplicitSets,
    parameters: TimeParameters,
    rates: TimeRates,
    visits: UserBatchVisits,
    scratch: UserBatchScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """Work through user batches ``visits.batches[begin:end]`` of an epoch of timeSVD++; see the kernel."""
    check_record(layout, TimeLayout, "train: layout")
    check_record(sets, ImplicitSets, "train: sets")
    check_record(parameters, TimeParameters, "train: parameters")
    check_record(rates, TimeRates, "train: rates")
    check_record(visits, UserBatchVisits, "train: visits")
    check_record(scratch, UserBatchScratch, "train: scratch")
    check_threads(n_threads)
    check_user_batches(layout, sets, parameters, visits, scratch, span)
    check_days(layout, parameters, rates)
    x = {term: getattr(parameters, term) for term in TIME_TERMS}
    has = {term: array.size > 0 for term, array in x.items()}
    sums, ratings, real = scratch.sums, layout.ratings, scratch.sums.dtype.type
    lr = {term: real(value) for term, value in zip(TIME_TERMS, rates.lr, strict=True)}
    keep = {term: real(value) for term, value in zip(TIME_TERMS, 1 - rates.lr * rates.reg, strict=True)}
    one, none = real(1), real(0)
    sessions, of_sessions = parameters.session_bias, []
    if rates.session_lr is not None and rates.session_reg is not None:
        keeps = 1 - rates.session_lr * rates.session_reg
        of_sessions = [(real(a), real(b)) for a, b in zip(rates.session_lr, keeps, strict=True)]
    # The user-day and the sessions of each code that ratings have.
    moments = np.arange(layout.n_days)[:, None] if layout.moments is None else layout.moments

    def value(term: str, at: Any) -> Any:
        return x[term][at] if has[term] else none

    def update(term: str, at: Any, gradient: Floating, towards: Any = none) -> None:
        if has[term]:
            x[term][at] = (x[term][at] - towards) * keep[term] + lr[term] * gradient + towards

    def step(at: Int64) -> Floating:
        own, i = moments[ratings["user"][at]], ratings["item"][at]
        day = own[:, 0]
        t = layout.days[day]
        u, dev = t["user"], t["dev"].astype(real)
        scale = (value("user_scale", u) if has["user_scale"] else one) + value("day_scale", day)
        item = value("item_bias", i) + value("item_bins", (i, t["bin"]))
        guess = real(parameters.mean) + value("user_bias", u) + value("user_slope", u) * dev
        guess = guess + value("day_bias", day) + item * scale + value("item_frequencies", (i, t["frequency"]))
        guess = guess + value("item_weekdays", (i, t["weekday"])) + value("item_weeks", (i, t["week"]))
        if sessions is not None:
            guess = guess + sessions[own[:, 1:]].sum(axis=1)
        q, along = x["item_factors"][i], dev[:, None]
        z = x["user_factors"][u] + sums[u] + value("user_drift", u) * along + value("day_factors", day)
        error: Floating = ratings["value"][at].astype(real) - (guess + (z * q).sum(axis=1))
        update("user_bias", u, error)
        update("user_slope", u, error * dev)
        update("user_scale", u, error * item, towards=one)
        update("day_bias", day, error)
        update("day_scale", day, error * item)
        update("item_bias", i, error * scale)
        update("item_bins", (i, t["bin"]), error * scale)
        update("item_frequencies", (i, t["frequency"]), error)
        update("item_weekdays", (i, t["weekday"]), error)
        update("item_weeks", (i, t["week"]), error)
        for column, (lr_of_level, keep_of_level) in enumerate(of_sessions, 1):
            assert sessions is not None
            session = own[:, column]
            sessions[session] = sessions[session] * keep_of_level + lr_of_level * error
        e = error[:, None]
        update("user_factors", u, e * q)
        update("user_drift", u, e * along * q)
        update("day_factors", day, e * q)
        gain = scratch.gains[u, None]
        sums[u] = sums[u] * keep["implicit_factors"] + lr["implicit_factors"] * e * gain * q
        update("item_factors", i, e * z)
        return error

    def are_known(own: Ratings) -> bool:
        codes = own["user"]
        if not (_are_codes(codes, len(moments)) and _are_codes(own["item"], parameters.n_items)):
            return False
        t = layout.days[moments[codes, 0]]
        return _are_codes(t["user"], parameters.n_users) and all(
            not has[term] or _are_codes(t[column], x[term].shape[1]) for term, column in COLUMNS.items()
        )

    model = _Model(
        parameters.implicit_factors, float(1 - rates.lr[-1] * rates.reg[-1]), step, are_known,
        "a user-day, its entry in days, or an item",
    )  # fmt: skip
    _train_batches(model, layout, sets, visits, scratch, span)


def predict(
    items: Int32, days: Int32, when: Days, parameters: TimeParameters, out: Float64, n_threads: int
) -> None:
    """The prediction of `train` for items, users and days; terms that are not known are left out."""
    _check_predictions(items, days, when, parameters, out)
    check_threads(n_threads)
    x = {term: getattr(parameters, term) for term in TIME_TERMS}

    def value(term: str, known: Any, *at: Any) -> Any:
        """Parameters where they are known, else 0."""
        array = x[term].astype(float)
        if not array.size:
            return np.zeros((len(known), *array.shape[len(at) :]))
        known = known.reshape(known.shape + (1,) * (array.ndim - len(at)))
        return np.where(known, array[tuple(np.where(code < 0, 0, code) for code in at)], 0.0)

    users = when["user"]
    user, item = users >= 0, items >= 0
    day = user & (days >= 0)
    dev = when["dev"].astype(float)
    scale = np.where(user & (x["user_scale"].size > 0), value("user_scale", user, users), 1.0)
    scale = scale + value("day_scale", day, days)
    tables = {}
    for term, column in COLUMNS.items():
        known = item & (when[column] != LEFT_OUT)
        tables[term] = value(term, known, items, np.where(known, when[column], 0)) if x[term].size else 0.0
    out[:] = parameters.mean + value("user_bias", user, users) + value("user_slope", user, users) * dev
    out += value("day_bias", day, days)
    out += (value("item_bias", item, items) + tables.pop("item_bins")) * scale + sum(tables.values())
    z = value("user_factors", user, users) + value("user_drift", user, users) * dev[:, None]
    z = z + value("day_factors", day, days)
    out += (z * value("item_factors", item, items)).sum(axis=1)


def _check_predictions(
    items: Int32, days: Int32, when: Days, parameters: TimeParameters, out: Float64
) -> None:
    check_array(items, np.int32, 1, False, "predict: items")
    check_array(days, np.int32, 1, False, "predict: days")
    check_array(when, DAY, 1, False, "predict: when")
    check_aligned("predict: when", when)
    check_record(parameters, TimeParameters, "predict: parameters")
    check_array(out, np.float64, 1, True, "predict: out")
    if {len(days), len(when), len(out)} != {len(items)}:
        raise ValueError("predict: items, days, when and out must be of one length")
    if overlaps(out, (items, days, when, *(held for _, held, _ in parameters.arrays()))):
        raise ValueError("predict: out shares memory with another argument")
    users, n_days = when["user"], parameters.n_days
    bad = (items < -1) | (items >= parameters.n_items) | (users < -1) | (users >= parameters.n_users)
    bad |= (days < -1) | ((days >= n_days) & (n_days > 0))
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(
            f"predict: row {k} (user {users[k]}, user-day {days[k]}, item {items[k]}) is out of range"
        )
    for term, column in COLUMNS.items():
        table = getattr(parameters, term)
        bad = (when[column] != LEFT_OUT) & (when[column] >= table.shape[1]) & (table.size > 0)
        if bad.any():
            raise ValueError(
                f"predict: the bin, frequency, weekday or week of row {bad.argmax()} is out of range"
            )
