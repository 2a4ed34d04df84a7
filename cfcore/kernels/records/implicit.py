"""Records of the models with implicit terms, which are trained user batch by user batch; those of SVD++."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore.kernels.records.base import (
    FLOATING,
    Array,
    Record,
    array,
    check_codes,
    check_compressed,
    check_row_length,
    check_span,
    check_written,
    dimension,
    integer,
    real,
)
from cfcore.kernels.records.factorization import RATING, Factors

__all__ = [
    "UserBatchLayout",
    "UserBatchScratch",
    "UserBatchVisits",
    "ImplicitRows",
    "ImplicitSets",
    "SVDppFactors",
    "SVDppRates",
    "check_user_batches",
    "check_cuts",
    "check_sums",
]


@dataclass(frozen=True, eq=False, repr=False)
class ImplicitSets(Record):
    """The sets N(u): of each user the members, rows of a table of factors y, and their weights.

    s_u = sum of w_uj y_j over j in N(u). Sets of several terms (items rated, items seen, features of the
    user) are one set over one table, in which the rows of the terms follow each other.

    Attributes
    ----------
    indptr, members : int64[n_users + 1], int32[n_members]
        N(u) is ``members[indptr[u]:indptr[u + 1]]``, ascending, each in [0, n_rows).
    n_rows : int
        Rows of the table.
    weights : float32[n_members] or None
        w_uj, which are finite. None: |N(u)|^-1/2 for all members of N(u).
    """

    indptr: Array = array("int64", "n_users + 1")
    members: Array = array("int32", "n_members")
    n_rows: int = integer(0, 2**31 - 1)
    weights: Array | None = array("float32", "n_members", optional=True)
    n_users: int = dimension()
    n_members: int = dimension()

    def _check(self) -> None:
        check_compressed(self._name("indptr"), self.indptr, self.n_members)
        check_codes(self._name("members"), self.members, self.n_rows)
        follows = np.flatnonzero(self.members[1:] <= self.members[:-1]) + 1
        bad = follows[self.indptr[np.searchsorted(self.indptr, follows)] != follows]
        if bad.size:
            user = int(np.searchsorted(self.indptr, bad[0], side="right")) - 1
            raise ValueError(f"{self._name('members')} of user {user} are not ascending")
        if self.weights is not None and not np.isfinite(self.weights).all():
            bad_weight = int((~np.isfinite(self.weights)).argmax())
            raise ValueError(f"{self._name('weights')} holds {self.weights[bad_weight]} at {bad_weight}")


@dataclass(frozen=True, eq=False, repr=False)
class ImplicitRows(Record):
    """A table of implicit factors, and the sums s_u over them.

    Attributes
    ----------
    table : float32 or float64 [n_rows, width]
        y; rows padded with zeros to a multiple of 64 bytes.
    sums : same dtype [n_users, width]
    """

    table: Array = array(FLOATING, "n_rows", "width")
    sums: Array = array(FLOATING, "n_users", "width", written=True)
    n_rows: int = dimension()
    n_users: int = dimension()
    width: int = dimension()

    def _check(self) -> None:
        check_row_length(self._name("table"), self.width, self.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class UserBatchLayout(Record):
    """Training ratings in user batches, each cut into blocks of a stripe of users x a stripe of items.

    Attributes
    ----------
    ratings, block_ptr : RATING[n], int64[n_blocks + 1]
        As in `BlockLayout`, by whose `lay_out` they are filled: block b is
        ``ratings[block_ptr[b]:block_ptr[b + 1]]``, b = user stripe * n_item_stripes + item stripe.
    stripe_ptr : int32[n_stripes + 1]
        User stripe s has the users ``stripe_ptr[s]`` to ``stripe_ptr[s + 1]``, the latter not included.
        n_stripes / n_batches user stripes after each other are a batch.
    user_counts : int64[n_users]
        Ratings of each user: how often the implicit factors of N(u) decay in an epoch.
    parts : int32[n_parts + 1]
        Rows of the table ``parts[k]`` to ``parts[k + 1]`` are summed and written by one thread at a time.
    cuts : int64[n_users, n_parts + 1]
        From `cut_sets`: position in ``ImplicitSets.members`` of the first member of N(u) that is not below
        each of `parts`.
    n_item_stripes, n_batches : int
    """

    ratings: Array = array(RATING, "n")
    block_ptr: Array = array("int64", "n_blocks + 1")
    stripe_ptr: Array = array("int32", "n_stripes + 1")
    user_counts: Array = array("int64", "n_users")
    parts: Array = array("int32", "n_parts + 1")
    cuts: Array = array("int64", "n_users", "n_parts + 1", written=True)
    n_item_stripes: int = integer(1, 2**31 - 1)
    n_batches: int = integer(1, 2**31 - 1)
    n: int = dimension()
    n_blocks: int = dimension()
    n_stripes: int = dimension()
    n_users: int = dimension()
    n_parts: int = dimension()

    @property
    def batch_stripes(self) -> int:
        """User stripes of a batch."""
        return self.n_stripes // self.n_batches

    @property
    def batch_blocks(self) -> int:
        """Blocks of a batch."""
        return self.n_blocks // self.n_batches

    @property
    def batch_users(self) -> int:
        """Users of the largest batch."""
        return int(np.diff(self.stripe_ptr[:: self.batch_stripes]).max())

    def _check(self) -> None:
        if self.n_stripes < 1 or self.n_stripes % self.n_batches:
            raise ValueError(f"{self._name('stripe_ptr')} must have n_batches * user stripes + 1 entries")
        if self.n_blocks != self.n_stripes * self.n_item_stripes:
            raise ValueError(f"{self._name('block_ptr')} must have user stripes * n_item_stripes + 1 entries")
        check_compressed(self._name("stripe_ptr"), self.stripe_ptr, self.n_users)
        check_compressed(self._name("block_ptr"), self.block_ptr, self.n)
        if self.n_parts < 1:
            raise ValueError(f"{self._name('parts')} must have n_parts + 1 entries")
        check_compressed(self._name("parts"), self.parts, int(self.parts[-1]))


@dataclass(frozen=True, eq=False, repr=False)
class UserBatchVisits(Record):
    """The order in which user batches, and in each the blocks, are worked on.

    Attributes
    ----------
    batches : int32[n_visits]
    order : int32[n_visits, batch_blocks]
        Numbers of blocks within the batch. The result is that of working through them one after the other.
    starts : int64[n_blocks]
        Position inside each block, taken modulo its length, at which its sweep begins.
    """

    batches: Array = array("int32", "n_visits")
    order: Array = array("int32", "n_visits", "batch_blocks")
    starts: Array = array("int64", "n_blocks")
    n_visits: int = dimension()
    batch_blocks: int = dimension()
    n_blocks: int = dimension()

    def _check(self) -> None:
        check_codes(self._name("order"), self.order, self.batch_blocks)
        if self.n_blocks and self.starts.min() < 0:
            raise ValueError(f"{self._name('starts')} must not be negative")


@dataclass(frozen=True, eq=False, repr=False)
class UserBatchScratch(Record):
    """What a pass over user batches writes beside the parameters.

    Attributes
    ----------
    sums, first_sums : float32 or float64 [n_users, width]
        s_u, and s_u at the beginning of the batch.
    partial_sums : same dtype [batch_users, n_parts, width]
    kept, gains : same dtype [n_users]
        The part of y that is left after all decays of the user, and c_u = sum of squared weights.
    squares : float64[n_blocks]
        Sum of squared errors of each block visited, each error taken before its rating's step.
    schedule : int32[n_scheduled, 3]
        A row for each visit of a block.
    latest : int32[n_visits, stripes of a batch: of items, of users]
    claims : int32[n_visits + 1, n_parts]
    """

    sums: Array = array(FLOATING, "n_users", "width", written=True)
    first_sums: Array = array(FLOATING, "n_users", "width", written=True)
    partial_sums: Array = array(FLOATING, "batch_users", "n_parts", "width", written=True)
    kept: Array = array(FLOATING, "n_users", written=True)
    gains: Array = array(FLOATING, "n_users", written=True)
    squares: Array = array("float64", "n_blocks", written=True)
    schedule: Array = array("int32", "n_scheduled", 3, written=True)
    latest: Array = array("int32", "n_visits", "n_stripes", written=True)
    claims: Array = array("int32", "n_visits + 1", "n_parts", written=True)
    n_users: int = dimension()
    width: int = dimension()
    batch_users: int = dimension()
    n_parts: int = dimension()
    n_blocks: int = dimension()
    n_scheduled: int = dimension()
    n_visits: int = dimension()
    n_stripes: int = dimension()


@dataclass(frozen=True, eq=False, repr=False)
class SVDppFactors(Factors):
    """Parameters of SVD++: mean + b_u + b_i + q_i . (p_u + sum of w_uj y_j over j in N(u)).

    Attributes
    ----------
    user_factors, item_factors, user_bias, item_bias, mean
        As in `Factors`.
    implicit_factors : float32 or float64 [n_implicit, width]
        y: the table of the sets.
    """

    implicit_factors: Array = array(FLOATING, "n_implicit", "width", written=True)
    n_implicit: int = dimension()


@dataclass(frozen=True, eq=False, repr=False)
class SVDppRates(Record):
    """Steps of stochastic gradient descent on the parameters of SVD++.

    Attributes
    ----------
    lr, reg : float
        Of p and q.
    lr_bias, reg_bias, lr_implicit, reg_implicit : float
        Of the biases, and of y.
    lr_user : float, optional
        Of p, if other than `lr`: 0 for a model in which p is 0.
    """

    lr: float = real(0)
    reg: float = real(0)
    lr_bias: float = real(0)
    reg_bias: float = real(0)
    lr_implicit: float = real(0)
    reg_implicit: float = real(0)
    lr_user: float = real(0, default=None)

    def __post_init__(self) -> None:
        if vars(self)["lr_user"] is None:
            object.__setattr__(self, "lr_user", self.lr)
        super().__post_init__()


def check_user_batches(
    layout: UserBatchLayout,
    sets: ImplicitSets,
    parameters: Any,
    visits: UserBatchVisits,
    scratch: UserBatchScratch,
    span: tuple[int, int],
) -> None:
    """Raise ValueError unless the records given to `train` fit together, and span is within the visits."""
    check_written((parameters, scratch), (layout, sets, visits))
    # Arrays may have changed since their records were made. (Codes of ratings, days and sets are checked
    # where they are used.)
    UserBatchLayout._check(layout)
    visits._check()
    check_compressed("train: sets.indptr", sets.indptr, sets.n_members)
    if {layout.n_users, sets.n_users, scratch.n_users} != {parameters.n_users}:
        raise ValueError("train: layout, sets, parameters and scratch must be of the same number of users")
    if {sets.n_rows, int(layout.parts[-1])} != {parameters.n_implicit}:
        raise ValueError("train: sets and layout.parts must be of the rows of implicit_factors")
    if layout.n and not (parameters.n_users and parameters.n_items):
        raise ValueError("train: there are ratings, but no users or no items")
    if scratch.dtype != parameters.dtype or scratch.width != parameters.width:
        raise ValueError("train: scratch must be of the dtype and row length of the factors")
    if visits.n_blocks != layout.n_blocks or scratch.n_blocks != layout.n_blocks:
        raise ValueError("train: visits.starts and scratch.squares must have one entry a block")
    if visits.batch_blocks != layout.batch_blocks:
        raise ValueError("train: rows of visits.order must have an entry for each block of a batch")
    check_span("train", span, visits.n_visits, "visits")
    if scratch.n_scheduled < visits.n_visits * visits.batch_blocks:
        raise ValueError("train: scratch.schedule must have a row for each visit of a block")
    n_stripes = layout.n_item_stripes + layout.batch_stripes
    if scratch.n_visits < visits.n_visits or scratch.n_stripes != n_stripes:
        raise ValueError("train: scratch.latest must have an entry for each visit and each stripe of a batch")
    if scratch.batch_users < layout.batch_users or scratch.n_parts != layout.n_parts:
        raise ValueError("train: scratch.partial_sums must have rows for each user of a batch and each part")
    check_codes("train: visits.batches", visits.batches, layout.n_batches)


def check_sums(sets: ImplicitSets, rows: ImplicitRows) -> None:
    """Raise ValueError unless the records given to `implicit_sums` fit together."""
    check_written((rows,), (sets,))
    check_compressed("implicit_sums: sets.indptr", sets.indptr, sets.n_members)
    if rows.n_users != sets.n_users or rows.n_rows != sets.n_rows:
        raise ValueError("implicit_sums: rows must have a sum for each user, and a table of sets.n_rows")


def check_cuts(sets: ImplicitSets, layout: UserBatchLayout) -> None:
    """Raise ValueError unless the records given to `cut_sets` fit together."""
    check_written((layout,), (sets,))
    check_compressed("cut_sets: sets.indptr", sets.indptr, sets.n_members)
    if layout.n_users != sets.n_users or layout.parts[-1] != sets.n_rows:
        raise ValueError("cut_sets: layout must be of the users and of the table's rows of sets")
