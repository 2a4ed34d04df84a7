"""`EASE`: lists by a linear model of all pairs of items."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from cfcore.data import Ratings, from_fields
from cfcore.kernels.records import ItemOrder, ListQueries, TopLists
from cfcore.models.core.explaining import Contributions, bias_contributions, rated_by
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.given import user_fields
from cfcore.models.core.means import damped_means
from cfcore.models.core.model import Array, Model
from cfcore.models.core.params import MOST, check_choice, check_number
from cfcore.models.core.single import Session
from cfcore.models.core.state import State
from cfcore.models.lists.ease_state import VALUES, EaseState, rating_weights
from cfcore.models.lists.inverse import check_items, gram_matrix, invert, item_weights

#: Multiplications in a call that makes lists: about .3 s on one core, after which Ctrl-C takes effect.
PRODUCTS_PER_CALL = 10**10
#: Damping of the biases of predicted ratings, in ratings.
REG_USER, REG_ITEM = 5.0, 2.0


class EASE(Model):
    """Lists by EASE, a linear model of the ratings of an item on those of all others, in closed form.

    ::

        s_uj = Σ_i x_ui B_ij
        B = I - P diagMat(1 / diag P)
        P = (Xᵀ X + λ I)⁻¹

    B has the least squared error of X B, with a penalty λ ‖B‖² and a diagonal of 0. Scores
    rank items that a user may choose, and are no ratings: `recommend` ranks by them
    (``ranks_by = "preference"``). (Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019.)

    `predict` is for ratings: the mean and damped means of the errors of the item and of the user, as
    ``Baseline(method="mean")``. **Lists are not sorted by these predictions**, except with
    ``recommend(by="rating")``.

    Parameters
    ----------
    reg : float, optional
        λ, in ratings of weight 1. By default it depends on the ratings; see Notes.
    values : {"ratings", "ones"}, default "ratings"
        What a rating weighs in X: itself over the highest of the scale, so that items that people rated high
        count more; or 1 each. Where a scale does not start above 0, ratings are moved so that the lowest
        weighs a fifth of the highest, as one star of five: no rating weighs nothing, or less.
    max_items : int, optional
        Weights are of so many items, those with most ratings (ties: by id). The others are known items, whose
        ratings are predicted, but they have no part in scores, and lists have them last, in the order of
        their numbers of ratings. By default all items, at most 30,000.
    n_threads : int, optional
        All cores by default. The result does not depend on it.
    verbose : int, default 0
        1 shows a progress bar.

    Attributes
    ----------
    item_weights_ : ndarray of float32, shape (n_weighted, n_weighted)
        B: [i, j] is the weight of item i in the score of item j.
    weighted_items_ : ndarray of int32, shape (n_weighted,), or None
        Codes of the items that have weights; None: all.
    reg_ : float
        λ of the fit.
    user_bias_, item_bias_ : ndarray of float64, shape (n_users,), (n_items,)
        Of predicted ratings; 0 for users and items without ratings.
    values_ : {"ratings", "ones"}
    mean_ : float

    Notes
    -----
    **Unknown users** get the items in the order of their numbers of ratings. Items without ratings are never
    listed. Scores have no scale; they compare items for one user.

    **Similar items** are those that a user who rated only the item would be recommended:
    ``similar_items(i)`` lists row i of B, which is not symmetric. Beyond `max_items` an item has none.

    **Default of** `reg`: 70 n_users / √(n_ratings), from 200 to 500, for weights whose
    mean square is about .55, as of one to five stars; with ``values="ones"`` twice that. It is
    found by cross-validation of ndcg@10 within training rows (``python benchmarks/defaults.py --lists``). The
    optimum is flat: half or twice the penalty changes ndcg by 2 % or less, and weights of 1 lower it by 5 %.

    **Memory and time.** A fit needs 12 bytes for each pair of items: .2 GB for 3,700 items, 10.8 GB for
    30,000; the model keeps a third, and so does its file. Too many items are an error before anything is
    allocated. Time is that of n_items^3 operations in double, beside the sums of all co-rated pairs; a list
    costs n_items multiplications for each rating of the user. The inverse is computed in double by sweeps of
    tiles, in an order that does not depend on threads.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = (["ann", "ann", "bob", "bob", "eve"], ["x", "y", "x", "y", "z"], [5, 4, 3, 5, 4])
    >>> model = cf.EASE(reg=1.0).fit(ratings)
    >>> ids, scores = model.recommend(given={"x": 5}, n=2)
    >>> ids.tolist(), scores.round(2).tolist()
    (['y', 'z'], [0.46, 0.0])
    """

    _state_class: ClassVar[type[State]] = EaseState

    ranks_by: ClassVar[str] = "preference"
    _worth_weight = 0.0

    def __init__(
        self,
        *,
        reg: float | None = None,
        values: str = "ratings",
        max_items: int | None = None,
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.reg = reg
        self.values = values
        self.max_items = max_items
        self.n_threads = n_threads
        self.verbose = verbose

    def _check_params(self) -> None:
        check_number("reg", self.reg, 0, open_low=True, none=True)
        check_choice("values", self.values, VALUES)
        check_number("max_items", self.max_items, 1, MOST, integer=True, none=True)

    def defaults_for(self, ratings: Ratings) -> dict[str, float]:
        """The penalty by the rule of the class."""
        return {"reg": usual_reg(ratings.n_users, len(ratings), self.values)}

    # ------------------------------------------------------------------ fitting

    def _index(self, train: Ratings) -> None:
        train.build_index(self.n_threads)

    def _fit(self, train: Ratings, context: FitContext) -> EaseState:
        rated = np.flatnonzero(train.item_counts)
        check_items(len(rated), self.max_items)
        chosen = rated
        if self.max_items is not None and self.max_items < len(rated):
            most = np.argsort(-train.item_counts[rated], kind="stable")[: self.max_items]
            chosen = np.sort(rated[most])
        reg = self.defaults_for(train)["reg"] if self.reg is None else float(self.reg)
        some = train if len(chosen) == train.n_items else of_items(train, chosen)
        weights = rating_weights(some.values, context.scale, self.values)
        gram = gram_matrix(some, weights, reg, self.n_threads)
        if not invert(gram, self.n_threads, context.verbose):
            raise ValueError(
                f"reg={reg:g} is too small for these ratings: X'X + reg I is singular to the precision of "
                "doubles"
            )
        errors = train.values - float(context.known["mean"])
        item_bias = damped_means(errors, train.item_codes, train.n_items, REG_ITEM)
        errors -= item_bias[train.item_codes]
        state: EaseState = context.state(
            EaseState,
            item_weights=item_weights(gram, len(chosen), self.n_threads),
            weighted_items=None if len(chosen) == train.n_items else chosen.astype(np.int32),
            user_bias=damped_means(errors, train.user_codes, train.n_users, REG_USER),
            item_bias=item_bias,
            values=self.values,
            reg=reg,
        )
        return state

    def _state_of_users(self, given: Ratings) -> EaseState:
        state: EaseState = self._state
        bias = None
        if state.item_bias is not None:
            rows = given.by_user
            users = np.repeat(np.arange(given.n_users), np.diff(rows.indptr))
            bias = self._user_bias(users, rows.indices, rows.values, given.n_users)
        return state.with_users(user_bias=bias, **user_fields(given))

    def _user_bias(self, users: Array, items: Array, values: Array, n_users: int) -> Array:
        """Biases of users from ratings; those of a user are in the order of items."""
        state: EaseState = self._state
        assert state.item_bias is not None
        return damped_means(values - state.mean - state.item_bias[items], users, n_users, REG_USER)

    # ------------------------------------------------------------------ explaining

    def _contributions(self, user: int, item: int, origin: Any) -> Contributions | None:
        state: EaseState = self._state
        if state.user_bias is None or state.item_bias is None:
            return None
        return bias_contributions(state, user, REG_USER)

    def _preference_contributions(self, user: int, item: int, origin: Any) -> Contributions | None:
        state: EaseState = self._state
        if state.positions is not None and state.positions[item] < 0:
            return None
        codes, values = rated_by(state, user)
        effects = state.contributions(codes, values, item)
        return Contributions(state.item_ids[codes], values, effects, base=0.0)

    # ------------------------------------------------------------------ answers

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        state: EaseState = self._state
        scores = np.full(len(users), float(state.mean))
        for bias, codes in ((state.user_bias, users), (state.item_bias, items)):
            if bias is not None:
                scores += np.append(bias, 0.0)[codes]  # code -1 picks the 0
        return scores

    def _score_pair(self, user: int, item: int) -> float:
        state: EaseState = self._state
        if state.user_bias is None or state.item_bias is None:
            return super()._score_pair(user, item)
        return float(state.mean + np.float64(state.user_bias[user]) + state.item_bias[item])

    def _session_scores(self, session: Session) -> Array:
        state: EaseState = self._state
        scores = np.full(len(state.item_ids), float(state.mean))
        if state.item_bias is not None:
            rows = np.zeros(len(session.items), dtype=np.int32)
            scores += self._user_bias(rows, session.items, session.values, 1)[0]
            scores += state.item_bias
        return scores

    def _session_choices(self, session: Session) -> Array:
        state: EaseState = self._state
        return state.session_scores(session.items, session.values)

    def _choice_rows(self, users: Array) -> Array:
        state: EaseState = self._state
        return state.scores(users, self.n_threads)

    def _lists_per_call(self) -> int:
        state: EaseState = self._state
        if not state.lists_worth(self.n_threads):
            return 0
        return max(64, int(PRODUCTS_PER_CALL / max(state.products, 1)))

    def _best_by_preference(self, queries: ListQueries, order: ItemOrder, lists: TopLists) -> Array:
        state: EaseState = self._state
        state.best_lists(queries, order, lists, self.n_threads)
        # Items without weights come after all others: a list that has room for them is made anew.
        return lists.positions[:, -1] >= 0 if len(state.unweighted) else np.ones(lists.n_lists, dtype=bool)

    def _similarity(self, kind: str, code: int) -> Array:
        if kind != "item":
            return super()._similarity(kind, code)
        state: EaseState = self._state
        if state.positions is None:
            return np.asarray(state.item_weights[code], dtype=np.float64)
        row = np.full(len(state.item_ids), np.nan)
        if state.positions[code] >= 0:
            row[state.weighted_items] = state.item_weights[state.positions[code]]
        return row


def usual_reg(n_users: int, n_ratings: int, values: str) -> float:
    """The default of `reg`; see `EASE`."""
    reg = min(max(70 * n_users / max(n_ratings, 1) ** 0.5, 200.0), 500.0)
    return 2 * reg if values == "ones" else reg


def of_items(train: Ratings, items: Array) -> Ratings:
    """The ratings of some items, whose codes are positions in `items`, ascending."""
    positions = np.full(train.n_items, -1, dtype=np.int32)
    positions[items] = np.arange(len(items), dtype=np.int32)
    codes = positions[train.item_codes]
    kept = codes >= 0
    fields: tuple[Any, ...] = (train.user_codes[kept], codes[kept], train.values[kept], None)
    return from_fields(*fields, train.user_ids, train.item_ids[items], train.scale)
