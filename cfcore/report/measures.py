"""The numbers of a report, as rows (lists of dicts) that charts and tables show."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np

import cfcore as cf
from cfcore.data import Ratings
from cfcore.data.times import unit_of
from cfcore.errors import CfcoreError
from cfcore.plots.common import group
from cfcore.plots.grouped_errors import rating_keys
from cfcore.plots.intervals import group_means

__all__ = [
    "Rows", "calibration", "curves", "data_facts", "errors_by", "examples", "list_curves", "model_rows",
    "rating_counts", "rating_dates", "share_curve", "activity_counts",
]  # fmt: skip

Rows = list[dict[str, Any]]
Array = np.ndarray[Any, Any]

#: Draws of users for intervals.
N_BOOT, LEVEL = 200, 0.95
#: Groups of test ratings of about equal size.
N_BINS = 8
#: Lengths of lists.
LENGTHS = (1, 2, 3, 5, 7, 10, 15, 20, 30)
#: Users whose lists are shown, and items of each.
N_USERS, N_LISTED = 5, 5


def data_facts(train: Ratings, test: Ratings) -> list[tuple[str, str]]:
    """Names and values of what a reader wants to know of the data first."""
    users, items = int(np.count_nonzero(train.user_counts)), int(np.count_nonzero(train.item_counts))
    density = len(train) / max(users * items, 1)
    facts = [
        ("training ratings", f"{len(train):,}"),
        ("test ratings", f"{len(test):,}"),
        ("users", f"{users:,}"),
        ("items", f"{items:,}"),
        ("density", f"{100 * density:.2f}%: of all pairs of a user and an item, so many are rated"),
        ("scale", f"{train.scale[0]:g} to {train.scale[1]:g}, mean {train.mean:.3f}"),
    ]
    if train.timestamps is not None:
        times = _seconds(train)
        dates = [_date(float(end)) for end in (times.min(), times.max())]
        facts.append(("time", f"{dates[0]} to {dates[1]}"))
    return facts


def _date(seconds: float) -> str:
    """The day of a time in seconds since 1970 (UTC)."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()


def _seconds(ratings: Ratings) -> Array:
    """Times in seconds since 1970, whatever unit they are in."""
    assert ratings.timestamps is not None
    times: Array = ratings.timestamps.astype(np.float64) / unit_of(ratings.timestamps)
    return times


def rating_counts(train: Ratings) -> Rows:
    """Number of training ratings of each level, or of 20 bins if there are many."""
    levels, counts = np.unique(train.values, return_counts=True)
    if len(levels) > 20:
        counts, edges = np.histogram(train.values, bins=20)
        levels = (edges[1:] + edges[:-1]) / 2
    return [{"rating": round(float(x), 3), "ratings": int(n)} for x, n in zip(levels, counts, strict=True)]


def activity_counts(train: Ratings) -> Rows:
    """Number of users by their number of ratings, in bins that double."""
    counts = train.user_counts[train.user_counts > 0]
    powers = np.floor(np.log2(counts)).astype(int)
    return [
        {
            "ratings of a user": f"{2**power:,}" if power == 0 else f"{2**power:,}-{2 ** (power + 1) - 1:,}",
            "users": int(np.count_nonzero(powers == power)),
            "order": int(power),
        }
        for power in range(int(powers.min()), int(powers.max()) + 1)
    ]


def share_curve(train: Ratings) -> Rows:
    """Share of the ratings that the most rated items have."""
    counts = np.sort(train.item_counts[train.item_counts > 0])[::-1]
    shares = np.cumsum(counts) / counts.sum()
    at = np.unique(np.linspace(1, len(counts), 60).astype(int))
    return [{"items": float(k / len(counts)), "ratings": float(shares[k - 1])} for k in at]


def rating_dates(train: Ratings) -> Rows:
    """Number of training ratings over time, in 40 spans; empty without times."""
    if train.timestamps is None or train.timestamps.min() == train.timestamps.max():
        return []
    counts, edges = np.histogram(_seconds(train), bins=40)
    return [
        {"date": _date(float(x)), "ratings": int(n)}
        for x, n in zip((edges[1:] + edges[:-1]) / 2, counts, strict=True)
    ]


def model_rows(
    models: Mapping[str, Any], test: Ratings, predictions: Mapping[str, Array], times: Mapping[str, Any]
) -> Rows:
    """Errors of each model with intervals, and times where they were measured."""
    rows = []
    for name in models:
        row: dict[str, Any] = {"model": name}
        for metric, power in (("RMSE", 2), ("MAE", 1)):
            values = np.abs(predictions[name] - test.values) ** power
            one = np.zeros(len(values), dtype=np.int64)
            ends = [
                float(end[0]) ** (1 / power)
                for end in group_means(values, one, test.user_codes, N_BOOT, LEVEL)
            ]
            row[metric] = ends[0]
            if power == 2:
                row["low"], row["high"] = ends[1], ends[2]
        measured = times.get(name)
        row["fit s"] = None if measured is None else measured.fit_seconds
        row["predictions/s"] = None if measured is None else measured.predictions_per_second
        rows.append(row)
    return rows


def curves(models: Mapping[str, Any]) -> Rows:
    """Errors of each epoch of models with epochs."""
    rows = []
    for name, model in models.items():
        for kind in ("train", "validation"):
            for epoch, error in enumerate(model.history_.get(f"{kind}_rmse", ())):
                said = {"train": "in training", "validation": "on validation ratings"}[kind]
                rows.append({"model": name, "epoch": epoch + 1, "RMSE": float(error), "error": said})
    return rows


def errors_by(by: str, models: Mapping[str, Any], test: Ratings, predictions: Mapping[str, Array]) -> Rows:
    """RMSE over groups of test ratings with intervals; `by` as in `cfcore.plots.error_by`."""
    if by == "time" and test.timestamps is None:
        return []
    keys = _seconds(test) if by == "time" else rating_keys(next(iter(models.values())), test, by)
    groups, centers = group(keys, 20 if by == "rating" else 0, N_BINS)
    sizes = np.bincount(groups)
    rows = []
    for name, predicted in predictions.items():
        squares = (predicted - test.values) ** 2
        means, low, high = group_means(squares, groups, test.user_codes, N_BOOT, LEVEL)
        for k, center in enumerate(centers):
            row = {
                "model": name, by: _date(center) if by == "time" else round(float(center), 3),
                "RMSE": float(np.sqrt(means[k])), "low": _root(low[k]), "high": _root(high[k]),
                "test ratings": int(sizes[k]),
            }  # fmt: skip
            rows.append(row)
    return rows


def _root(value: float) -> float | None:
    return float(np.sqrt(value)) if np.isfinite(value) else None


def calibration(test: Ratings, predictions: Mapping[str, Array]) -> Rows:
    """Mean rating less mean prediction over groups of like predictions."""
    rows = []
    for name, predicted in predictions.items():
        groups, centers = group(predicted, 0, 2 * N_BINS)
        means, _, _ = group_means(test.values - predicted, groups, test.user_codes, 0, LEVEL)
        for center, mean in zip(centers, means, strict=True):
            rows.append({"model": name, "prediction": float(center), "rating - prediction": float(mean)})
    return rows


def list_curves(models: Mapping[str, Any], test: Ratings) -> Rows:
    """nDCG of lists by preference of several lengths, and of lists by popularity."""
    wanted = [f"ndcg@{k}" for k in LENGTHS]
    rows: Rows = []
    popular: dict[str, float] = {}
    for name, model in models.items():
        try:
            found = cf.metrics.evaluate(model, test, wanted, by="preference")
        except CfcoreError:  # no list can be judged: no test rating is relevant, or no user is known
            continue
        popular = dict(found.popularity or {})
        rows += [{"model": name, "length": k, "nDCG": float(found[f"ndcg@{k}"])} for k in LENGTHS]
    rows += [
        {"model": "popularity", "length": k, "nDCG": float(popular[f"ndcg@{k}"])}
        for k in LENGTHS
        if f"ndcg@{k}" in popular
    ]
    return [row for row in rows if np.isfinite(row["nDCG"])]


def examples(model: Any, train: Ratings, names: Mapping[Any, str]) -> Rows:
    """For some users: what they rated highest, what is recommended, and why."""
    known = np.flatnonzero(np.bincount(train.user_codes, minlength=train.n_users) >= 5)
    if len(known) == 0:
        return []
    # Evenly by activity, from few ratings to many.
    by_count = known[np.argsort(train.user_counts[known], kind="stable")]
    chosen = by_count[np.linspace(0, len(by_count) - 1, N_USERS + 2).astype(int)[1:-1]]
    rows: Rows = []
    for code in dict.fromkeys(chosen.tolist()):
        user = train.user_ids[code].item()
        of_user = np.flatnonzero(train.user_codes == code)
        best = of_user[np.argsort(-train.values[of_user], kind="stable")[:N_LISTED]]
        items, _ = model.recommend(user, n=N_LISTED, by="preference")
        # A model of parameters that were trained elsewhere keeps no ratings that could be reasons.
        kept = model.seen_values_ is not None
        reasons = model.explain(user, items, n=3, by="preference") if kept else [None] * len(items)
        rows.append(
            {
                "user": user,
                "ratings": len(of_user),
                "liked": [
                    (named(item, names), float(value))
                    for item, value in zip(
                        train.item_ids[train.item_codes[best]], train.values[best], strict=True
                    )
                ],
                "listed": [
                    (named(item, names), main_reasons(reason, names))
                    for item, reason in zip(items, reasons, strict=True)
                ],
            }
        )
    return rows


def main_reasons(reason: Any, names: Mapping[Any, str]) -> list[str]:
    """Names of the up to three rated items that speak most for an item."""
    return [] if reason is None else [named(one, names) for one in reason.items[reason.effects > 0][:3]]


def named(item: Any, names: Mapping[Any, str]) -> str:
    """The name of an item, or its id."""
    key = item.item() if hasattr(item, "item") else item
    return names.get(key, f"item {key}" if not isinstance(key, str) else key)
