"""`Explaining`: which ratings of a user pull a prediction up or down, and by how much."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from cfcore.data import Ratings, from_fields
from cfcore.data.checks import as_timestamps
from cfcore.data.ids import are_strings, as_column, is_single
from cfcore.errors import DataError, shown
from cfcore.models.core.explanation import Contributions, Explanation, explanation_frame
from cfcore.models.core.given import is_session
from cfcore.models.core.params import check_flag, check_number
from cfcore.models.core.preference import Preferring
from cfcore.models.core.state import State

__all__ = ["Contributions", "Explaining", "Question", "bias_contributions", "rated_by"]

Array = np.ndarray[Any, Any]

#: Ratings of the users that are asked for at once, each a copy of one user without one rating.
BATCH = 1 << 20
#: Sums over ratings are those of training up to this part of the size of ratings, which are float32.
CLOSE = 1e-6


@dataclass(frozen=True, eq=False)
class Question:
    """What is to be explained.

    Attributes
    ----------
    own : Ratings
        All ratings of the user that count, in some codes of items.
    by : {"rating", "preference"}
    leave_one_out : bool
        Whether effects are by leaving one rating out also where a model is a sum.
    time : int or None
        Of the prediction.
    """

    own: Ratings
    by: str
    leave_one_out: bool
    time: int | None


class Explaining(Preferring):
    """Reasons of predictions."""

    # ------------------------------------------------------------------ for models to write

    def _contributions(self, user: int, item: int, origin: Any) -> Contributions | None:
        """The effect of each rating of a known user on a prediction that is a sum over them.

        None, as by default, where it is not: then the effects are by leaving one rating out.

        Parameters
        ----------
        user, item : int
            Codes; the item's is -1 where it is unknown to a member of a blend.
        origin : Model
            The model as fitted: this one, or that of which it is a copy for the ratings given.
        """
        return None

    def _preference_contributions(self, user: int, item: int, origin: Any) -> Contributions | None:
        """The same for a preference."""
        return None

    def _state_without_each(self, own: Ratings) -> State | None:
        """A state whose users are one user without each rating in turn, and at the end with all.

        None, as by default, for that of `_state_of_users` for as many users.

        Parameters
        ----------
        own : Ratings
            Of one user, at least two, in the model's codes of items.
        """
        return None

    # ------------------------------------------------------------------ explaining

    def explain(
        self,
        user: Any,
        item: Any,
        n: int | None = 5,
        *,
        given: Any = None,
        by: str | None = None,
        leave_one_out: bool = False,
        timestamps: Any = None,
        as_frame: bool | str = False,
    ) -> Any:
        r"""Tell which ratings of a user pull a prediction up or down, and by how much.

        Parameters
        ----------
        user : int or str, or None
            Raw id; None with the ratings of one user.
        item : int or str, or array_like of them
            Raw ids of items with training ratings, such as those of a list by `recommend`.
        n : int or None, default 5
            The number of ratings to return; None for all.
        given : dict of item to rating, or Ratings, DataFrame, (users, items, values[, timestamps]), ...
            The ratings of the user, as in `predict`; those of others are ignored. By default those of
            training, which the model keeps (``seen_values_``).
        by : {None, "rating", "preference"}
            What to explain: the predicted rating, or the preference, by which `recommend` may rank. By
            default what `recommend` ranks by.
        leave_one_out : bool, default False
            Find effects by leaving one rating out for all models: see Notes.
        timestamps : scalar, optional
            The time of the prediction, for models whose predictions depend on time.
        as_frame : bool or {"pandas", "polars", "pyarrow"}, default False
            Return a data frame with a row for each rating and the columns user, item, rated_item, rating,
            effect and rank (from 1). True: of the first library installed.

        Returns
        -------
        Explanation, or a list of them for many items
            ``base + effects.sum() + others`` is the score, which is not clipped to the scale.
            ``ids, effects = model.explain(...)`` unpacks the two arrays of it.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            No ratings of the user, an item without training ratings, or a model that keeps no ratings, as one
            in a file of version 0.1.0: pass them as `given`.

        Notes
        -----
        **Sums.** The effects are the terms of the prediction, and ``exact`` is True, for

        - `Baseline`: the user's bias is the damped mean of residuals. An effect is a residual over
          n + λ; the base is mean and bias of the item. (For ``method="sgd"`` with `given`.)
        - `ItemKNN`: an effect is the weight of a neighbour times the deviation of its rating; the base is
          the centre, biases included. Items that are no neighbours have the effect 0.
        - `SVDpp`, `TimeSVDpp`: ``|N(u)|^(-1/2) y_j · q_i``, the effect of having rated an item,
          whatever the rating; biases and p_u · q_i, which the ratings formed as well, are in the
          base. Leave one rating out to see the effect of its value.
        - `AsymmetricSVD`: both terms of an item; the base is the mean and the biases.
        - `Blend`: the weighted sums of the members' effects, exact where they are; ``members`` has the part
          of each.
        - `EASE`, preferences: x_uj B_ji, with the base 0. Predicted ratings as of `Baseline`.
        - `Ranker`: a predicted rating as of the rater; a preference as of the chooser, times the worth, which
          is held: both factors are in ``members``. (Of choosers for lists, such as `EASE`.)
        - `GlobalMean`, `Popularity`: no rating has an effect.

        **Leaving one out.** For others (`SVD`, `RBM`, `UserKNN`, ...) an effect is the prediction given all
        ratings of the user less that without this one, both as for a new user:

        ::

            r̂_ui(R_u) - r̂_ui(R_u \ {r_uj})

        The base is the prediction for a user without ratings. What these differences leave of the score is
        in ``others``: joint effects of ratings, which depend on each other, and for a user of training
        ``training``, the difference of the fit to the prediction for a new user with the same ratings.
        ``exact`` is False. With n ratings it costs what `for_users` costs for n users with n - 1 each; for
        `SVD` and its kind with k factors O(n k² + k^3), unless ``item_frequencies`` of `TimeSVDpp`
        are on; for `RBM` n comparisons with the users of the fit, unless by="user".

        `UserKNN` compares the user without each rating with the others, whose means and biases stay, which
        takes about n steps for each user who rated an item; its ``neighbors`` tell whose ratings
        the prediction is a mean of. With ``leave_one_out=True`` it is a fit for each rating.

        What items have in common is computed once for all items of a call.

        Examples
        --------
        >>> import cfcore as cf
        >>> ratings = (["ann", "ann", "bob", "bob", "eve"], ["x", "y", "x", "z", "z"], [5, 4, 3, 2, 4])
        >>> model = cf.Baseline().fit(ratings)
        >>> ids, effects = model.explain(None, "z", given={"x": 5, "y": 2})
        >>> ids.tolist(), (effects > 0).tolist()
        (['y', 'x'], [False, True])
        """
        check_number("n", n, 1, integer=True, none=True)
        check_flag("leave_one_out", leave_one_out)
        here = self.snapshot()
        here._check_fitted()
        criterion = here._criterion(by)
        single = is_single(item)
        wanted = as_column([item] if single else item)
        items = here._state.items.encode(wanted)
        if (items < 0).any():
            unknown = wanted[int((items < 0).argmax())]
            raise DataError(f"explain: item {shown(_plain(unknown))} has no training ratings")
        target, own, code = here._asked(user, item, given)
        question = Question(own, criterion, bool(leave_one_out), here._time_of(timestamps))
        parts = target._explained(here, code, items, question)
        fields = {
            "user": None if is_session(given) else _plain(own.user_ids[0]), "by": criterion,
            "model": type(self).__name__, "column_names": here._state.column_names,
        }  # fmt: skip
        found = [
            Explanation.of(one, n, item=_plain(raw), **fields) for one, raw in zip(parts, wanted, strict=True)
        ]
        if as_frame is not False:
            return explanation_frame(found, None if as_frame is True else as_frame)
        return found[0] if single else found

    def _time_of(self, timestamps: Any) -> int | None:
        if timestamps is None or timestamps is False:
            return None
        return int(as_timestamps(as_column([timestamps]), "timestamps")[0])

    def _asked(self, user: Any, item: Any, given: Any) -> tuple[Self, Ratings, int]:
        """The model that knows the user, the ratings of the user, and the code there (-1 without ratings)."""
        if given is not None:
            own = self._given_of(user, given)
            target = self.snapshot()
            target._state = self._state_of_users(own)
            return target, own, int(target.encode_users(own.user_ids)[0]) if len(own) else -1
        if user is None:
            raise TypeError("explain needs a user, or ratings: explain(None, item, given={item: rating})")
        advice = f"pass the ratings of the user: explain({shown(_plain(user))}, item, given=ratings)"
        code = self._state.users.encode_one(user)
        if code < 0 or not self._state.user_counts[code]:  # features alone are no reasons
            raise DataError(f"explain: user {shown(_plain(user))} has no training ratings; {advice}")
        items, values = rated_by(self._state, code)
        if self._state.seen_values is None or not len(items):
            raise DataError(
                f"explain: this {type(self).__name__} keeps no ratings of user {shown(_plain(user))}: its "
                f"file was written by version 0.1.0, or its parameters were trained elsewhere; {advice}"
            )
        return self, _ratings_of(self._state, np.zeros(len(items), np.int32), items, values, user), code

    def _given_of(self, user: Any, given: Any) -> Ratings:
        """The ratings of one user among those given."""
        ratings = self._given_ratings(given, mention=True)
        if is_session(given):
            if user is not None:
                raise TypeError("explain(None, item, given={item: rating, ...}) takes no user")
            return ratings
        if user is None:
            raise TypeError("explain needs the user, unless given= is a dict of item to rating")
        own = ratings.users == user
        if not own.any():
            raise DataError(
                f"explain: given= has no ratings of user {shown(_plain(user))} that are of known items"
            )
        times = None if ratings.timestamps is None else ratings.timestamps[own]
        rows = np.zeros(int(own.sum()), dtype=np.int32)
        return from_fields(
            rows, ratings.item_codes[own], ratings.values[own], times, as_column([user]),
            ratings.item_ids, ratings.scale,
        )  # fmt: skip

    # ------------------------------------------------------------------ for models made of models

    def _explained(self, origin: Any, user: int, items: Array, question: Question) -> list[Contributions]:
        """The parts of the scores of a user (-1: without ratings) for codes of items.

        `origin` is the model as fitted: this one, or that of which it is a copy for the ratings given.
        """
        scores = self._scores_by(np.full(len(items), user, dtype=np.int32), items, question)
        if user < 0:
            none = np.zeros(0)
            return [
                Contributions(origin._state.item_ids[:0], none, none, True, float(score), float(score))
                for score in scores
            ]
        found: list[Contributions | None] = [None] * len(items)
        if not question.leave_one_out:
            of = self._contributions if question.by == "rating" else self._preference_contributions
            found = [of(user, int(item), origin) for item in items]
        missing = [at for at, parts in enumerate(found) if parts is None]
        if missing:
            asked = origin.snapshot()
            asked._shrinks_few = origin is not self  # predictions of a fit are not shrunk
            left_out, whole, bases = asked._left_out(question, items[missing])
            own = origin._given_ratings(question.own, mention=False)
            raw, values = own.items, own.values.astype(np.float64)
            training = scores[missing] - whole if origin is self else np.zeros(len(missing))
            for at, effects, base, more in zip(missing, (whole - left_out).T, bases, training, strict=True):
                found[at] = Contributions(raw, values, effects, False, float(base), training=float(more))
        return [
            replace(parts, score=float(score))
            for parts, score in zip(found, scores, strict=True)
            if parts is not None
        ]

    def _scores_by(self, users: Array, items: Array, question: Question) -> Array:
        """Predictions, not clipped, or preferences, for codes: float64[n]."""
        times = None if question.time is None else np.full(len(users), question.time, dtype=np.int64)
        score = self._score if question.by == "rating" else self._preference
        return np.asarray(score(users, items, times), dtype=np.float64)

    def _left_out(self, question: Question, items: Array) -> tuple[Array, Array, Array]:
        """Scores without each rating: float64[n_ratings, n_items]; with all, and without any: [n_items]."""
        own = self._given_ratings(question.own, mention=False)
        n, m = len(own), len(items)
        unknown = np.full(m, -1, dtype=np.int32)
        bases = self._scores_by(unknown, items, question)
        # An unknown item is rated as the user rated on average, which the state does not tell.
        state = self._state_without_each(own) if n > 1 and (items >= 0).all() else None
        if state is None:
            scores = self._scores_without_each(own, items, question)
        else:
            here = self.snapshot()
            here._state = state
            codes = np.repeat(np.arange(n + 1, dtype=np.int32), m)
            scores = here._scores_by(codes, np.tile(items, n + 1), question).reshape(n + 1, m)
        return scores[:-1], scores[-1], bases

    def _scores_without_each(self, own: Ratings, items: Array, question: Question) -> Array:
        """Scores of a user without each rating, and at the end with all: float64[n_ratings + 1, n_items]."""
        n, m = len(own), len(items)
        scores = np.empty((n + 1, m))
        alone = self._asked_alone()
        step = 1 if alone else max(1, BATCH // max(n, 1))
        for begin in range(0, n + 1, step):
            left_out = np.arange(begin, min(begin + step, n + 1))
            users, picked = np.nonzero(np.arange(n) != left_out[:, None])
            n_users = len(left_out)
            names = np.arange(n_users)
            ids = as_column([f"{name:09d}" for name in names]) if are_strings(self._state.user_ids) else names
            if alone:  # in place of the user, if the model knows it
                ids = own.user_ids
            here = self.snapshot()
            if len(picked):
                times = None if own.timestamps is None else own.timestamps[picked]
                here._state = self._state_of_users(
                    from_fields(
                        users.astype(np.int32), own.item_codes[picked], own.values[picked], times, ids,
                        own.item_ids, own.scale,
                    )
                )  # fmt: skip
                codes = here.encode_users(ids)
            else:
                codes = np.full(n_users, -1, dtype=np.int32)
            some = here._scores_by(np.repeat(codes, m), np.tile(items, n_users), question)
            scores[begin : begin + n_users] = some.reshape(n_users, m)
        return scores


def rated_by(state: Any, user: int) -> tuple[Array, Array]:
    """Codes of the items that a user rated, and the ratings as float64, NaN where they are not known."""
    span = slice(*state.seen_indptr[user : user + 2])
    codes = state.seen_items[span]
    if state.seen_values is None:
        return codes, np.full(len(codes), np.nan)
    return codes, state.seen_values[span].astype(np.float64)


def bias_contributions(state: Any, user: int, damping: float) -> Contributions | None:
    """The effects of ratings on mean + b_u + b_i, b_u being the damped mean of the errors of mean + b_i.

    Parameters
    ----------
    state : State with ``user_bias``, ``item_bias`` and ``mean``
    user : int
        Code of a known user.
    damping : float
        Of b_u, in ratings.

    Returns
    -------
    Contributions or None
        None where the bias is another: of another damping, or trained elsewhere.
    """
    codes, values = rated_by(state, user)
    effects = (values - state.mean - state.item_bias[codes]) / max(len(codes) + damping, 1)
    if abs(effects.sum() - state.user_bias[user]) > CLOSE * max(1.0, np.abs(values).max(initial=0)):
        return None
    return Contributions(state.item_ids[codes], values, effects)


def _ratings_of(state: Any, users: Array, items: Array, values: Array, user: Any) -> Ratings:
    """Ratings of one user, with the codes of items of a state."""
    values = values.astype(np.float32)
    return from_fields(users, items, values, None, as_column([user]), state.item_ids, state.scale)


def _plain(raw: Any) -> Any:
    return raw.item() if isinstance(raw, np.generic) else raw
