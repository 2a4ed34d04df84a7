"""`FactorState`: biases and factors of users and items, and what kernels and lists derive from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from cfcore.arrays import as_padded
from cfcore.kernels.records import Factors
from cfcore.models.core.fields import PRODUCT, array, is_finite
from cfcore.models.core.noise import error_variance
from cfcore.models.core.state import State, read_only
from cfcore.models.factorization.fallback import mean_row, mean_shifts
from cfcore.models.factorization.ridge import RowPrior, is_positive_definite, row_prior

__all__ = ["FactorState", "norms"]

Array = np.ndarray[Any, Any]

#: Fields of priors and noise, which a state has once ratings came after its fit.
PRIORS = (
    "user_prior_mean", "user_prior_covariance", "item_prior_mean", "item_prior_covariance", "noise_variance",
)  # fmt: skip


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
        Learning rates of the last epoch, and regularisation: what `partial_fit` goes by.
    user_prior_mean, item_prior_mean : ndarray of float64, shape (n_factors + 1,), or None
        Mean of the rows of the users (or items) in the fit, each counted once for each of its ratings:
        factors, and then the bias with which the mean over the training ratings is the mean rating. Once
        ratings come after the fit, it is kept: rows of few ratings, which are close to it, would change it.
    user_prior_covariance, item_prior_covariance : ndarray of float64, shape (n_factors + 1, n_factors + 1)
        Their covariance around this mean, counted likewise, or None.
    noise_variance : float or None
        Expected squared error of a new rating, kept likewise.
    item_shift, user_level : ndarray of float64, shape (n_items,), and float; or None
        For users whose ratings came with a question: predictions for unknown users less mean and bias of each
        item, and the constant of predictions for unknown items, both of the fit (see `fallback`). None where
        they follow from the users of the state.
    """

    user_factors: Array = array("f", "n_users", "n_factors", high=PRODUCT)
    item_factors: Array = array("f", "n_items", "n_factors", high=PRODUCT)
    user_bias: Array = array("f", "n_users", optional=True)
    item_bias: Array = array("f", "n_items", optional=True)
    rates: Mapping[str, float] = dataclasses.field(default_factory=dict)
    user_prior_mean: Array | None = array("float64", "user_row", optional=True)
    user_prior_covariance: Array | None = array("float64", "user_row", "user_row", optional=True)
    item_prior_mean: Array | None = array("float64", "item_row", optional=True)
    item_prior_covariance: Array | None = array("float64", "item_row", "item_row", optional=True)
    noise_variance: float | None = None
    item_shift: Array | None = array("float64", "n_items", optional=True)
    user_level: float | None = None

    _later: ClassVar[tuple[str, ...]] = (*State._later, *PRIORS, "item_shift", "user_level")
    #: Dimensions that there are none of without users.
    _user_dimensions: ClassVar[tuple[str, ...]] = ("n_users", "n_seen")
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
        self._verify_priors()

    def _verify_priors(self) -> None:
        noise = self.noise_variance
        if noise is not None and not (is_finite(noise) and noise > 0):
            raise ValueError(f"noise_variance_ must be a positive number or None, not {noise!r}")
        if self.user_level is not None and not is_finite(self.user_level):
            raise ValueError(f"user_level_ must be a number or None, not {self.user_level!r}")
        for kind in ("user", "item"):
            mean, covariance = (getattr(self, f"{kind}_prior_{what}") for what in ("mean", "covariance"))
            if (mean is None) != (covariance is None):
                raise ValueError(
                    f"{kind}_prior_mean_ and {kind}_prior_covariance_ must both be given, or neither"
                )
            if mean is None:
                continue
            size = self.item_factors.shape[1] + 1
            if len(mean) != size:
                raise ValueError(f"{kind}_prior_mean_ must have {size} numbers, not {len(mean)}")
            symmetric = np.array_equal(covariance, covariance.T)
            if not symmetric or not is_positive_definite(covariance):
                raise ValueError(f"{kind}_prior_covariance_ must be symmetric and positive definite")

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

    # ------------------------------------------------------------------ ratings that come later

    @cached_property
    def primed(self) -> Self:
        """The state with priors and noise of ratings that come later, which are found unless it has them."""
        if self.user_prior_mean is not None and self.item_prior_mean is not None:
            return self
        from threadpoolctl import threadpool_limits

        noise = error_variance(self.history, self.n_epochs, self.scale)
        fields: dict[str, Any] = {"noise_variance": noise}
        for kind in ("user", "item"):
            counts, bias = getattr(self, f"{kind}_counts"), getattr(self, f"{kind}_bias")
            known = counts > 0
            with threadpool_limits(1, user_api="blas"):
                prior = row_prior(
                    self._prior_rows(kind)[known], bias[known], noise, counts[known], self._prior_mean(kind)
                )
            fields[f"{kind}_prior_mean"] = read_only(prior.mean)
            fields[f"{kind}_prior_covariance"] = read_only(prior.covariance)
        return self.changed(**fields)

    def prior_fields(self) -> dict[str, Any]:
        """The fields that `with_priors` sets."""
        return {name: getattr(self, name) for name in PRIORS}

    def prior(self, kind: str, biased: bool) -> RowPrior:
        """The prior of rows of users or items, of a state that has it; without the bias if there is none."""
        mean, covariance = (getattr(self, f"{kind}_prior_{what}") for what in ("mean", "covariance"))
        size = len(mean) if biased else len(mean) - 1
        return RowPrior(mean[:size], covariance[:size, :size])

    def mean_factors(self, kind: str) -> Array:
        """Mean factors of the users (or items), each counted once for each of its ratings."""
        kept: Array | None = getattr(self, f"{kind}_prior_mean")
        return (self._mean_row(kind) if kept is None else kept)[:-1]

    def _mean_row(self, kind: str) -> Array:
        bias, counts = getattr(self, f"{kind}_bias"), getattr(self, f"{kind}_counts")
        return mean_row(self._prior_rows(kind), bias, counts)

    def _prior_mean(self, kind: str) -> Array:
        """The mean row of users (or items), with the bias that gives the mean rating on average."""
        own, other = self._mean_row(kind), self._mean_row("item" if kind == "user" else "user")
        own[-1] = -(other[-1] + float((own[:-1] * other[:-1]).sum()))
        return own

    def shift(self, kind: str, n_threads: int | None) -> Array:
        """What is added to mean and bias of each item (user) where the user (item) is unknown: float64[n]."""
        if kind == "item" and self.item_shift is not None:
            return self.item_shift
        return self.shifts(n_threads)[kind][0] + self.level(kind, n_threads)

    def level(self, kind: str, n_threads: int | None) -> float:
        """The constant in `shift`, with which the mean over the training ratings is the mean rating."""
        if kind == "user" and self.user_level is not None:
            return self.user_level
        return self.shifts(n_threads)[kind][1]

    def shifts(self, n_threads: int | None) -> dict[str, tuple[Array, float]]:
        """`mean_shifts`, which are formed once."""
        if "mean_shifts" not in vars(self):
            vars(self)["mean_shifts"] = mean_shifts(self, n_threads)
        found: dict[str, tuple[Array, float]] = vars(self)["mean_shifts"]
        return found

    def replaced(self, **changes: Any) -> Self:
        """Another state with some fields changed; what was derived from others is forgotten."""
        if changes.keys() - {"scale", "column_names", "history"}:
            changes = {"item_shift": None, "user_level": None, **changes}
        return super().replaced(**changes)

    @cached_property
    def user_prior(self) -> RowPrior:
        """The prior of users' rows with a bias, for users who come one by one."""
        return self.prior("user", True)

    @cached_property
    def unbiased_user_prior(self) -> RowPrior:
        """The prior of users' rows without a bias."""
        return self.prior("user", False)

    def without_users(self, n: int = 0) -> Self:
        """The state of the items alone, and of `n` users who rated nothing, whose parameters are zeros."""
        sizes = {**dict.fromkeys(self._user_dimensions, 0), "n_users": n, "n_users + 1": n + 1}
        fields: dict[str, Any] = {"user_ids": np.arange(n)} if n else {}
        for field in self.array_fields():
            held, first = getattr(self, field.name), field.metadata["shape"][0]
            if held is not None and first in sizes and field.name not in fields:
                fields[field.name] = np.zeros((sizes[first], *held.shape[1:]), dtype=held.dtype)
        return self.changed(**fields)

    def _prior_rows(self, kind: str) -> Array:
        """What takes the place of factors in the rows of the prior."""
        factors: Array = getattr(self, f"{kind}_factors")
        return factors

    def summed_row(self, members: Array, factors: Array) -> Array:
        """The padded row of a user with these factors who rated the items `members`, sums included."""
        row = np.zeros(self.item_rows.shape[1], dtype=self.item_rows.dtype)
        row[: len(factors)] = factors
        return row

    def sums(self, kind: str, codes: Array) -> Array | float:
        """What is added to the factors of users (or items) in their products; 0 for none."""
        return 0.0

    # ------------------------------------------------------------------ derived

    @cached_property
    def user_rows(self) -> Array:
        """Factors of users in padded rows, as the kernels read them."""
        return as_padded(self.user_factors)

    @cached_property
    def item_rows(self) -> Array:
        """Factors of items in padded rows."""
        return as_padded(self.item_factors)

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
