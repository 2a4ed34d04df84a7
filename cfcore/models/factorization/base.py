"""`FactorModel`: what models of biases and factors have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros, check_memory, row_length
from cfcore.data import Ratings
from cfcore.kernels.records import Factors, ItemOrder
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.model import Array
from cfcore.models.core.single import Session
from cfcore.models.core.state import State
from cfcore.models.factorization.fallback import with_shifts
from cfcore.models.factorization.leaving_out import state_without_each
from cfcore.models.factorization.sessions import row_of_session
from cfcore.models.factorization.state import FactorState
from cfcore.models.factorization.update import Updatable
from cfcore.threads import threads_worth

__all__ = ["FactorModel", "first_factors", "or_mean", "predicted"]


class FactorModel(Updatable):
    """Base of models that predict mean + biases + a product of a user's and an item's factors."""

    _state_class: ClassVar[type[State]] = FactorState

    #: Models that can do without biases have a hyper-parameter of this name.
    biased: bool = True
    n_factors: int
    n_epochs: int | None
    n_threads: int | None

    def _index(self, train: Ratings) -> None:
        # Ratings are laid out from their columns: at 100 million, by_user would take 400 MB more.
        train.rows_by_user  # noqa: B018

    def _record(self) -> Factors:
        """Factors and biases by which known users and items are predicted."""
        record: Factors = self._state.factors if self.biased else self._state.unbiased_factors
        return record

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        out = predicted(users, items, self._record(), self.n_threads)
        if not self.biased:
            out = or_mean(out, users, items, self._state.mean)
        return with_shifts(out, users, items, self._state, self.n_threads)

    def _products(self) -> Factors | None:
        record = self._record()
        return Factors(
            record.user_factors, record.item_factors, record.user_bias, record.item_bias, record.mean
        )

    def _state_without_each(self, own: Ratings) -> State | None:
        return state_without_each(self, own)

    # ------------------------------------------------------------------ answers for one user

    def _row_of_session(self, session: Session) -> tuple[Array, float] | None:
        """What `_row_of_user` returns, for the user of a session; None for the general way."""
        return row_of_session(self._state.primed, self._record(), session, self.biased)

    def _row_of_user(self, user: int) -> tuple[Array, float]:
        """A user's padded row, and the sum of mean and bias, of which scores are made."""
        record = self._record()
        return record.user_factors[user], record.mean + float(record.user_bias[user])

    def _score_pair(self, user: int, item: int) -> float:
        found: float = backends.kernel("top_n.single").score_pair(self._record(), user, item)
        return found

    def _scores_of_user(self, user: int) -> Array:
        return self._scores_of_row(*self._row_of_user(user))

    def _best_of_user(
        self, user: int, order: ItemOrder, excluded: Array, listed: Array, scores: Array
    ) -> None:
        self._best_of_row(*self._row_of_user(user), order, excluded, listed, scores)

    def _session_scores(self, session: Session) -> Array | None:
        found = self._row_of_session(session)
        return None if found is None else self._scores_of_row(*found)

    def _best_of_session(
        self, session: Session, order: ItemOrder, excluded: Array, listed: Array, scores: Array
    ) -> bool:
        found = self._row_of_session(session)
        if found is None:
            return False
        self._best_of_row(*found, order, excluded, listed, scores)
        return True

    def _best_of_row(
        self, row: Array, base: float, order: ItemOrder, excluded: Array, listed: Array, scores: Array
    ) -> None:
        record = self._record()
        layout = self._state.item_layouts.layout_for_one(record, order)
        if layout is None:
            kernel = backends.kernel("top_n.single")
            kernel.best_of_row(row, base, record, order, excluded, listed, scores)
            return
        panels = layout.item_panels
        scratch = np.empty(2 * record.width + panels.n_tail, dtype=np.float32)
        kernel = backends.kernel("top_n.bounded")
        kernel.best_of_panels(row, base, record, panels, excluded, listed, scores, scratch)
        ends = listed < 0
        np.take(order.items, listed, out=listed, mode="clip")
        listed[ends] = -1

    def _scores_of_row(self, row: Array, base: float) -> Array:
        record = self._record()
        scores = np.empty(record.n_items)
        backends.kernel("top_n.single").score_row(row, base, record, scores)
        return scores

    # ------------------------------------------------------------------ similar users and items

    def _similarity_rows(self, kind: str, codes: Array) -> Array:
        """Cosines of factors; NaN for factors of length 0."""
        rows, lengths = getattr(self._state, f"{kind}_rows"), getattr(self._state, f"{kind}_norms")
        # Padded rows are aligned alike after a fit and after loading, so that BLAS rounds alike; and one row
        # at a time, so that it rounds alike however many are asked for.
        products = np.empty((len(codes), len(rows)), dtype=rows.dtype)
        for product, code in zip(products, codes, strict=True):
            np.matmul(rows, rows[code], out=product)
        both = np.outer(lengths[codes], lengths)
        return np.divide(products, both, out=np.full(both.shape, np.nan), where=lengths > 0)


def predicted(users: Array, items: Array, factors: Factors, n_threads: int | None) -> Array:
    """Predictions for codes, -1 being unknown."""
    out = np.empty(len(users))
    n_threads = threads_worth(n_threads, len(users) * factors.width)
    backends.kernel("factorization.svd").predict(users, items, factors, out, n_threads)
    return out


def or_mean(predictions: Array, users: Array, items: Array, mean: float) -> Array:
    """Predictions of factors alone, in place: the mean for pairs with an unknown user or item."""
    predictions[(users < 0) | (items < 0)] = mean
    return predictions


def first_factors(
    counts: Array, n_factors: int, dtype: str, scale: float, draw: Callable[..., Array]
) -> Array:
    """Rows of random factors, padded with zeros; zeros for rows without ratings."""
    needed = 2 * len(counts) * n_factors * np.dtype(dtype).itemsize
    check_memory(needed, f"n_factors={n_factors}: the factors of {len(counts):,} users or items")
    factors = aligned_zeros(len(counts), row_length(n_factors, dtype), dtype)
    drawn = draw((len(counts), n_factors), dtype=factors.dtype.type)
    np.multiply(drawn, factors.dtype.type(scale), out=factors[:, :n_factors])
    factors[counts == 0] = 0
    return factors


def state_of(context: FitContext, kind: type[FactorState], rows: Mapping[str, Array], **fields: Any) -> Any:
    """The state of a fit; rows of its factors that are padded already, by the names of cached properties."""
    state = context.state(kind, **fields)
    for name, padded_rows in rows.items():
        if np.may_share_memory(padded_rows, fields[name.replace("rows", "factors")]):
            vars(state)[name] = padded_rows
    return state
