"""`SVDppState`: the frozen state of SVD++, and what models with implicit terms have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from cfcore.arrays import padded
from cfcore.data import Ratings
from cfcore.data.ids import encode
from cfcore.kernels.records import ImplicitSets
from cfcore.models.core.fields import PRODUCT, array
from cfcore.models.factorization.implicit_terms import Term, stacked, summed_rows
from cfcore.models.factorization.joining import joined_rows, scattered
from cfcore.models.factorization.state import FactorState

Array = np.ndarray[Any, Any]

#: Fields that the sets of users follow from.
SETS = ("seen_indptr", "seen_items", "implicit_indptr", "implicit_items")


@dataclass(frozen=True, eq=False, kw_only=True)
class SVDppState(FactorState):
    """Biases, factors, implicit factors and the sets of items that they are summed over.

    Attributes
    ----------
    implicit_factors : ndarray, shape (n_implicit, n_factors)
        y: of the items, then of those that only `implicit` names.
    implicit_indptr, implicit_items : ndarray of int64, ndarray of int32, or None
        The sets N(u) in compressed rows of ascending codes; None where they are the items rated in training.
    extra_item_ids : ndarray or None
        Raw ids of the items that only `implicit` names.
    """

    implicit_factors: Array = array("f", "n_implicit", "n_factors", high=PRODUCT)
    implicit_indptr: Array | None = array("int64", "n_users + 1", optional=True, order="bounds of n_members")
    implicit_items: Array | None = array(
        "int32", "n_members", optional=True, low=0, high="n_implicit", rows="implicit_indptr"
    )
    extra_item_ids: Array | None = array("iuUO", None, optional=True, order="ascending")

    #: Whether passes over ratings train users' own factors.
    trains_users: ClassVar[bool] = True
    _derived: ClassVar[dict[str, tuple[str, ...]]] = {
        **FactorState._derived,
        "user_rows": ("user_factors", "implicit_factors", *SETS),
        "user_norms": ("user_factors", "implicit_factors", *SETS),
        "sets": ("implicit_factors", *SETS),
        "table": ("implicit_factors",),
    }

    def _verify(self) -> None:
        super()._verify()
        n_items, n_rows = len(self.item_ids), len(self.implicit_factors)
        n_extra = 0 if self.extra_item_ids is None else len(self.extra_item_ids)
        if n_rows != n_items + n_extra:
            raise ValueError(
                f"implicit_factors_ has {n_rows} rows; it should have one for each of the {n_items} items "
                f"and of the {n_extra} in extra_item_ids_"
            )
        if (self.implicit_indptr is None) != (self.implicit_items is None):
            raise ValueError("implicit_indptr_ and implicit_items_ must both be given, or neither")
        if self.extra_item_ids is not None and self.implicit_indptr is None:
            raise ValueError("extra_item_ids_ must be None where there is no implicit_indptr_")
        self.sets  # noqa: B018

    # ------------------------------------------------------------------ derived

    @property
    def member_rows(self) -> tuple[Array, Array]:
        """N(u) in compressed rows."""
        if self.implicit_indptr is None or self.implicit_items is None:
            return self.seen_indptr, self.seen_items
        return self.implicit_indptr, self.implicit_items

    @property
    def tables(self) -> tuple[str, ...]:
        """Fields that are the tables of factors of the implicit terms."""
        return ("implicit_factors",)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The implicit terms."""
        return (Term(*self.member_rows, len(self.implicit_factors)),)

    @cached_property
    def sets(self) -> ImplicitSets:
        """The sets of all terms, over `table`."""
        return stacked(self.terms)

    @cached_property
    def table(self) -> Array:
        """The factors of all terms, one table after the other, in padded rows."""
        held = [getattr(self, name) for name in self.tables]
        return padded(held[0] if len(held) == 1 else np.concatenate(held))

    @cached_property
    def user_rows(self) -> Array:
        """Users' factors plus the sums of their sets, in padded rows."""
        return summed_rows(self.sets, self.table, self.user_factors, None)

    def sum_up(self, n_threads: int | None) -> None:
        """Form the sums now, on some number of threads, unless they are there."""
        if "user_rows" not in vars(self):
            vars(self)["user_rows"] = summed_rows(self.sets, self.table, self.user_factors, n_threads)

    def completed(self, kind: str, codes: Array, factors: Array, bias: Array) -> Self:
        """As in `FactorState`; sums are formed anew for the users at `codes` alone."""
        state = super().completed(kind, codes, factors, bias)
        rows = vars(self).get("user_rows")
        if kind == "user" and rows is not None:
            rows[codes] = summed_rows(sets_of(self.sets, codes), self.table, factors[codes], 1)
            vars(state)["user_rows"] = rows
        return state

    # ------------------------------------------------------------------ ratings that come later

    def without_users(self, n: int = 0) -> Self:
        """As in `FactorState`."""
        state = super().without_users(n)
        return state if self.implicit_items is None else state.changed(implicit_items=self.implicit_items[:0])

    def _prior_rows(self, kind: str) -> Array:
        """As in `FactorState`; for users the sums over their sets are included."""
        return self.user_rows[:, : self.item_factors.shape[1]] if kind == "user" else self.item_factors

    def sums(self, kind: str, codes: Array) -> Array | float:
        """As in `FactorState`: the sums over the sets of users."""
        if kind == "item":
            return 0.0
        none = np.zeros((len(codes), self.user_factors.shape[1]), dtype=self.table.dtype)
        return summed_rows(sets_of(self.sets, codes), self.table, none, 1)[:, : none.shape[1]]

    def summed_row(self, members: Array, factors: Array) -> Array:
        """As in `FactorState`."""
        sets = ImplicitSets(np.array([0, len(members)]), members, len(self.implicit_factors))
        row: Array = summed_rows(sets, self.table, factors[None], 1)[0]
        return row

    def joined_sets(self, users_at: Array, items_at: Array, train: Ratings) -> dict[str, Any]:
        """Fields of sets and implicit factors, with `train`, in new codes, joined to them.

        `users_at` and `items_at` are the new codes of users and items.
        """
        fields: dict[str, Any] = {}
        factors_at, n_extra = items_at, 0
        if self.extra_item_ids is not None and self.implicit_indptr is not None:
            # An item that only `implicit` named may be rated now.
            extra_ids = np.setdiff1d(self.extra_item_ids, train.item_ids)
            extra_at = encode(train.item_ids, self.extra_item_ids, "items")
            n_extra = len(extra_ids)
            extra_at[extra_at < 0] = train.n_items + np.arange(n_extra)
            factors_at = np.append(items_at, extra_at)
            owners = np.repeat(np.arange(len(users_at)), np.diff(self.implicit_indptr))
            members = factors_at[self.implicit_items]
            members = members[np.lexsort((members, owners))]
            indptr, members, _ = joined_rows(
                self.implicit_indptr, members, users_at, train.n_users, train.user_codes, train.item_codes
            )
            fields = {"extra_item_ids": extra_ids, "implicit_indptr": indptr, "implicit_items": members}
        n_rows = train.n_items + n_extra
        if n_rows != len(self.implicit_factors) or not np.array_equal(factors_at, np.arange(n_rows)):
            fields["implicit_factors"] = scattered(self.implicit_factors, factors_at, n_rows)
        return fields


def sets_of(sets: ImplicitSets, users: Array) -> ImplicitSets:
    """The sets of some users."""
    sizes = np.diff(sets.indptr)[users]
    indptr = np.append(0, np.cumsum(sizes))
    at = np.repeat(sets.indptr[users] - indptr[:-1], sizes) + np.arange(indptr[-1])
    weights = None if sets.weights is None else sets.weights[at]
    return ImplicitSets(indptr, sets.members[at], sets.n_rows, weights)


def constant_fields(state: SVDppState, known: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a state that neither follow from the training ratings nor change in training."""
    changing = {*known, *live, "history", "n_epochs", "rates"}
    fields = state.array_fields() + state.scalar_fields()
    return {field.name: getattr(state, field.name) for field in fields if field.name not in changing}
