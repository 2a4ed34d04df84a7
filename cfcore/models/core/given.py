"""`NewUsers`: answers for users whose ratings come with the question, from a model that stays as it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from cfcore.data import Ratings, as_ratings, from_fields
from cfcore.data.ids import are_strings
from cfcore.errors import DataError, DataWarning, warn
from cfcore.models.core.single import SingleAnswers
from cfcore.models.core.state import State

__all__ = ["NewUsers", "trust_in", "user_fields", "user_of"]

Array = np.ndarray[Any, Any]


class NewUsers(SingleAnswers):
    """A model for the users of some ratings in place of those of the fit; items stay as they are."""

    #: Whether predictions from few ratings given are shrunk, see `trust_in`; not to explain those of a fit.
    _shrinks_few = True

    def _state_of_users(self, given: Ratings) -> State:
        """The state for the users of `given`, whose item codes are those of the model.

        It has the users of `given`, and may have more. It serves for predictions, not for files.
        """
        raise TypeError(f"{type(self).__name__} does not take given=: fit it anew, on all ratings")

    def _asked_alone(self) -> bool:
        """Whether answers for users given together depend on each other, so that each is asked for alone."""
        return False

    def for_users(self, ratings: Any) -> Self:
        """Return a copy of the model for the users of some ratings; the model itself is not changed.

        ``model.predict(..., given=ratings)`` is ``model.for_users(ratings).predict(...)``.

        Parameters
        ----------
        ratings : dict of item to rating, or Ratings, DataFrame, (users, items, values[, timestamps]), ...
            All ratings of these users that count. Of repeated pairs the last counts; items without training
            ratings are left out with a warning. A dict, or a pandas Series with items in its index, has the
            ratings of one user; an empty one stands for a user without ratings.

        Returns
        -------
        Model
            These users are known, and no others (``known_users_``); items are those of this model. A dict is
            of one user, with the id 0, or "" where ids are strings. `UserKNN` compares the users given with
            all others, which costs some passes over the training ratings: keep the copy for further calls.
            Users given together are compared with each other as well; give each alone for answers that do not
            depend on the others. There a dict has another id if 0 is a user of training.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            Ratings that cannot be used, or are outside the scale of the model.
        """
        return self._for_users(ratings)[0]

    def _for_users(self, given: Any, mention: bool = True) -> tuple[Self, Array]:
        """The copy of `for_users`, and the ids of the users of the ratings given.

        `mention` tells whether to warn of items that are left out: a blend does so for its members.
        """
        here = self.snapshot()
        here._check_fitted()
        ratings = here._given_ratings(given, mention)
        here._state = here._state_of_users(ratings)
        return here, ratings.user_ids

    def _given_ratings(self, given: Any, mention: bool) -> Ratings:
        """Ratings of known items, in the model's codes of items; all users have a code, ascending by id."""
        state = self._state
        alone = is_session(given)
        if alone:
            items, values = columns_of_session(given, are_strings(state.item_ids))
            user = session_user(state.user_ids, free=self._asked_alone())
            if not items:
                nothing = np.zeros(0, dtype=np.int32)
                return from_fields(
                    nothing, nothing, np.zeros(0, dtype=np.float32), None, np.array([user]), state.item_ids,
                    state.scale,
                )  # fmt: skip
            # Said to be a string, "" is not mentioned as an id that is missing.
            kinds: Any = {"user": type(user)}
            given = Ratings([user] * len(items), items, values, duplicates="last", ids=kinds)
        timed: bool = self.uses_timestamps()
        try:
            ratings = as_ratings(given, duplicates="last", timed=timed)
        except DataError as error:
            if isinstance(given, (Ratings, Mapping)):
                raise
            why = "the ratings of one user are a dict {item: rating}, of a user without ratings {}"
            raise DataError(f"given: {error}; {why}") from None
        state.users.encode(ratings.user_ids)  # ids of another kind than in training raise
        check_scale_of(ratings, state.scale, session=alone)
        items = state.items.recode(ratings.item_ids, ratings.item_codes)
        known = items >= 0
        if mention and not known.all():
            unknown = np.unique(ratings.items[~known])
            warn(
                f"given: {len(unknown)} of the items have no training ratings and are left out: "
                f"{', '.join(map(str, unknown[:5]))}{', ...' if len(unknown) > 5 else ''}",
                DataWarning,
            )
        # A blend gives its members ratings that may be of items unknown to all of them.
        rated = ratings.user_counts > 0 if len(ratings) else np.ones(ratings.n_users, dtype=bool)
        users = (np.cumsum(rated) - 1).astype(np.int32)[ratings.user_codes]
        times = None if ratings.timestamps is None else np.asarray(ratings.timestamps)[known]
        return from_fields(
            users[known], items[known], ratings.values[known], times,
            ratings.user_ids[rated], state.item_ids, state.scale,
        )  # fmt: skip


def is_session(given: Any) -> bool:
    """Whether these are the ratings of one user: a dict of item to rating, or a Series with such an index.

    A dict that holds a column is a table.
    """
    if isinstance(given, Mapping):
        return not any(hasattr(value, "__iter__") and np.ndim(value) for value in given.values())
    return (
        hasattr(given, "to_numpy")
        and getattr(getattr(given, "index", None), "nlevels", 0) == 1
        and (np.ndim(given) == 1)
    )


def columns_of_session(given: Any, strings: bool) -> tuple[list[Any], list[float]]:
    """Items and ratings of a session; `strings` tells whether the items of the model are strings.

    Raises
    ------
    DataError
        A rating that is no finite number, or items of the other kind. The message names the item.
    """
    items, values = [], []
    for item, value in given.items():
        try:
            if isinstance(value, (bool, np.bool_)):
                raise TypeError
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise DataError(
                f"given: the rating of item {_shown(item)} must be a finite number, not {value!r}"
            )
        if strings != isinstance(item, str):
            kinds = ("a string", "integers", "int") if not strings else ("no string", "strings", "str")
            raise DataError(
                f"given: item {_shown(item)} is {kinds[0]}, and the items of the model are {kinds[1]}: pass "
                f"{{{kinds[2]}(item): rating for item, rating in given.items()}}"
            )
        items.append(item)
        values.append(number)
    return items, values


def _shown(item: Any) -> str:
    return repr(item.item() if isinstance(item, np.generic) else item)


def session_user(ids: Array, free: bool = False) -> Any:
    """The id of the user of a session, of the kind of some ids.

    `free`: an id that is not among them, where the user of the session is compared with theirs.
    """
    strings = are_strings(ids)
    first: Any = "" if strings else 0
    if not free or first not in ids:
        return first
    numbers = range(len(ids) + 1)
    return next(one for one in (map(str, numbers) if strings else numbers) if one not in ids)


def user_of(given: Any, known: Array) -> Any:
    """The user whose ratings these are, if they are of a session, or else all; `known` are the ids."""
    if not is_session(given):
        return known
    return known[0].item() if isinstance(known[0], np.generic) else known[0]


def check_scale_of(ratings: Ratings, scale: tuple[float, float], session: bool = False) -> None:
    """Raise DataError for ratings outside the scale of a model; those of a `session` have no user."""
    low, high = scale
    outside = (ratings.values < low) | (ratings.values > high)
    if outside.any():
        row = int(outside.argmax())
        where = f"ratings: row {row} (user {ratings.users[row]}, item {ratings.items[row]})"
        if session:
            where = f"given: the rating of item {_shown(ratings.items[row])}"
        raise DataError(f"{where} is {ratings.values[row]:g}; the model's scale is {low:g} to {high:g}")


def trust_in(counts: Array, half: float, most: float = 1.0) -> Array:
    """Weights of predictions from n ratings given, ``most n / (n + half)``; the rest is of unknown users.

    For models that do not shrink by themselves: their predictions from few ratings would be worse than
    knowing nothing of a user. ``python benchmarks/new_users.py --choose`` prints errors by weight.
    """
    weights: Array = most * np.divide(counts, counts + half, out=np.zeros(counts.shape), where=counts > 0)
    return weights


def user_fields(given: Ratings) -> dict[str, Any]:
    """The fields of `State` that describe the users of some ratings, with items in the model's codes."""
    rows = given.by_user
    return {
        "user_ids": given.user_ids,
        "user_counts": given.user_counts,
        "seen_indptr": rows.indptr,
        "seen_items": rows.indices,
        "seen_values": rows.values,
    }
