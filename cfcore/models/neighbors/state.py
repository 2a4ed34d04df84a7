"""`NeighborState`: similarities, deviations and centres of a fitted neighbourhood model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from cfcore.kernels.records import NearestRows, PredictionRule, RatingRows, SimilarityMatrix
from cfcore.models.core.fields import PRODUCT, SUM, array, check_rows, is_finite
from cfcore.models.core.state import State
from cfcore.models.neighbors.choices import CoRatings

__all__ = ["ItemNeighborState", "NeighborState", "UserNeighborState"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class NeighborState(State):
    """What `ItemKNN` and `UserKNN` fit. Targets are compared with each other; holders are of the other kind.

    Attributes
    ----------
    similarity : ndarray of float32, shape (n_targets, n_targets) or (n_targets, n_kept)
        NaN means: no neighbour.
    neighbors : ndarray of int32, shape (n_targets, n_kept), or None
        Codes of the targets whose similarities are kept, -1 where there are fewer; None where all are.
    holder_indptr, holder_targets : ndarray of int64, ndarray of int32, or None
        Targets of each holder (compressed rows); None if holders are users, whose rows are those of
        `seen_items`.
    deviations : ndarray of float32, shape (n_ratings,)
        Of the ratings in these rows from the centre, over the spread.
    user_centers, item_centers : ndarray of float64, shape (n_users + 1,), (n_items + 1,)
        The last is for the unknown.
    spreads : ndarray of float64, shape (n_targets + 1,), or None
        Standard deviation of each target, for z-scores.
    user_trust : ndarray of float64, shape (n_users + 1,), or None
        Weight of the predictions of each user beside those of unknown users, in states for users whose
        ratings are given with a question; None: 1.
    rule : dict
        ``additive`` (the centre is the mean plus both centres), and the fields of `PredictionRule`.
    """

    similarity: Array = array("f", "n_targets", None, high=PRODUCT, order="nan")
    neighbors: Array | None = array("int32", "n_targets", "n_kept", optional=True, low=-1, high="n_targets")
    holder_indptr: Array | None = array("int64", None, optional=True, order="bounds of n_ratings")
    holder_targets: Array | None = array("int32", "n_ratings", optional=True, low=0, high="n_targets")
    deviations: Array = array("f", "n_ratings", high=PRODUCT)
    user_centers: Array = array("float64", "n_users + 1")
    item_centers: Array = array("float64", "n_items + 1")
    spreads: Array | None = array("float64", "n_targets + 1", optional=True, high=PRODUCT)
    user_trust: Array | None = array("float64", "n_users + 1", optional=True, low=0, high=1)
    rule: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    _later: ClassVar[tuple[str, ...]] = (*State._later, "user_trust")

    #: The kind of the targets. (Without an annotation, which would make it a field.)
    kind = ""

    def verified(self) -> Self:
        """As in `State`; the shape of the similarities first, as other fields have codes of their rows."""
        self._check_similarities(self._numbers[0])
        return super().verified()

    def _verify(self) -> None:
        n_targets, n_holders = self._numbers
        self._check_holders(n_targets, n_holders)
        wanted = {"additive", *(field.name for field in dataclasses.fields(PredictionRule))}
        if not isinstance(self.rule, Mapping) or set(self.rule) != wanted:
            raise ValueError(f"rule_ must have the keys {', '.join(sorted(wanted))}, not {self.rule!r}")
        for name in ("additive", "positive_only"):
            if not isinstance(self.rule[name], bool):
                raise ValueError(f"rule_: {name} must be true or false, not {self.rule[name]!r}")
        for name in ("n_neighbors", "damping", "power"):
            if not is_finite(self.rule[name]):
                raise ValueError(f"rule_: {name} must be a number, not {self.rule[name]!r}")
        self._prediction_rule(self.rule["n_neighbors"])
        self.is_symmetric  # noqa: B018
        largest = float(np.fmax.reduce(np.abs(self.similarity), axis=None, initial=0.0))
        if largest > 1 and self.rule["power"] * math.log(largest) > math.log(SUM):
            raise ValueError(
                f"rule_: power {self.rule['power']} of a similarity_ of {largest:g} is too large"
            )

    def _check_similarities(self, n_targets: int) -> None:
        shape = (n_targets, n_targets) if self.neighbors is None else self.neighbors.shape
        if self.similarity.shape != shape or len(self.similarity) != n_targets:
            raise ValueError(
                f"similarity_ has shape {self.similarity.shape}; it should be "
                f"({n_targets}, {n_targets if self.neighbors is None else 'n_kept'}), one row for each "
                f"{self.kind}"
            )
        for name in ("similarity", "deviations"):
            held = getattr(self, name)
            if held.dtype != np.float32:
                raise ValueError(
                    f"{name}_ must be of float32, not {held.dtype}: pass {name}.astype(np.float32)"
                )

    def _check_holders(self, n_targets: int, n_holders: int) -> None:
        indptr, targets = self._holder_rows
        if (self.holder_indptr is None) != (self.kind == "item"):
            needed = "must be None" if self.kind == "item" else "is needed"
            raise ValueError(f"holder_indptr_ {needed} where {self.kind}s are compared")
        if len(indptr) != n_holders + 1 or len(targets) != len(self.deviations):
            raise ValueError(
                f"deviations_ must be of {len(targets)} ratings, and those be in {n_holders} rows"
            )
        check_rows("holder_indptr_", indptr, "holder_targets_", targets, n_targets)

    def to_file(self) -> tuple[dict[str, Any], dict[str, Array | None]]:
        """Scalars and arrays, under the names of the model's attributes."""
        scalars, arrays = super().to_file()
        if self.user_trust is None:
            arrays.pop("user_trust_")
        return scalars, arrays

    @property
    def _numbers(self) -> tuple[int, int]:
        """Numbers of targets and of holders."""
        users, items = len(self.user_ids), len(self.item_ids)
        return (items, users) if self.kind == "item" else (users, items)

    @property
    def _holder_rows(self) -> tuple[Array, Array]:
        """Bounds and targets of the rows of holders."""
        if self.holder_indptr is None or self.holder_targets is None:
            return self.seen_indptr, self.seen_items
        return self.holder_indptr, self.holder_targets

    # ------------------------------------------------------------------ derived

    @cached_property
    def rated(self) -> RatingRows:
        """The deviations by holder, as the kernels take them."""
        indptr, targets = self._holder_rows
        return RatingRows(
            np.ascontiguousarray(indptr, dtype=np.int64),
            np.ascontiguousarray(targets, dtype=np.int32),
            np.ascontiguousarray(self.deviations),
            len(self.similarity),
        )

    @cached_property
    def compared(self) -> SimilarityMatrix | NearestRows:
        """The similarities, as the kernels take them."""
        similarity = np.ascontiguousarray(self.similarity)
        if self.neighbors is None:
            return SimilarityMatrix(similarity)
        return NearestRows(np.ascontiguousarray(self.neighbors, dtype=np.int32), similarity)

    @cached_property
    def is_symmetric(self) -> bool:
        """Whether the similarities of all pairs are kept, and the same in both directions; a fit says so."""
        if self.neighbors is not None:
            return False
        bits, step = np.ascontiguousarray(self.similarity).view(np.uint32), 256
        return all(
            np.array_equal(bits[k : k + step, k:], bits[k:, k : k + step].T)
            for k in range(0, len(bits), step)
        )

    @cached_property
    def co_ratings(self) -> CoRatings:
        """The training ratings, by which users are told to choose items."""
        return CoRatings(self)

    def rule_for(self, lengths: Array) -> PredictionRule:
        """The rule, as the kernels take it: 0 neighbours, which means all, where no holder has more.

        `lengths` are the numbers of ratings of the holders.
        """
        n_neighbors = self.rule["n_neighbors"]
        return self._prediction_rule(0 if n_neighbors >= lengths.max(initial=0) else n_neighbors)

    def _prediction_rule(self, n_neighbors: int) -> PredictionRule:
        rule = self.rule
        return PredictionRule(n_neighbors, rule["damping"], rule["power"], rule["positive_only"])


class ItemNeighborState(NeighborState):
    """Items are compared; holders are users."""

    kind = "item"

    def remaining(self, kept: Array) -> Self:
        """As in `State`; similarities stay, which are sums over all users of the fit."""
        rated = np.repeat(kept, np.diff(self.seen_indptr))
        return dataclasses.replace(super().remaining(kept), deviations=self.deviations[rated])


class UserNeighborState(NeighborState):
    """Users are compared; holders are items."""

    kind = "user"

    def remaining(self, kept: Array) -> Self:
        """As in `State`; the users are no longer compared with others, and their ratings are not held."""
        assert self.holder_indptr is not None
        assert self.holder_targets is not None
        codes = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1).astype(np.int32)  # the last is for -1
        rated = kept[self.holder_targets]
        n_before = np.append(0, np.cumsum(rated))[self.holder_indptr]
        fields: dict[str, Any] = {
            "holder_indptr": n_before.astype(np.int64), "holder_targets": codes[self.holder_targets[rated]],
            "deviations": self.deviations[rated],
        }  # fmt: skip
        if self.neighbors is None:
            fields["similarity"] = self.similarity[np.ix_(kept, kept)]
        else:
            near = codes[self.neighbors[kept]]
            fields |= {"neighbors": near, "similarity": np.where(near < 0, np.nan, self.similarity[kept])}
            # Those that are left come first, as they did.
            order = np.argsort(near < 0, axis=1, kind="stable")
            for name in ("neighbors", "similarity"):
                fields[name] = np.take_along_axis(fields[name], order, axis=1)
        if self.spreads is not None:
            fields["spreads"] = self.spreads[np.append(kept, True)]
        return dataclasses.replace(super().remaining(kept), **fields)
