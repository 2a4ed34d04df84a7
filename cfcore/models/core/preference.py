"""`Preferring`: what lists may be ranked by beside predicted ratings."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from cfcore.data import frames
from cfcore.data.ids import is_single
from cfcore.kernels.records import ItemOrder, ListQueries, TopLists
from cfcore.metrics.lists import relevant_from
from cfcore.metrics.options import CRITERIA
from cfcore.models.core.intervals import Intervals
from cfcore.models.core.levels import boundary
from cfcore.models.core.noise import error_variance
from cfcore.models.core.params import check_choice
from cfcore.models.core.single import Session

__all__ = ["CRITERIA", "Preferring"]

Array = np.ndarray[Any, Any]

#: Choices are at least this where worths weigh them, so that items of no choice are ranked by their worth.
FLOOR = 1e-4
#: Entries of rows of choices that are in memory at once.
CHOICES_PER_BLOCK = 1 << 21


class Preferring(Intervals):
    """Preferences: chance that a user will choose an item, times a power of the worth of its rating.

    ::

        s_ui = max(c_ui, ε) P(r_ui ≥ ℓ)^w

    The choice c is relative: it compares items for one user. The worth is the chance that the rating will be
    at least the level from which items are relevant (`cfcore.metrics.relevant_from`). The power is 1 unless
    a model says otherwise.
    """

    #: What `recommend` ranks by unless it is told.
    ranks_by: ClassVar[str] = "rating"

    #: The power w of the worth; 0: preferences are the choices, without a floor.
    _worth_weight: float = 1.0

    # ------------------------------------------------------------------ for models to write

    def _choice_rows(self, users: Array) -> Array:
        """How likely each user is to choose each item: float32 or float64[n_users, n_items], relative.

        Parameters
        ----------
        users : int32[n_users]
            -1: unknown.

        Returns
        -------
        ndarray
            By default, for all users: ratings of the item in training, over those of the most rated item.
        """
        popularity = self._state.relative_popularity
        rows: Array = np.broadcast_to(popularity, (len(users), len(popularity)))
        return rows

    def _worth(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Chance that a rating would be relevant: float64[n] for codes (-1: unknown).

        By default ratings are normal around predictions, with variance `_error_variance`, and rounded to the
        levels of the training ratings.
        """
        return self._worth_of(np.asarray(self._score(users, items, timestamps), dtype=np.float64))

    def _worth_of(self, scores: Array) -> Array:
        """Chances of relevant ratings that are normal around predictions, not clipped."""
        from scipy.special import ndtr

        state = self._state
        level = boundary(relevant_from(state.scale), state.scale[0], state.rating_step)
        chances: Array = ndtr((scores - level) / np.sqrt(self._error_variance()))
        return chances

    def _error_variance(self) -> float:
        """Expected squared error of a prediction."""
        state = self._state
        return error_variance(state.history, state.n_epochs, state.scale)

    def _lists_per_call(self) -> int:
        """The number of lists that `_best_by_preference` makes in about .3 s; 0: the model makes none."""
        return 0

    def _best_by_preference(self, queries: ListQueries, order: ItemOrder, lists: TopLists) -> Array:
        """Make lists by preference without rows of preferences.

        Parameters
        ----------
        queries : ListQueries
            Rows are codes of known users.
        order : ItemOrder
            Items that may be listed.
        lists : TopLists, overwritten

        Returns
        -------
        bool[n_lists]
            Which lists were made, with the scores of `_preference_rows`, the same bits.
        """
        return np.zeros(lists.n_lists, dtype=bool)

    # ------------------------------------------------------------------ choices and worths together

    def _preference_rows(self, users: Array, timestamps: Array | None) -> Array:
        """Preferences of users for all items: float64[n_users, n_items] for codes (-1: unknown).

        Parameters
        ----------
        users : int32[n_users]
        timestamps : int64[n_users] or None
        """
        choices = self._choice_rows(users)
        if self._worth_weight == 0:
            return np.ascontiguousarray(choices, dtype=np.float64)
        n, m = choices.shape
        items = np.tile(np.arange(m, dtype=np.int32), n)
        times = None if timestamps is None else np.repeat(timestamps, m)
        worths = self._worth(np.repeat(users, m).astype(np.int32, copy=False), items, times)
        return weighed(choices.reshape(-1), worths, self._worth_weight).reshape(n, m)

    def _preference(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Preferences of pairs of codes, the same bits as in `_preference_rows`: float64[n]."""
        choices = np.zeros(len(users))
        known = np.flatnonzero(items >= 0)
        distinct, row_of = np.unique(users[known], return_inverse=True)
        order = np.argsort(row_of, kind="stable")
        step = max(1, CHOICES_PER_BLOCK // max(len(self._state.item_ids), 1))
        for begin in range(0, len(distinct), step):
            rows = self._choice_rows(distinct[begin : begin + step].astype(np.int32))
            first, last = np.searchsorted(row_of[order], [begin, begin + len(rows)])
            some = order[first:last]
            choices[known[some]] = rows[row_of[some] - begin, items[known[some]]]
        if self._worth_weight == 0:
            return choices
        return weighed(choices, self._worth(users, items, timestamps), self._worth_weight)

    # ------------------------------------------------------------------ the ratings of a session

    def _session_choices(self, session: Session) -> Array | None:
        choices: Array = self._choice_rows(np.array([-1], dtype=np.int32))[0]  # the same for all users
        return choices

    def _session_worths(self, session: Session) -> Array | None:
        scores = self._session_scores(session)
        return None if scores is None else self._worth_of(scores)

    def _session_preferences(self, session: Session) -> Array | None:
        choices = self._session_choices(session)
        if choices is None or self._worth_weight == 0:
            return choices
        worths = self._session_worths(session)
        return None if worths is None else weighed(choices, worths, self._worth_weight)

    # ------------------------------------------------------------------ preferences

    def _criterion(self, by: Any, choices: tuple[str, ...] = CRITERIA[:2]) -> str:
        """The kind of scores, from the argument `by`."""
        if by is None:
            return self.ranks_by
        check_choice("by", by, choices)
        return str(by)

    def preference_codes(self, users: Array, items: Array, timestamps: Array | None = None) -> Array:
        """Preferences for codes, by which ``recommend(..., by="preference")`` ranks.

        Parameters
        ----------
        users, items : ndarray of int32, shape (n,)
            As `encode_users` and `encode_items` give them.
        timestamps : ndarray of int64, shape (n,), optional

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        self._check_fitted()
        return self.snapshot()._preference(users, items, timestamps)

    def preference(self, users: Any, items: Any = None, timestamps: Any = None, *, given: Any = None) -> Any:
        """Predict how likely users are to choose items and to be content with them, for comparisons.

        ::

            s_ui = max(c_ui, 10^-4) P(r_ui ≥ ℓ)

        Parameters
        ----------
        users, items, timestamps, given
            As `predict` takes them.

        Returns
        -------
        ndarray of float64, shape (n,); a float for a scalar user and item
            Scores by which ``recommend(..., by="preference")`` ranks: relative, on no scale, comparable
            between the items of one user. c is the choice: of most models, the number of training ratings of
            the item over that of the most rated item, whoever the user is; `ItemKNN` and `UserKNN` count who
            rated items together; models for lists (`EASE`,
            `Popularity`) have scores of their own, and no worth beside them; `Ranker` joins two models. P is
            the worth: the chance that the rating would be at least three quarters up the scale
            (`cfcore.metrics.relevant_from`), from the probabilities of levels where the model has them
            (`RBM`), or else of a normal distribution around the prediction, rounded to the levels of the
            ratings.

        Raises
        ------
        NotFittedError, DataError
            As `predict`.

        Examples
        --------
        >>> import cfcore as cf
        >>> model = cf.Popularity().fit((["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3]))
        >>> model.preference("ann", ["x", "y"]).tolist()
        [1.0, 0.5]
        """
        here, users, items = self._asked_of("preference", users, items, given)
        user_codes, item_codes, times, scalar = here._codes_of_request(users, items, timestamps)
        found = here._preference(user_codes, item_codes, times)
        if scalar and len(found) == 1:
            return float(found[0])
        column = users if items is None or not is_single(users) else items
        return frames.column_like(column, found, "preference")


def weighed(choices: Array, worths: Array, weight: float) -> Array:
    """Choices times a power of worths: float64, the same bits for one pair as for many."""
    found: Array = np.maximum(choices, FLOOR, dtype=np.float64)
    found *= worths if weight == 1 else np.power(worths, weight)
    return found
