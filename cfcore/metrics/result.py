"""`Metrics`, the values that `evaluate` returns, and what is said about the test ratings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore import html
from cfcore.data import Ratings
from cfcore.errors import DataWarning, warn
from cfcore.metrics.overlap import in_training

__all__ = ["Facts", "Metrics", "facts_of", "warn_of_differences"]

#: From this part of unknown pairs, or of training pairs, on there is a warning.
MOST = 0.5
#: Many test ratings, none of them above this part of the training scale, may be of another scale.
PART, MANY = 0.55, 100


@dataclass(frozen=True)
class Facts:
    """What test ratings have in common with training ratings.

    Attributes
    ----------
    n : int
        Test ratings.
    unknown_users, unknown_items, unknown : int
        Test ratings whose user, whose item, and whose user or item has no training ratings.
    trained : int
        Test ratings of pairs that have a training rating.
    outside : int
        Test ratings outside the scale of training.
    lowest, highest : float
        Of the test ratings.
    test_scale, scale : (float, float)
        Of the test ratings, and of the model.
    """

    n: int
    unknown_users: int
    unknown_items: int
    unknown: int
    trained: int
    outside: int
    lowest: float
    highest: float
    test_scale: tuple[float, float]
    scale: tuple[float, float]


def facts_of(model: Any, test: Ratings) -> Facts:
    """Count the unknown users and items, and the ratings outside the scale, of test ratings."""
    user_codes = model.encode_users(test.user_ids)[test.user_codes]
    item_codes = model.encode_items(test.item_ids)[test.item_codes]
    users, items = user_codes < 0, item_codes < 0
    trained = in_training(model, user_codes, item_codes)
    low, high = model.scale_
    # float32 as the ratings: 0.1 in float64 is less than 0.1 in float32.
    outside = (test.values < np.float32(low)) | (test.values > np.float32(high))
    n_users, n_items, n_unknown, n_trained, n_outside = (
        int(np.count_nonzero(which)) for which in (users, items, users | items, trained, outside)
    )
    lowest, highest = float(test.values.min()), float(test.values.max())
    return Facts(
        len(test), n_users, n_items, n_unknown, n_trained, n_outside, lowest, highest, test.scale, (low, high)
    )


def warn_of_differences(what: str, facts: Iterable[Facts]) -> None:
    """Warn where test ratings are mostly of unknown or of training pairs, or on another scale than training.

    Parameters
    ----------
    what : str
        Name of the function that was called.
    facts : iterable of Facts
        Of each part of the test ratings.
    """
    facts = list(facts)
    n, users, items, unknown, trained, outside = (
        sum(getattr(one, name) for one in facts)
        for name in ("n", "unknown_users", "unknown_items", "unknown", "trained", "outside")
    )
    if n and trained > MOST * n:
        part = f"all {n:,}" if trained == n else f"{trained:,} of {n:,}"
        warn(
            f"{what}: {part} test ratings are of pairs that the model was fitted on; the error in training "
            "is far too low: hold test ratings out of the fit (cf.split.holdout; --split of cfcore fit)",
            DataWarning,
        )
    if n and unknown > MOST * n:
        both = users == n and items == n
        which = "users and items" if both else "users" if users == n else "items" if items == n else None
        if which is None:
            text = f"{unknown:,} of {n:,} test ratings are of users or items without training ratings"
            text += f" (users: {users:,}, items: {items:,})"
        else:
            text = f"all {n:,} test ratings are of {which} without training ratings"
        ids = "; are the ids those of training?" if which else ""
        warn(f"{what}: {text}; predictions for them are fallbacks{ids}", DataWarning)
    if not facts:
        return
    (low, high), lowest, highest = (
        facts[0].scale,
        min(one.lowest for one in facts),
        max(one.highest for one in facts),
    )
    if outside:
        warn(
            f"{what}: {outside:,} of {n:,} test ratings, which are from {lowest:g} to {highest:g}, are "
            f"outside the scale of training, {low:g} to {high:g}, to which predictions are clipped; are both "
            "on one scale? If so, name it where the training ratings are made: "
            f"Ratings(..., scale=({min(low, lowest):g}, {max(high, highest):g}))",
            DataWarning,
        )
    elif n >= MANY and highest <= low + PART * (high - low) and facts[0].test_scale != facts[0].scale:
        warn(
            f"{what}: the test ratings are from {lowest:g} to {highest:g}, but those of training from "
            f"{low:g} to {high:g}; are both on one scale?",
            DataWarning,
        )


class Metrics(dict[str, Any]):
    """Metrics by name, as `evaluate` returns them: a dict with facts about the test ratings.

    Attributes
    ----------
    n : int
        Number of test ratings.
    unknown_users, unknown_items : int
        Test ratings whose user, and whose item, has no training ratings: predictions of them are fallbacks.
    unknown : int
        Test ratings whose user or item, or both, has no training ratings.
    popularity : dict of str to float or Interval
        The metrics of lists, by the same names, of lists by popularity: the items with most training ratings
        under the same options. Empty without metrics of lists.
    """

    n: int
    unknown_users: int
    unknown_items: int
    unknown: int
    popularity: dict[str, Any]

    def __init__(
        self, values: Any = (), facts: Facts | None = None, popularity: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(values)
        self.popularity = dict(popularity or {})
        for name in ("n", "unknown_users", "unknown_items", "unknown"):
            setattr(self, name, getattr(facts, name, 0))

    def _said(self) -> str:
        said = f"{self.n:,} ratings"
        if self.unknown:
            said += f", {self.unknown:,} of unknown users or items"
            said += f" (users: {self.unknown_users:,}, items: {self.unknown_items:,})"
        return said

    def __repr__(self) -> str:
        said = [_braces(self)]
        if self.popularity:
            said.append(f"popularity: {_braces(self.popularity)}")
        if self.n:
            said.append(self._said())
        return f"Metrics({', '.join(said)})"

    def _repr_html_(self) -> str:
        rows = [[name, _text(value)] for name, value in self.items()]
        heads = ["metric", "value"]
        if self.popularity:
            heads.append("popularity")
            for row in rows:
                row.append(_text(self.popularity.get(row[0], "")))
        return html.table(heads, rows, self._said())


def _braces(values: Mapping[str, Any]) -> str:
    return f"{{{', '.join(f'{name!r}: {_text(value)}' for name, value in values.items())}}}"


def _text(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
