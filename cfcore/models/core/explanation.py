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
    training : float
        As in `Explanation`.
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
    training: float = 0.0
    members: Mapping[str, float] = field(default_factory=dict)
    neighbors: tuple[Array, Array] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Which ratings of a user pull a prediction up or down, and by how much.

    ``base + effects.sum() + others`` is ``score``. ``items, effects = explanation`` works as well.

    Attributes
    ----------
    user, item : int or str
        Raw ids. The user is None for the ratings of a session, ``given={item: rating}``.
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
        The sum of the effects that are not listed; and if not `exact`, joint effects (what leaving out
        several ratings differs from the sum of their effects) and `training`.
    training : float
        The part of `others` that is not of the ratings alone: if not `exact`, the score by the fit less the
        prediction for a new user with the same ratings. 0 for ratings given.
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
      3.350  base
     +0.167  item 'x', rated 5
     +0.050  item 'y', rated 4
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
    training: float = 0.0
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
            training=parts.training, members=parts.members, neighbors=parts.neighbors, **fields,
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
            Columns user (not for ``given={item: rating}``), item, rated_item, rating, effect and rank (from
            1); those of users, items and ratings have the names that they had in training.
        """
        return explanation_frame([self], library)

    def rows(self, names: Mapping[Any, str] | None = None) -> list[tuple[float, str]]:
        """The parts of the score in words, with their sizes: the base, effects of ratings, and the others.

        Parameters
        ----------
        names : dict of item to str, optional
            What items are called; by default their ids.
        """
        found = [(self.base, "base" if self.exact else "base: without ratings of the user")]
        columns = (column.tolist() for column in (self.items, self.ratings, self.effects))
        for item, rating, effect in zip(*columns, strict=True):
            if effect != 0:
                rated = "not rated" if np.isnan(rating) else f"rated {rating:g}"
                found.append((effect, f"{called(item, names)}, {rated}"))
        return found + self._others()

    def title(self, names: Mapping[Any, str] | None = None) -> str:
        """What is explained, in a line; `names` as of `rows`."""
        score = f"{self.score:.2f}" if self.by == "rating" else self.number(self.score)
        whom = "the ratings given" if self.user is None else f"user {shown(self.user)}"
        return f"{self.by} {score}: {called(self.item, names)} for {whom} ({self.model})"

    @property
    def how(self) -> str:
        """How effects were found where they are no terms of a sum; or an empty string."""
        return "" if self.exact else "effects by leaving one rating out"

    def summary(self) -> str:
        """The score, and the base, the effects listed and the others, which add up to it, in a line."""
        listed = f"{self.number(float(self.effects.sum()), True)} (ratings listed)"
        others = "".join(f" {self.number(size, True)} ({words})" for size, words in self._others())
        how = f"; {self.how}" if self.how else ""
        return f"{self.title()} = {self.number(self.base)} (base) {listed}{others}{how}"

    def number(self, size: float, signed: bool = False) -> str:
        """The size of a part as text."""
        digits = 3 if self.by == "rating" else 4
        return format(round(size, digits) + 0.0, f"{'+' if signed else ''}.{digits}f")  # -0.0 + 0.0 is 0.0

    def _others(self) -> list[tuple[float, str]]:
        """The parts of `others` in words, with their sizes."""
        further = f"{self.n_others:,} further rating{'s' if self.n_others > 1 else ''}"
        if not self.exact:
            further = f"{further}, and joint effects" if self.n_others else "joint effects of ratings"
        training = 0.0 if float(self.number(self.training)) == 0 else self.training
        parts = (self.others - training, further), (training, "the fit, beyond these ratings")
        return [(size, words) for size, words in parts if size != 0]

    def _lines(self) -> list[tuple[str, str]]:
        """Words and sizes of `rows`; all but the first with a sign."""
        return [(words, self.number(size, at > 0)) for at, (size, words) in enumerate(self.rows())]

    def __repr__(self) -> str:
        lines = self._lines()
        width = max(len(size) for _, size in lines) + 1
        title = self.title() if self.exact else f"{self.title()}, {self.how}"
        return "\n".join([title, *(f"{size:>{width}}  {words}" for words, size in lines)])

    def _repr_html_(self) -> str:
        """A table of the parts, for notebooks."""
        title = self.title() if self.exact else f"{self.title()}, {self.how}"
        return html.table(("", "effect"), self._lines(), title, [(self.by, self.number(self.score))])


def called(item: Any, names: Mapping[Any, str] | None) -> str:
    """What an item is called."""
    return f"item {shown(item)}" if names is None or item not in names else str(names[item])


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

    # The ratings given of a session have no user.
    data = {names["user"]: repeated("user")} if all(one.user is not None for one in explanations) else {}
    data |= {
        names["item"]: repeated("item"),
        f"rated_{names['item']}": joined("items"),
        names["rating"]: joined("ratings"),
        "effect": joined("effects"),
        "rank": np.concatenate([np.arange(1, n + 1) for n in lengths]) if lengths else np.zeros(0, int),
    }
    return frames.make(data, library)
