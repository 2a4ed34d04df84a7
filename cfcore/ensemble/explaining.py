"""`ExplainedByMembers`: the prediction of a blend as the weighted sum of its members' explanations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cfcore.ensemble.state import BlendState
from cfcore.models.core.explaining import Contributions, Question
from cfcore.models.core.model import Array, Model

__all__ = ["ExplainedByMembers", "summed"]


class ExplainedByMembers(Model):
    """Explanations of a model whose score is a weighted sum of those of its members."""

    def _asked_alone(self) -> bool:
        state: BlendState = self._state
        return any(member._asked_alone() for member in state.members)

    def _explained(self, origin: Any, user: int, items: Array, question: Question) -> list[Contributions]:
        if question.by != "rating" or question.leave_one_out:
            return super()._explained(origin, user, items, question)
        state: BlendState = self._state
        users = np.full(len(items), user, dtype=np.int32)
        weights, intercepts = state.weights_of(users, items)
        found = []
        for member, fitted, tables in zip(state.members, origin._state.members, state.tables, strict=True):
            own, inner = (
                codes if table is None else table[codes]
                for codes, table in ((users[:1], tables["user"]), (items, tables["item"]))
            )
            found.append(member._explained(fitted, int(own[0]), inner, question) if len(items) else [])
        scores = self._scores_by(users, items, question)
        return [
            weighted(dict(zip(state.names, parts, strict=True)), of_members, intercept, float(score))
            for parts, of_members, intercept, score in zip(
                zip(*found, strict=True), weights.T, intercepts, scores, strict=True
            )
        ]


def weighted(
    found: dict[str, Contributions], weights: Array, intercept: float, score: float
) -> Contributions:
    """The parts of a weighted sum of scores of members, from those of each member."""
    parts, members, base = [], {}, float(intercept)
    for (name, one), weight in zip(found.items(), weights.tolist(), strict=True):
        own = one.score - float(one.effects.sum()) if one.base is None else one.base
        parts.append(replace(one, effects=weight * one.effects))
        members[name] = weight * one.score
        base += weight * own
    members["intercept"] = float(intercept)
    return replace(summed(parts), base=base, score=score, members=members)


def summed(parts: list[Contributions]) -> Contributions:
    """The sums of the effects that several members see in each item."""
    items, at = np.unique(np.concatenate([one.items for one in parts]), return_inverse=True)
    effects = np.bincount(at, np.concatenate([one.effects for one in parts]), len(items))
    ratings = np.full(len(items), np.nan)
    values = np.concatenate([one.ratings for one in parts])
    ratings[at[~np.isnan(values)]] = values[~np.isnan(values)]
    neighbors = next((one.neighbors for one in parts if one.neighbors is not None), None)
    return Contributions(items, ratings, effects, all(one.exact for one in parts), neighbors=neighbors)
