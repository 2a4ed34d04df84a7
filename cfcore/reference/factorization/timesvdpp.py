"""Twin of `cfcore.kernels.factorization.timesvdpp` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.reference.factorization.svd import _are_codes
from cfcore.reference.factorization.svdpp import _visit_chunks

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Ratings = NDArray[np.void]
Days = NDArray[np.void]
Floating = np.ndarray[Any, Any]

TERMS = (
    "user_bias", "user_slope", "user_scale", "day_bias", "day_scale", "user_factors", "user_drift",
    "day_factors", "item_bias", "item_bins", "item_frequencies", "item_weekdays", "item_weeks",
    "item_factors", "implicit_factors",
)  # fmt: skip
#: Tables of the items, and the field of a user-day that says which column.
PLACES = {
    "item_bins": "bin", "item_frequencies": "frequency", "item_weekdays": "weekday", "item_weeks": "week",
}  # fmt: skip
#: In `predict`: a bin, frequency, weekday or week that there is not.
LEFT_OUT = 255


def train(
    ratings: Ratings,
    block_ptr: Int64,
    chunks: Int32,
    order: Int32,
    starts: Int64,
    stripe_ptr: Int32,
    user_counts: Int64,
    indptr: Int64,
    members: Int32,
    parts: Int32,
    cuts: Int64,
    days: Days,
    rates: Float64,
    regs: Float64,
    user_bias: Floating,
    user_slope: Floating,
    user_scale: Floating,
    day_bias: Floating,
    day_scale: Floating,
    user_factors: Floating,
    user_drift: Floating,
    day_factors: Floating,
    item_bias: Floating,
    item_bins: Floating,
    item_frequencies: Floating,
    item_weekdays: Floating,
    item_weeks: Floating,
    item_factors: Floating,
    implicit_factors: Floating,
    sums: Floating,
    first_sums: Floating,
    partial_sums: Floating,
    kept: Floating,
    squares: Float64,
    turns: Int32,
    latest: Int32,
    n_item_stripes: int,
    mean: float,
    begin: int,
    end: int,
    n_threads: int,
) -> None:
    """Work through chunks `chunks[begin:end]` of a pass of timeSVD++; see the kernel."""
    given = (
        user_bias, user_slope, user_scale, day_bias, day_scale, user_factors, user_drift, day_factors,
        item_bias, item_bins, item_frequencies, item_weekdays, item_weeks, item_factors,
    )  # fmt: skip
    x = dict(zip(TERMS, given, strict=False))
    n_users, n_items, n_days = len(user_factors), len(item_factors), len(days)
    _check_shapes("train", x, n_days)
    if len(rates) != len(TERMS) or len(regs) != len(TERMS):
        raise ValueError(f"train: rates and regs must have {len(TERMS)} entries")
    if len(ratings) and not (n_users and n_items and n_days):
        raise ValueError("train: there are ratings, but no users, no days or no items")
    has = {term: array.size > 0 for term, array in x.items()}
    real = user_factors.dtype.type
    rate = {term: real(lr) for term, lr in zip(TERMS, rates, strict=True)}
    keep = {term: real(1 - lr * reg) for term, lr, reg in zip(TERMS, rates, regs, strict=True)}
    one, none = real(1), real(0)

    def value(term: str, place: Any) -> Any:
        return x[term][place] if has[term] else none

    def move(term: str, place: Any, gradient: Floating, towards: Any = none) -> None:
        if has[term]:
            x[term][place] = (x[term][place] - towards) * keep[term] + rate[term] * gradient + towards

    def step(at: Int64) -> Floating:
        day, i = ratings["user"][at], ratings["item"][at]
        t = days[day]
        u, dev = t["user"], t["dev"].astype(real)
        scale = (value("user_scale", u) if has["user_scale"] else one) + value("day_scale", day)
        item = value("item_bias", i) + value("item_bins", (i, t["bin"]))
        guess = real(mean) + value("user_bias", u) + value("user_slope", u) * dev + value("day_bias", day)
        guess = guess + item * scale + value("item_frequencies", (i, t["frequency"]))
        guess = guess + value("item_weekdays", (i, t["weekday"])) + value("item_weeks", (i, t["week"]))
        q, along = item_factors[i], dev[:, None]
        z = user_factors[u] + sums[u] + value("user_drift", u) * along + value("day_factors", day)
        error: Floating = ratings["value"][at].astype(real) - (guess + (z * q).sum(axis=1))
        move("user_bias", u, error)
        move("user_slope", u, error * dev)
        move("user_scale", u, error * item, towards=one)
        move("day_bias", day, error)
        move("day_scale", day, error * item)
        move("item_bias", i, error * scale)
        move("item_bins", (i, t["bin"]), error * scale)
        move("item_frequencies", (i, t["frequency"]), error)
        move("item_weekdays", (i, t["weekday"]), error)
        move("item_weeks", (i, t["week"]), error)
        e = error[:, None]
        move("user_factors", u, e * q)
        move("user_drift", u, e * along * q)
        move("day_factors", day, e * q)
        sums[u] = sums[u] * keep["implicit_factors"] + rate["implicit_factors"] * e * q
        move("item_factors", i, e * z)
        return error

    def sound(own: Ratings) -> bool:
        if not (_are_codes(own["user"], n_days) and _are_codes(own["item"], n_items)):
            return False
        t = days[own["user"]]
        return _are_codes(t["user"], n_users) and all(
            not has[term] or _are_codes(t[place], x[term].shape[1]) for term, place in PLACES.items()
        )

    _visit_chunks(
        step, sound, "a user-day, its record in days, or an item", ratings, block_ptr, chunks, order, starts,
        stripe_ptr, user_counts, indptr, members, parts, cuts, user_factors, implicit_factors, sums,
        first_sums, partial_sums, kept, squares, turns, latest, n_item_stripes, 1 - rates[-1] * regs[-1],
        begin, end,
    )  # fmt: skip


def predict(
    items: Int32,
    days: Int32,
    when: Days,
    user_bias: Floating,
    user_slope: Floating,
    user_scale: Floating,
    day_bias: Floating,
    day_scale: Floating,
    user_factors: Floating,
    user_drift: Floating,
    day_factors: Floating,
    item_bias: Floating,
    item_bins: Floating,
    item_frequencies: Floating,
    item_weekdays: Floating,
    item_weeks: Floating,
    item_factors: Floating,
    out: Float64,
    mean: float,
    n_threads: int,
) -> None:
    """The prediction of `train` for items, users and days; the terms of what is not known are left out."""
    given = (
        user_bias, user_slope, user_scale, day_bias, day_scale, user_factors, user_drift, day_factors,
        item_bias, item_bins, item_frequencies, item_weekdays, item_weeks, item_factors,
    )  # fmt: skip
    x = dict(zip(TERMS, given, strict=False))
    n_days = max(len(day_bias), len(day_scale), len(day_factors))
    _check_shapes("predict", x, n_days)
    if {len(days), len(when), len(out)} != {len(items)}:
        raise ValueError("predict: items, days, when and out must be of one length")
    users = when["user"]
    bad = (items < -1) | (items >= len(item_bias)) | (users < -1) | (users >= len(user_bias)) | (days < -1)
    bad |= (days >= n_days) & (n_days > 0)
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(
            f"predict: row {k} (user {users[k]}, user-day {days[k]}, item {items[k]}) is out of range"
        )
    for term, place in PLACES.items():
        bad = (when[place] != LEFT_OUT) & (when[place] >= x[term].shape[1]) & (x[term].size > 0)
        if bad.any():
            raise ValueError(
                f"predict: the bin, frequency, weekday or week of row {bad.argmax()} is out of range"
            )

    def value(term: str, known: Any, *place: Any) -> Any:
        """The parameter in a place where it is known, else 0."""
        array = x[term].astype(float)
        if not array.size:
            return np.zeros((len(known), *array.shape[len(place) :]))
        known = known.reshape(known.shape + (1,) * (array.ndim - len(place)))
        return np.where(known, array[tuple(np.where(code < 0, 0, code) for code in place)], 0.0)

    user, item = users >= 0, items >= 0
    day = user & (days >= 0)
    dev = when["dev"].astype(float)
    scale = np.where(user & (user_scale.size > 0), value("user_scale", user, users), 1.0)
    scale = scale + value("day_scale", day, days)
    tables = {}
    for term, place in PLACES.items():
        known = item & (when[place] != LEFT_OUT)
        tables[term] = value(term, known, items, np.where(known, when[place], 0)) if x[term].size else 0.0
    out[:] = mean + value("user_bias", user, users) + value("user_slope", user, users) * dev
    out += value("day_bias", day, days)
    out += (value("item_bias", item, items) + tables.pop("item_bins")) * scale + sum(tables.values())
    z = value("user_factors", user, users) + value("user_drift", user, users) * dev[:, None]
    z = z + value("day_factors", day, days)
    out += (z * value("item_factors", item, items)).sum(axis=1)


def _check_shapes(who: str, x: dict[str, Floating], n_days: int) -> None:
    n_users, n_items = len(x["user_factors"]), len(x["item_factors"])
    width = x["user_factors"].shape[1]
    for term, array in x.items():
        owner = term.split("_")[0]
        needed = {"user": n_users, "day": n_days, "item": n_items}[owner]
        optional = owner == "day" or term in ("user_slope", "user_scale", "user_drift")
        if term in ("user_factors", "user_drift", "day_factors", "item_factors") and (
            array.shape[1] != width or width * array.itemsize % 64
        ):
            raise ValueError(f"{who}: factor rows must be of one length, a multiple of 64 bytes")
        if len(array) != needed and not (optional and len(array) == 0):
            raise ValueError(f"{who}: {term} must have {needed} rows" + (", or none" if optional else ""))
