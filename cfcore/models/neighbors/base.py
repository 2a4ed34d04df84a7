"""`KNN`: the base of `ItemKNN` and `UserKNN`, one algorithm with the roles of users and items exchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from cfcore import backends
from cfcore.arrays import check_memory
from cfcore.data import Ratings
from cfcore.kernels.records import ItemOrder, ListQueries
from cfcore.models.core.explaining import Contributions, Question, rated_by
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.model import Array, Model
from cfcore.models.core.params import as_python, check_choice, check_flag, check_number
from cfcore.models.core.single import Session
from cfcore.models.neighbors.choices import choice_rows
from cfcore.models.neighbors.explaining import by_item, neighbors_of
from cfcore.models.neighbors.given import raters_of_session, with_compared_users, with_users
from cfcore.models.neighbors.leaving_out import LeftOut
from cfcore.models.neighbors.measures import MEASURES
from cfcore.models.neighbors.scoring import raters_of, scores_of_pairs
from cfcore.models.neighbors.state import NeighborState
from cfcore.models.neighbors.trainer import NeighborTrainer
from cfcore.models.neighbors.whole_rows import (
    has_whole_rows,
    is_exact,
    scores_for_list,
    scores_for_lists,
    scores_of_rows,
)

CENTERS = (None, "mean", "zscore", "baseline")

#: Up to so many items (users), "auto" keeps all their similarities: 1 GiB.
DENSE_LIMIT = 16_384
#: How many of each beyond that: 8 KB a row.
AUTO_ROWS = 1_000


class KNN(Model):
    """Base of `ItemKNN` and `UserKNN`.

    Targets are of the kind `_state_class.kind` and compared with each other. Holders are of the other kind:
    the users who rated the items, or the items that the users rated.
    """

    _state_class: ClassVar[type[NeighborState]]

    similarity: str
    n_neighbors: int | None
    center: str | None
    shrinkage: float | None
    min_support: int
    no_overlap: float
    positive_only: bool
    damping: float | None
    power: float | None
    reg_user: float
    reg_item: float
    storage: str | int
    n_threads: int | None
    verbose: int

    #: Power where None was given and the centre is the baseline; 1 around anything else.
    _tuned_power: ClassVar[float]

    @staticmethod
    def _tuned_damping(n_ratings: int) -> float:
        """Damping where None was given and the centre is the baseline; 0 around anything else."""
        raise NotImplementedError

    def _store(self, arguments: dict[str, Any]) -> None:
        """Set the hyper-parameters: the arguments of ``__init__``."""
        vars(self).update((name, as_python(value)) for name, value in arguments.items() if name != "self")

    def _check_params(self) -> None:
        check_choice("similarity", self.similarity, MEASURES)
        check_choice("center", self.center, CENTERS)
        check_number("n_neighbors", self.n_neighbors, 1, integer=True, none=True)
        check_number("min_support", self.min_support, 0, integer=True)
        check_number("no_overlap", self.no_overlap, -1, 1)
        check_flag("positive_only", self.positive_only)
        for name in ("reg_user", "reg_item"):
            check_number(name, getattr(self, name), 0)
        check_number("shrinkage", self.shrinkage, 0, none=True)
        check_number("damping", self.damping, 0, none=True)
        check_number("power", self.power, 0, open_low=True, none=True)
        if isinstance(self.storage, str):
            check_choice("storage", self.storage, ("auto", "dense"))
        else:
            check_number("storage", self.storage, 1, integer=True)

    # ------------------------------------------------------------------ fitting

    def _index(self, train: Ratings) -> None:
        train.build_index(self.n_threads)

    def _fit(self, train: Ratings, context: FitContext) -> NeighborState:
        return self.trainer(train, context).run()

    def trainer(self, train: Ratings, context: FitContext) -> NeighborTrainer:
        """The trainer of a fit, which can also compare a part of the items (users)."""
        return NeighborTrainer(self, train, context)

    def defaults_for(self, ratings: Ratings) -> dict[str, float]:
        """Damping and power by the rule of the class, and the shrinkage of the similarity."""
        rule = self.rule_for(ratings)
        return {
            "shrinkage": self.shrinkage_or_default(),
            **{name: rule[name] for name in ("damping", "power")},
        }

    def shrinkage_or_default(self) -> float:
        """The hyper-parameter, or the default of the similarity."""
        if self.shrinkage is not None:
            return float(self.shrinkage)
        return MEASURES[self.similarity].shrinkage

    def rule_for(self, train: Ratings) -> dict[str, Any]:
        """How a model fitted to these ratings predicts: `NeighborState.rule`."""
        damping, power = 0.0, 1.0
        if self.center == "baseline":
            damping, power = self._tuned_damping(len(train)), self._tuned_power
        return {
            "additive": self.center == "baseline",
            "n_neighbors": 0 if self.n_neighbors is None else int(self.n_neighbors),
            "damping": damping if self.damping is None else float(self.damping),
            "power": power if self.power is None else float(self.power),
            "positive_only": bool(self.positive_only),
        }

    def n_kept(self, n_targets: int) -> int | None:
        """How many similarities of each target are kept; None for all."""
        kind = self._state_class.kind
        asked = f"storage={self.storage!r}: the similarities of {n_targets:,} {kind}s"
        if self.storage == "dense" or (self.storage == "auto" and n_targets <= DENSE_LIMIT):
            check_memory(4 * n_targets**2, f"{asked} (an int keeps so many of the nearest)")
            return None
        if self.no_overlap != 0:
            raise ValueError(
                f"storage must be 'dense' for no_overlap={self.no_overlap} and {n_targets} {kind}s"
            )
        wanted = AUTO_ROWS if isinstance(self.storage, str) else int(self.storage)
        kept = min(wanted, max(n_targets - 1, 1))
        check_memory(8 * n_targets * kept, f"{asked}, {kept:,} of each,")
        return kept

    # ------------------------------------------------------------------ ratings given with a question

    def _state_of_users(self, given: Ratings) -> NeighborState:
        if self._state.kind == "item":
            return with_users(self._state, given, self.center, self.reg_user, self._shrinks_few)
        return with_compared_users(self, self._state, given)

    # ------------------------------------------------------------------ explaining

    def _asked_alone(self) -> bool:
        kind: str = self._state.kind
        return kind == "user"

    def _contributions(self, user: int, item: int, origin: Any) -> Contributions | None:
        if self._state.kind == "user":
            return None
        similarity = self.similarity_row("item", item) if item >= 0 else np.zeros(0)
        return by_item(self._state, user, item, similarity)

    def _explained(self, origin: Any, user: int, items: Array, question: Question) -> list[Contributions]:
        state: NeighborState = self._state
        if state.kind == "item" or question.by != "rating" or user < 0:
            return super()._explained(origin, user, items, question)
        if question.leave_one_out or state.seen_values is None or self.no_overlap != 0:
            found = super()._explained(origin, user, items, question)
        else:
            found = self._compared_without(origin, user, items, question)
        similarity = self.similarity_row("user", user)
        return [
            replace(parts, neighbors=neighbors_of(state, user, int(item), similarity))
            for parts, item in zip(found, items, strict=True)
        ]

    def _compared_without(
        self, origin: Any, user: int, items: Array, question: Question
    ) -> list[Contributions]:
        """Effects by comparing a user without each rating, means and biases being held."""
        codes, values = rated_by(self._state, user)
        scores, bases = (
            model._scores_by(np.full(len(items), code, dtype=np.int32), items, question)
            for model, code in ((self, user), (origin, -1))
        )
        effects = LeftOut(self, user).effects(items).T
        return [
            Contributions(self._state.item_ids[codes], values, own, False, float(base), float(score))
            for own, base, score in zip(effects, bases, scores, strict=True)
        ]

    # ------------------------------------------------------------------ predicting

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        state: NeighborState = self._state
        return scores_of_pairs(state, raters_of(state), users, items, self.n_threads)

    def _scores_for_lists(
        self, users: Array, times: Array | None, order: ItemOrder, queries: ListQueries, n: int
    ) -> Array:
        state: NeighborState = self._state
        if not has_whole_rows(state):
            return super()._scores_for_lists(users, times, order, queries, n)
        return scores_for_lists(state, users, order, queries, n, self.n_threads)

    def _choice_rows(self, users: Array) -> Array:
        return choice_rows(self._state, users)

    # ------------------------------------------------------------------ answers for one user

    def _best_of_user(
        self, user: int, order: ItemOrder, excluded: Array, listed: Array, scores: Array
    ) -> None:
        state: NeighborState = self._state
        if not has_whole_rows(state):
            return super()._best_of_user(user, order, excluded, listed, scores)
        found = scores_for_list(state, raters_of(state), user, order, excluded, len(listed), self.n_threads)
        backends.kernel("top_n.single").best_of_scores(found, order, excluded, listed, scores)

    def _session_scores(self, session: Session) -> Array | None:
        state: NeighborState = self._state
        if state.kind != "item":
            return None
        raters = raters_of_session(state, session, self.center, self.reg_user)
        if has_whole_rows(state) and is_exact(state, raters.rated):
            return scores_of_rows(state, raters, np.zeros(1, dtype=np.int32), self.n_threads)[0]
        items = np.arange(len(state.item_ids), dtype=np.int32)
        return scores_of_pairs(state, raters, np.zeros_like(items), items, self.n_threads)

    def _best_of_session(
        self, session: Session, order: ItemOrder, excluded: Array, listed: Array, scores: Array
    ) -> bool:
        state: NeighborState = self._state
        if not has_whole_rows(state):
            return super()._best_of_session(session, order, excluded, listed, scores)
        raters = raters_of_session(state, session, self.center, self.reg_user)
        found = scores_for_list(state, raters, 0, order, excluded, len(listed), self.n_threads)
        backends.kernel("top_n.single").best_of_scores(found, order, excluded, listed, scores)
        return True

    # ------------------------------------------------------------------ similar users and items

    def _similarity_rows(self, kind: str, codes: Array) -> Array:
        state: NeighborState = self._state
        if kind != state.kind:
            super()._similarity(kind, 0)  # raises
        if state.neighbors is None:
            return state.similarity[codes].astype(np.float64)
        rows = np.full((len(codes), len(state.similarity)), np.nan)
        at, kept = np.nonzero(state.neighbors[codes] >= 0)
        rows[at, state.neighbors[codes[at], kept]] = state.similarity[codes[at], kept]
        return rows
