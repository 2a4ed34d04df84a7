"""`FactorState`: biases and factors of users and items, and what kernels and lists derive from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from cfcore.arrays import padded
from cfcore.kernels.records import Factors
from cfcore.models.core.fields import PRODUCT, array, is_finite
from cfcore.models.core.state import State

__all__ = ["FactorState", "norms"]

Array = np.ndarray[Any, Any]


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

    user_factors: Array = array("f", "n_users", "n_factors", high=PRODUCT)
    item_factors: Array = array("f", "n_items", "n_factors", high=PRODUCT)
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
        check_rates(self.rates)

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


def check_rates(rates: Any) -> None:
    """Raise ValueError unless rates are numbers by name."""
    if not isinstance(rates, Mapping) or not all(map(is_finite, rates.values())):
        raise ValueError(f"rates_ must map names to numbers, not {rates!r}")


def norms(rows: Array) -> Array:
    """Length of each row, in double."""
    return np.sqrt(np.einsum("nf,nf->n", rows, rows, dtype=np.float64))
