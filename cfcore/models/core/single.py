"""Answers for one user, from what the fitted state holds: nothing is made per call that does not change.

`predict` and `recommend` take many forms of arguments, and making columns and arrays of one id takes longer
than the answer. For plain Python ids these functions give the same answer, to the bit, or None where the
arguments need more than that: warnings and errors are left to the general way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cfcore import backends
from cfcore.errors import DataError
from cfcore.kernels.records import ItemOrder
from cfcore.models.core.fitted import Fitted
from cfcore.models.core.ids import ODD

__all__ = ["PLAIN", "Session", "SingleAnswers"]

Array = np.ndarray[Any, Any]

#: Types of ids for which answers need no arrays.
PLAIN = (int, str)


@dataclass(frozen=True, slots=True)
class Session:
    """Ratings of one user in the model's codes, of known items and within the scale; at least one.

    Attributes
    ----------
    items : int32[n]
        Ascending.
    values : float32[n]
    """

    items: Array
    values: Array


class SingleAnswers(Fitted):
    """Answers for one user.

    The methods that models may write have the bits of others (`cfcore.models.core.hooks`), and read a
    snapshot of the model.
    """

    ranks_by: ClassVar[str]

    def _preference_rows(self, users: Array, timestamps: Array | None) -> Array:
        raise NotImplementedError

    def _session_preferences(self, session: Session) -> Array | None:
        raise NotImplementedError

    # ------------------------------------------------------------------ for models to write

    def _score_pair(self, user: int, item: int) -> float:
        """As `_score`, for the codes of a known user and a known item; here also for unknown ones."""
        users, items = np.array([user], dtype=np.int32), np.array([item], dtype=np.int32)
        return float(self._score(users, items, None)[0])

    def _scores_of_user(self, user: int) -> Array:
        """As `_score`, for a known user (here also for -1): float64[n_items], NaN for unknown items."""
        known = self._state.item_layouts.known_items
        found = np.asarray(self._score(np.full(len(known), user, dtype=np.int32), known, None))
        scores = np.full(len(self._state.item_ids), np.nan)
        scores[known] = found
        return scores

    def _best_of_user(
        self, user: int, order: ItemOrder, excluded: Array, listed: Array, scores: Array
    ) -> None:
        """Fill a list for a known user: see the kernel ``top_n.single``."""
        kernel = backends.kernel("top_n.single")
        kernel.best_of_scores(self._scores_of_user(user), order, excluded, listed, scores)

    def _session_scores(self, session: Session) -> Array | None:
        """Scores of all items for the user of a session: float64[n_items], or None for the general way."""
        return None

    def _best_of_session(
        self, session: Session, order: ItemOrder, excluded: Array, listed: Array, scores: Array
    ) -> bool:
        """Fill a list for the user of a session; False for the general way."""
        found = self._session_scores(session)
        if found is None:
            return False
        backends.kernel("top_n.single").best_of_scores(found, order, excluded, listed, scores)
        return True

    def _session_choices(self, session: Session) -> Array | None:
        """Choices of the user of a session, as `_session_scores`; those of `_choice_rows`."""
        return None

    def _session_worths(self, session: Session) -> Array | None:
        """Worths of all items for the user of a session, as `_session_scores`; those of `_worth`."""
        return None

    # ------------------------------------------------------------------ answers

    def _quick_prediction(self, user: int | str, item: int | str) -> float | None:
        """What `predict` returns for a user and an item."""
        here = self.snapshot()
        state = here._state
        if state is None:
            return None
        find = backends.kernel("tables.lookup").find
        user_code, item_code = state.users.code_of(user, find), state.items.code_of(item, find)
        if user_code == ODD or item_code == ODD:
            return None
        if user_code < 0 or item_code < 0:
            score = SingleAnswers._score_pair(here, user_code, item_code)
        else:
            score = here._score_pair(user_code, item_code)
        low, high = state.scale
        if score > low:
            return score if score < high else high
        return low if score == score else score

    def _quick_predictions(self, items: Any, given: Any) -> Any:
        """What ``predict(items, given=given)`` returns."""
        here = self.snapshot()
        single = type(items) in PLAIN
        if not (single or (type(items) is np.ndarray and items.ndim == 1)
                or (type(items) is list and items and type(items[0]) in PLAIN)):  # fmt: skip
            return None
        session = here._session_of(given)
        if session is None:
            return None
        try:
            codes = here._state.items.encode(items)
        except DataError:
            return None
        scores = None if (codes < 0).any() else here._session_scores(session)
        if scores is None:
            return None
        found = within(scores[codes], here._state.scale)
        return float(found[0]) if single else found

    def _quick_list(
        self, user: Any, n: Any, by: Any, given: Any, exclude_seen: Any, min_support: Any
    ) -> tuple[Array, Array] | None:
        """What `recommend` returns for a user, or for the user of a session."""
        here = self.snapshot()
        state = here._state
        by = self.ranks_by if by is None else by
        if type(by) is not str or by not in ("rating", "preference"):
            return None
        if state is None or type(n) is not int or type(min_support) is not int or min_support < 0:
            return None
        order = state.item_layouts.supported(min_support)
        n = min(n, order.m)
        if n < 1 or type(exclude_seen) is not bool:
            return None
        listed, scores = np.empty(n, dtype=np.int32), np.empty(n)
        found = None
        if given is None:
            code = state.users.code_of(user, backends.kernel("tables.lookup").find)
            if code == ODD:
                return None
            indptr, begin = state.seen_indptr, max(code, 0)
            end = begin + 1 if exclude_seen and code >= 0 else begin
            excluded = state.seen_items[indptr[begin] : indptr[end]]
            if code < 0 and by == "rating":
                found = SingleAnswers._scores_of_user(here, code)
            elif by == "rating":
                here._best_of_user(code, order, excluded, listed, scores)
            else:
                found = here._preference_rows(np.array([code], dtype=np.int32), None)[0]
        else:
            session = here._session_of(given)
            if session is None:
                return None
            excluded = session.items if exclude_seen else session.items[:0]
            if by == "rating":
                if not here._best_of_session(session, order, excluded, listed, scores):
                    return None
            else:
                found = here._session_preferences(session)
                if found is None:
                    return None
        if found is not None:
            found = np.ascontiguousarray(found, dtype=np.float64)
            backends.kernel("top_n.single").best_of_scores(found, order, excluded, listed, scores)
        if listed[-1] < 0:  # the list is shorter
            n = int(np.count_nonzero(listed >= 0))
            listed, scores = listed[:n], scores[:n]
        return state.item_ids[listed], within(scores, state.scale) if by == "rating" else scores

    def _session_of(self, given: Any) -> Session | None:
        """A dict of item to rating as a session; None if anything about it is out of the ordinary."""
        state = self._state
        if state is None or type(given) is not dict or not given:
            return None
        find, code_of, (low, high) = backends.kernel("tables.lookup").find, state.items.code_of, state.scale
        rated = {}
        for item, value in given.items():
            if type(item) is not int and type(item) is not str:
                return None
            if (type(value) is not float and type(value) is not int) or not low <= value <= high:
                return None
            code = code_of(item, find)
            if code < 0:  # items that are left out are mentioned
                return None
            rated[code] = value
        if len(rated) < len(given):  # strings that differ only in NULs at the end
            return None
        items = sorted(rated)
        values = [rated[code] for code in items]
        return Session(np.array(items, dtype=np.int32), np.array(values, dtype=np.float32))


def within(scores: Array, scale: tuple[float, float]) -> Array:
    """Scores clipped to a scale, in place."""
    # As np.clip, which takes longer than a short list.
    np.maximum(scores, scale[0], out=scores)
    return np.minimum(scores, scale[1], out=scores)
