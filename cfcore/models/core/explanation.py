"""`Explanation`: a prediction as a sum of parts, one for each rating of the user; and frames of several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from cfcore import html
from cfcore.data import frames
from cfcore.data.id_columns import as_column
from cfcore.data.names import UNNAMED, distinct_names
from cfcore.errors import shown

__all__ = ["Contributions", "Explanation", "explanation_frame"]

Array = np.ndarray[Any, Any]
Library = Literal["pandas", "polars", "pyarrow"]


@dataclass(frozen=True, eq=False)
class Contributions:
    """The parts of a prediction as `Model._contributions` returns them; the rest of it is the base.

    Attributes
    ----------
    items : ndarray, shape (n,)
        Raw ids of the items that the user rated.
    ratings : ndarray of float64, shape (n,)
        NaN where there is none.
    effects : ndarray of float64, shape (n,)
    exact : bool
        Whether the prediction is the sum of the base and the effects.
    base : float, optional
        By default the score less all effects.
    score : float
        The prediction; set where these are parts of a model's own score.
    members : dict of str to float
        As in `Explanation`.
    neighbors : (ids, effects), optional
        As in `Explanation`.
    """

    items: Array
    ratings: Array
    effects: Array
    exact: bool = True
    base: float | None = None
    score: float = float("nan")
    members: Mapping[str, float] = field(default_factory=dict)
    neighbors: tuple[Array, Array] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Which ratings of a user pull a prediction up or down, and by how much.

    ``base + effects.sum() + others`` is ``score``. ``items, effects = explanation`` works as well.

    Attributes
    ----------
    user, item : int or str
        Raw ids. The user of a session is 0, or "" where ids are strings.
    score : float
        The prediction, not clipped to the scale; with ``by="preference"`` the preference.
    base : float
        What does not depend on single ratings of the user; each model documents it. Where effects are by
        leaving one rating out, the prediction for a user without ratings.
    items : ndarray, shape (at most n,)
        Raw ids of rated items, by the size of their effects, greatest first.
    ratings : ndarray of float64, of the same shape
        The user's ratings of them; NaN where an item counts that has no rating (``implicit=`` of `SVDpp`).
    effects : ndarray of float64, of the same shape
        Positive where the rating makes the prediction greater; on the scale of `score`.
    others : float
        The sum of the effects that are not listed; and if not `exact`, what effects of several ratings
        together differ from the sum of their effects.
    n_others : int
        Number of the ratings that are not listed.
    exact : bool
        Whether the prediction is a sum over the ratings, whose terms the effects are. Otherwise an effect is
        the difference that leaving the rating out makes.
    by : {"rating", "preference"}
        What is explained.
    members : dict of str to float
        Of models that are made of several, unless effects are by leaving one out. `Blend`: the part of each
        member in the score, and "intercept"; their sum is the score. Preferences by `Ranker`: the choice by
        the chooser, and the worth by the rater; their product is the score. Empty for others.
    neighbors : tuple of ndarray, or None
        Of `UserKNN`: raw ids of the nearest users who rated the item, and the effect of the rating of each,
        greatest first. Centre and effects add up to the score.
    model : str
        Class of the model.
    column_names : dict of str to str
        Names of columns, for frames.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = (["ann", "ann", "bob", "bob", "eve"], ["x", "y", "x", "z", "z"], [5, 4, 3, 2, 4])
    >>> print(cf.Baseline().fit(ratings).explain("ann", "z"))
    rating 3.57: item 'z' for user 'ann' (Baseline)
      3.35  base
     +0.17  item 'x', rated 5
     +0.05  item 'y', rated 4
    """

    user: Any
    item: Any
    score: float
    base: float
    items: Array
    ratings: Array
    effects: Array
    others: float
    n_others: int
    exact: bool
    by: str = "rating"
    members: Mapping[str, float] = field(default_factory=dict)
    neighbors: tuple[Array, Array] | None = None
    model: str = ""
    column_names: Mapping[str, str] = field(default_factory=lambda: dict(UNNAMED))

    @classmethod
    def of(cls, parts: Contributions, n: int | None, **fields: Any) -> Explanation:
        """The explanation that lists the `n` greatest effects, or all (None)."""
        by_id = np.argsort(parts.items, kind="stable")
        order = by_id[np.argsort(-np.abs(parts.effects[by_id]), kind="stable")][:n]
        effects, score = parts.effects[order], float(parts.score)
        base = score - float(parts.effects.sum()) if parts.base is None else float(parts.base)
        others = score - base - float(effects.sum())
        if parts.exact and len(order) == len(parts.effects):
            others = 0.0  # not the rounding of the sum
        return cls(
            score=score, base=base, items=parts.items[order], ratings=parts.ratings[order], effects=effects,
            others=others, n_others=len(parts.effects) - len(order), exact=parts.exact,
            members=parts.members, neighbors=parts.neighbors, **fields,
        )  # fmt: skip

    def __iter__(self) -> Iterator[Array]:
        return iter((self.items, self.effects))

    def __getitem__(self, index: int) -> Array:
        return (self.items, self.effects)[index]

    def to_frame(self, library: Library | None = None) -> Any:
        """A data frame with a row for each rating listed.

        Parameters
        ----------
        library : {"pandas", "polars", "pyarrow"}, optional
            By default the first of these that is installed.

        Returns
        -------
        DataFrame or Table
            Columns user, item, rated_item, rating, effect and rank (from 1); those of users, items and
            ratings have the names that they had in training.
        """
        return explanation_frame([self], library)

    def rows(self) -> list[tuple[float, str]]:
        """The parts of the score in words: base, effects of ratings, and the others, with their sizes."""
        found = [(self.base, "base" if self.exact else "base: without ratings of the user")]
        columns = (column.tolist() for column in (self.items, self.ratings, self.effects))
        for item, rating, effect in zip(*columns, strict=True):
            if effect != 0:
                rated = "not rated" if np.isnan(rating) else f"rated {rating:g}"
                found.append((effect, f"item {shown(item)}, {rated}"))
        if self.others != 0:
            found.append((self.others, self._others_in_words()))
        return found

    def title(self) -> str:
        """What is explained, in a line."""
        how = "" if self.exact else ", by leaving one rating out"
        (score,) = self._sizes([(self.score, "")])
        return f"{self.by} {score}: item {shown(self.item)} for user {shown(self.user)} ({self.model}{how})"

    def _others_in_words(self) -> str:
        further = f"{self.n_others:,} further rating{'s' if self.n_others > 1 else ''}"
        if self.exact:
            return further
        return f"{further}, and what ratings do together" if self.n_others else "what ratings do together"

    def __repr__(self) -> str:
        rows = self.rows()
        sizes = self._sizes(rows)
        width = max(map(len, sizes)) + 1
        lines = [f"{size:>{width}}  {words}" for size, (_, words) in zip(sizes, rows, strict=True)]
        return "\n".join([self.title(), *lines])

    def _sizes(self, rows: list[tuple[float, str]]) -> list[str]:
        """The sizes of `rows` as text; all but the first with a sign."""
        digits = ".2f" if self.by == "rating" else ".3g"
        return [format(size, f"+{digits}" if at else digits) for at, (size, _) in enumerate(rows)]

    def _repr_html_(self) -> str:
        """A table of the parts, for notebooks."""
        rows = self.rows()
        cells = [(words, size) for (_, words), size in zip(rows, self._sizes(rows), strict=True)]
        total = self._sizes([(self.score, "")])
        return html.table(("", "effect"), cells, self.title(), [(self.by, *total)])


def explanation_frame(explanations: Sequence[Explanation], library: str | None = None) -> Any:
    """A frame with a row for each rating listed in each of some explanations of one model."""
    names: Mapping[str, str] = explanations[0].column_names if explanations else UNNAMED
    roles = ("user", "item", "rating")
    names = distinct_names(names, roles, (f"rated_{names['item']}", "effect", "rank"))
    lengths = [len(one.items) for one in explanations]

    def repeated(role: str) -> Array:
        return np.repeat(as_column([getattr(one, role) for one in explanations]), lengths)

    def joined(name: str) -> Array:
        return np.concatenate([getattr(one, name) for one in explanations]) if explanations else np.zeros(0)

    data = {
        names["user"]: repeated("user"),
        names["item"]: repeated("item"),
        f"rated_{names['item']}": joined("items"),
        names["rating"]: joined("ratings"),
        "effect": joined("effects"),
        "rank": np.concatenate([np.arange(1, n + 1) for n in lengths]) if lengths else np.zeros(0, int),
    }
    return frames.make(data, library)
