"""Explanations of models of models, from those of their members."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cfcore.ensemble.base import Ensemble
from cfcore.models.core.explaining import Contributions, Question
from cfcore.models.core.model import Array
from cfcore.models.core.preference import FLOOR

__all__ = ["ExplainedChoice", "ExplainedEnsemble", "ExplainedSum"]


class ExplainedEnsemble(Ensemble):
    """What explanations of all models of models have in common."""

    def _asked_alone(self) -> bool:
        return any(member._asked_alone() for member in self._state.members)

    def _of_member(
        self, k: int, origin: Any, user: int, items: Array, question: Question
    ) -> list[Contributions]:
        """The parts of the scores of member k."""
        if not len(items):
            return []
        users = np.full(len(items), user, dtype=np.int32)
        own, inner = self._state.codes_of_member(k, users, items)
        member, fitted = self._state.members[k], origin._state.members[k]
        found: list[Contributions] = member._explained(fitted, int(own[0]), inner, question)
        return found


class ExplainedSum(ExplainedEnsemble):
    """The prediction of a blend: the weighted sum of its members' parts."""

    def _explained(self, origin: Any, user: int, items: Array, question: Question) -> list[Contributions]:
        if question.by != "rating" or question.leave_one_out:
            return super()._explained(origin, user, items, question)
        state = self._state
        users = np.full(len(items), user, dtype=np.int32)
        weights, intercepts = state.weights_of(users, items)
        found = [self._of_member(k, origin, user, items, question) for k in range(len(state.members))]
        scores = self._scores_by(users, items, question)
        return [
            weighted(dict(zip(state.names, parts, strict=True)), of_members, intercept, float(score))
            for parts, of_members, intercept, score in zip(
                zip(*found, strict=True), weights.T, intercepts, scores, strict=True
            )
        ]


class ExplainedChoice(ExplainedEnsemble):
    """The prediction of a ranker, by its rater, and its preference: a choice times a power of a worth."""

    def _explained(self, origin: Any, user: int, items: Array, question: Question) -> list[Contributions]:
        if question.leave_one_out:
            return super()._explained(origin, user, items, question)
        chooser, rater = range(2)
        if question.by == "rating":
            return self._of_member(rater, origin, user, items, question)
        users = np.full(len(items), user, dtype=np.int32)
        scores = self._scores_by(users, items, question)
        choices = self._choice_rows(np.array([user], dtype=np.int32))[0][items].astype(np.float64)
        # Preferences of other choosers are no choices, and choices below the floor do not count.
        if self._state.members[chooser]._worth_weight != 0 or (choices <= FLOOR).any():
            return super()._explained(origin, user, items, question)
        found = self._of_member(chooser, origin, user, items, question)
        return [
            scaled(parts, score, float(choice))
            for parts, score, choice in zip(found, scores.tolist(), choices, strict=True)
        ]


def scaled(parts: Contributions, score: float, choice: float) -> Contributions:
    """The parts of a choice times its worth."""
    worth = score / choice
    base = None if parts.base is None else worth * parts.base
    members = {"chooser": choice, "rater": worth}
    return replace(
        parts, effects=worth * parts.effects, base=base, training=worth * parts.training, score=score,
        members=members,
    )  # fmt: skip


def weighted(
    found: dict[str, Contributions], weights: Array, intercept: float, score: float
) -> Contributions:
    """The parts of a weighted sum of scores of members, from those of each member."""
    parts, members, base = [], {}, float(intercept)
    for (name, one), weight in zip(found.items(), weights.tolist(), strict=True):
        own = one.score - float(one.effects.sum()) if one.base is None else one.base
        parts.append(replace(one, effects=weight * one.effects, training=weight * one.training))
        members[name] = weight * one.score
        base += weight * own
    members["intercept"] = float(intercept)
    return replace(summed(parts), base=base, score=score, members=members)


def summed(parts: list[Contributions]) -> Contributions:
    """The sums of the parts of several members."""
    items, at = np.unique(np.concatenate([one.items for one in parts]), return_inverse=True)
    effects = np.bincount(at, np.concatenate([one.effects for one in parts]), len(items))
    ratings = np.full(len(items), np.nan)
    values = np.concatenate([one.ratings for one in parts])
    ratings[at[~np.isnan(values)]] = values[~np.isnan(values)]
    neighbors = next((one.neighbors for one in parts if one.neighbors is not None), None)
    exact = all(one.exact for one in parts)
    training = sum(one.training for one in parts)
    return Contributions(items, ratings, effects, exact, training=training, neighbors=neighbors)
