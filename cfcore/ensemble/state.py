"""`EnsembleState`: fitted members; `BlendState`: and the weights of their predictions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cfcore.data.ids import are_strings
from cfcore.ensemble.weights import Weights
from cfcore.models.core.fields import PRODUCT, array, is_finite
from cfcore.models.core.model import Model
from cfcore.models.core.state import State

Array = np.ndarray[Any, Any]


def _are_numbers(named: Any) -> bool:
    return isinstance(named, Mapping) and all(is_finite(one, math.inf) for one in named.values())


@dataclass(frozen=True, eq=False, kw_only=True)
class EnsembleState(State):
    """State of a fitted model of models.

    Attributes
    ----------
    names : list of str
        Names of the members.
    members : tuple of Model
        Fitted. A file holds them beside the fields.
    """

    names: list[str]
    members: tuple[Model, ...] = ()

    def _verify(self) -> None:
        if not self.members:  # they are not in a file's fields
            return
        if len(self.members) != len(self.names):
            raise ValueError(f"members are {len(self.members)}, and names_ are {len(self.names)}")
        for name, member in zip(self.names, self.members, strict=True):
            for ids in ("user_ids_", "item_ids_"):
                own, inner = getattr(self, ids[:-1]), getattr(member, ids)
                if are_strings(own) != are_strings(inner):
                    raise ValueError(f"{ids} are strings in the ensemble or in member {name}, not in both")

    def public(self, name: str) -> Any:
        """The value that a model shows as ``name_``; KeyError if there is none."""
        if name == "members":  # as snapshots: an update of one does not reach the ensemble
            return [member.snapshot() for member in self.members]
        return super().public(name)

    def to_file(self) -> tuple[dict[str, Any], dict[str, Array | None]]:
        """Scalars and arrays, without the members, which the ensemble writes."""
        scalars, arrays = super().to_file()
        scalars.pop("members_")
        return scalars, arrays

    @cached_property
    def tables(self) -> list[dict[str, Array | None]]:
        """For each member and kind of id, a table from codes of the ensemble to codes of the member.

        Ids unknown to the member have -1, as has the last entry, for code -1. None stands for a table of
        equal codes that are all known.
        """
        return [{kind: self._table(member, kind) for kind in ("user", "item")} for member in self.members]

    def _table(self, member: Model, kind: str) -> Array | None:
        own = self.user_ids if kind == "user" else self.item_ids
        codes = member.encode_users(own) if kind == "user" else member.encode_items(own)
        if own is getattr(member, f"{kind}_ids_") and (codes >= 0).all():
            return None
        return np.append(codes, -1).astype(np.int32)

    def codes_of_member(self, k: int, users: Array, items: Array) -> tuple[Array, Array]:
        """Codes of users and items in member k."""
        of_users, of_items = self.tables[k]["user"], self.tables[k]["item"]
        return (
            users if of_users is None else of_users[users],
            items if of_items is None else of_items[items],
        )

    def member_similarities(self, k: int, kind: str, codes: Array) -> Array | None:
        """Similarities of items (users) to all by member k, NaN for unknown ones; None if it has none."""
        table = self.tables[k][kind]
        inner = codes if table is None else table[codes]
        known = inner >= 0
        try:
            similarities = self.members[k]._similarity_rows(kind, inner[known])
        except TypeError:
            return None
        rows = np.full((len(codes), similarities.shape[1] + 1), np.nan)  # the last column: unknown to it
        rows[known, :-1] = similarities
        return rows[:, :-1] if table is None else rows[:, table[:-1]]


@dataclass(frozen=True, eq=False, kw_only=True)
class BlendState(EnsembleState):
    """State of a fitted `Blend`; its fields are the attributes documented there."""

    weights: Array = array("float64", "n_features", "n_members", high=PRODUCT)
    intercepts: Array = array("float64", "n_features")
    feature_center: Array = array("float64", "n_extra", high=PRODUCT)
    feature_spread: Array = array("float64", "n_extra", low=1e-12, high=PRODUCT)
    reg: float
    oof: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)

    def _verify(self) -> None:
        n_features, n_extra = len(self.weights), len(self.feature_center)
        if n_features != n_extra + 1 or n_extra not in (0, 2):
            raise ValueError(f"weights_ are for {n_features} features, and feature_center_ for {n_extra} + 1")
        named = isinstance(self.names, list) and all(isinstance(name, str) for name in self.names)
        if not named or len(self.names) != self.weights.shape[1]:
            raise ValueError(f"names_ must be those of {self.weights.shape[1]} members, not {self.names!r}")
        if not (is_finite(self.reg, math.inf) and self.reg >= 0):
            raise ValueError(f"reg_ must be a number of at least 0, not {self.reg!r}")
        if not isinstance(self.oof, Mapping) or not all(map(_are_numbers, self.oof.values())):
            raise ValueError(f"oof_ must map measures to numbers by name, not {self.oof!r}")
        super()._verify()

    def member_scores(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions of each member for codes, not clipped: float64[n_members, n]."""
        predictions = np.empty((len(self.members), len(users)))
        for k, (row, member) in enumerate(zip(predictions, self.members, strict=True)):
            row[:] = member.score_codes(*self.codes_of_member(k, users, items), timestamps)
        return predictions

    def features(self, users: Array, items: Array, wanted: bool) -> Array:
        """Logarithms of 1 + numbers of ratings of users and items (unknown: 0); no rows if not `wanted`."""
        if not wanted:
            return np.empty((0, len(users)))
        # A last entry, for code -1.
        known = (np.append(self.user_counts, 0)[users], np.append(self.item_counts, 0)[items])
        return np.log1p(np.maximum(np.vstack(known), 0).astype(np.float64))

    def weights_of(self, users: Array, items: Array) -> tuple[Array, Array]:
        """Weights of the members for pairs of codes: float64[n_members, n], and intercepts: float64[n]."""
        rule = Weights(self.weights, self.intercepts, self.feature_center, self.feature_spread)
        extra = self.features(users, items, len(self.feature_center) > 0)
        features = np.vstack([np.ones(len(users)), *rule.scaled(extra)])
        return self.weights.T @ features, self.intercepts @ features

    def scores(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """The blended predictions for codes, not clipped: float64[n]."""
        rule = Weights(self.weights, self.intercepts, self.feature_center, self.feature_spread)
        predictions = self.member_scores(users, items, timestamps)
        return rule.combine(predictions, self.features(users, items, len(self.feature_center) > 0))

    def similarity_rows(self, kind: str, codes: Array) -> Array | None:
        """Similarities of items (users) to all, means over the members that have any; None if none has."""
        of_members = (self.member_similarities(k, kind, codes) for k in range(len(self.members)))
        found = [rows for rows in of_members if rows is not None]
        if not found:
            return None
        counts = np.sum([~np.isnan(one) for one in found], axis=0)
        total = np.nansum(found, axis=0)
        return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
