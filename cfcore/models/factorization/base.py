"""`FactorModel` and `FactorState`: what models of biases and factors have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros, padded, row_length
from cfcore.data import Ratings
from cfcore.kernels.records import Factors
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.model import Array
from cfcore.models.core.state import State, array
from cfcore.models.factorization.update import Updatable
from cfcore.models.recommend.item_layout import Products
from cfcore.threads import threads_worth

__all__ = ["FactorModel", "FactorState", "first_factors", "predicted"]


@dataclass(frozen=True, eq=False, kw_only=True)
class FactorState(State):
    """Biases and factors of users and items.

    Attributes
    ----------
    user_factors, item_factors : ndarray, shape (n_users, n_factors), (n_items, n_factors)
        Without padding. float32 or float64, as the biases.
    user_bias, item_bias : ndarray, shape (n_users,), (n_items,)
        Zeros if they are not given.
    rates : dict of str to float
        Learning rates of the last epoch, and regularisation: what `fold_in` and `partial_fit` go by.
    """

    user_factors: Array = array("f", "n_users", "n_factors")
    item_factors: Array = array("f", "n_items", "n_factors")
    user_bias: Array = array("f", "n_users", optional=True)
    item_bias: Array = array("f", "n_items", optional=True)
    rates: Mapping[str, float] = dataclasses.field(default_factory=dict)

    #: Cached properties, and the fields that each of them follows from.
    _derived: ClassVar[dict[str, tuple[str, ...]]] = {
        "user_rows": ("user_factors",),
        "item_rows": ("item_factors",),
        "user_norms": ("user_factors",),
        "item_norms": ("item_factors",),
    }

    def __post_init__(self) -> None:
        for kind in ("user", "item"):
            factors = getattr(self, f"{kind}_factors")
            if getattr(self, f"{kind}_bias") is None and isinstance(factors, np.ndarray):
                object.__setattr__(self, f"{kind}_bias", np.zeros(len(factors), dtype=factors.dtype))
        super().__post_init__()

    def _verify(self) -> None:
        dtype = self.item_factors.dtype
        for field in self.array_fields():
            held = getattr(self, field.name)
            if field.metadata["kinds"] != "f" or held is None:
                continue
            if held.dtype != dtype or dtype not in (np.float32, np.float64):
                raise ValueError(
                    f"{field.name}_ is of {held.dtype} and item_factors_ of {dtype}; all parameters must be "
                    f"of float32, or all of float64: pass {field.name}.astype(np.float32)"
                )
            if not np.isfinite(held).all():
                raise ValueError(f"{field.name}_ holds numbers that are not finite")

    def changed(self, **fields: Any) -> Self:
        """Another state with some fields changed, unchecked; derived rows of the other fields are kept."""
        state = dataclasses.replace(self, **fields)
        for name, sources in self._derived.items():
            if name in vars(self) and not any(source in fields for source in sources):
                vars(state)[name] = vars(self)[name]
        return state

    def completed(self, kind: str, codes: Array, factors: Array, bias: Array) -> Self:
        """The state with factors and biases of the users (or items) `codes`, for which this one has zeros."""
        return self.changed(**{f"{kind}_factors": factors, f"{kind}_bias": bias})

    # ------------------------------------------------------------------ derived

    @cached_property
    def user_rows(self) -> Array:
        """Factors of users in padded rows, as the kernels read them."""
        return padded(self.user_factors)

    @cached_property
    def item_rows(self) -> Array:
        """Factors of items in padded rows."""
        return padded(self.item_factors)

    @cached_property
    def factors(self) -> Factors:
        """The kernel's record, the mean being its constant term."""
        return self._record(self.mean)

    @cached_property
    def unbiased_factors(self) -> Factors:
        """The kernel's record with the constant term 0."""
        return self._record(0.0)

    def _record(self, constant: float) -> Factors:
        user_bias, item_bias = (np.ascontiguousarray(bias) for bias in (self.user_bias, self.item_bias))
        return Factors(self.user_rows, self.item_rows, user_bias, item_bias, constant)

    @cached_property
    def user_norms(self) -> Array:
        """Length of each user's padded row, in double."""
        return norms(self.user_rows)

    @cached_property
    def item_norms(self) -> Array:
        """Length of each item's padded row."""
        return norms(self.item_rows)


class FactorModel(Updatable):
    """Base of models that predict mean + biases + a product of a user's and an item's factors."""

    _state_class: ClassVar[type[State]] = FactorState

    #: Models that can do without biases have a hyper-parameter of this name.
    biased: bool = True
    n_factors: int
    n_epochs: int | None
    n_threads: int | None

    def _index(self, train: Ratings) -> None:
        # Ratings are laid out from their columns: at 100 million, by_user would take 800 MB.
        train.items_by_user  # noqa: B018

    def _record(self) -> Factors:
        """Factors and biases by which known users and items are predicted."""
        record: Factors = self._state.factors if self.biased else self._state.unbiased_factors
        return record

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        return predicted(users, items, self._record(), self.n_threads)

    def _products(self) -> Products | None:
        record = self._record()
        return Products(
            record.user_factors, record.item_factors, record.user_bias, record.item_bias, record.mean
        )

    def _similarity(self, kind: str, code: int) -> Array:
        """Cosine of factors; NaN for factors of length 0."""
        # Padded rows are aligned alike after a fit and after loading, so that BLAS rounds alike.
        rows, lengths = getattr(self._state, f"{kind}_rows"), getattr(self._state, f"{kind}_norms")
        products = (rows @ rows[code]).astype(np.float64)
        return np.divide(products, lengths * lengths[code], out=np.full(len(rows), np.nan), where=lengths > 0)


def predicted(users: Array, items: Array, factors: Factors, n_threads: int | None) -> Array:
    """Predictions for codes, -1 being unknown."""
    out = np.empty(len(users))
    n_threads = threads_worth(n_threads, len(users) * factors.width)
    backends.kernel("factorization.svd").predict(users, items, factors, out, n_threads)
    return out


def norms(rows: Array) -> Array:
    """Length of each row, in double."""
    return np.sqrt(np.einsum("nf,nf->n", rows, rows, dtype=np.float64))


def first_factors(
    counts: Array, n_factors: int, dtype: str, scale: float, draw: Callable[..., Array]
) -> Array:
    """Rows of random factors, padded with zeros; zeros for rows without ratings."""
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
