"""`ALSState`: the frozen state of `ALS`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from cfcore.arrays import as_padded
from cfcore.models.core.fields import PRODUCT, array
from cfcore.models.factorization.state import FactorState

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class ALSState(FactorState):
    """Biases and factors, sums over sets included, and the factors that are summed.

    Attributes
    ----------
    implicit_factors : ndarray of float32, shape (n_items, n_factors) or (n_items, 0)
        y of each item, which users' sets are sums of; without columns where users have no sets.
    implicit_user_factors : ndarray of float32, shape (n_users, n_factors) or (n_users, 0)
        w of each user, which items' sets are sums of, likewise.
    seen_weights : ndarray of float32, shape (n_seen,), or None
        Weights of the ratings; None where all are 1.
    """

    implicit_factors: Array = array("float32", "n_items", None, high=PRODUCT)
    implicit_user_factors: Array = array("float32", "n_users", None, high=PRODUCT)
    seen_weights: Array | None = array("float32", "n_seen", optional=True, low=0)

    _later: ClassVar[tuple[str, ...]] = (*FactorState._later, "seen_weights")

    def _verify(self) -> None:
        super()._verify()
        n_factors = self.item_factors.shape[1]
        for name in ("implicit_factors", "implicit_user_factors"):
            if getattr(self, name).shape[1] not in (n_factors, 0):
                raise ValueError(f"{name}_ must have {n_factors} columns or none")
        if self.seen_weights is not None and not (self.seen_weights > 0).all():
            raise ValueError("seen_weights_ must be positive")

    def member_rows(self, kind: str) -> Array:
        """The factors that the sets of users (or items) are sums of, in padded rows if there are any."""
        return self.item_members if kind == "user" else as_padded(self.implicit_user_factors)

    @cached_property
    def item_members(self) -> Array:
        """The y in padded rows."""
        return as_padded(self.implicit_factors)
