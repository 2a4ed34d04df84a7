"""`BayesianState`: the frozen state of `BayesianSVD`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from cfcore.arrays import as_padded
from cfcore.data.features import check_encoding, encoding_names
from cfcore.data.times import UNITS
from cfcore.kernels.records import Factors, FactorSamples
from cfcore.models.core.fields import PRODUCT, array, is_finite
from cfcore.models.core.ids import Ids
from cfcore.models.core.state import State
from cfcore.models.factorization.base import predicted
from cfcore.models.factorization.bayesian_diagnostics import NO_DRAWS, Diagnostics
from cfcore.models.factorization.state import norms
from cfcore.models.factorization.user_sessions import Sessions

__all__ = ["BayesianState", "scores"]

Array = np.ndarray[Any, Any]

#: Fields of the features of users, and of items, after "user_" and "item_".
FEATURES = (
    "featured", "feature_effects", "feature_factors", "feature_indptr", "feature_indices", "feature_weights",
)  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class BayesianState(State):
    """Samples of the factors of users and items, side by side in one row, and means of biases.

    The product of two rows is the mean of the samples' products. The last row of users, and of items, is that
    of the unknown.

    Attributes
    ----------
    user_factors, item_factors : ndarray of float32, shape (n_users + 1, n_columns), (n_items + 1, n_columns)
        Columns are sample by sample. Those of users are means given the sample of the items, in the unit of
        the ratings over the number of samples; those of items are samples.
    user_bias, item_bias : ndarray of float32, shape (n_users + 1,), (n_items + 1,)
        Means over all sweeps after the burn-in, in the unit of the ratings.
    session_lengths : ndarray of int64, shape (n_lengths,)
        In seconds; empty without sessions.
    session_indptr, session_numbers : ndarray of int64, shape (n_users + 1,), (n_sessions,)
        As of `Sessions`.
    session_bias : ndarray of float32, shape (n_sessions,)
        Means likewise.
    session_slope, session_variance : ndarray of float32, shape (n_sessions,)
        Of the sum of a user's bias and those of a session and of all that contain it: slope in the user's
        bias, and variance over the sweeps around this line, in squares of the unit of the ratings.
    user_draws : ndarray of float32, shape (n_users + 1, n_columns)
        What the draws of users' rows add to the means, over `spread`.
    unknown_item : ndarray of float32, shape (n_columns,)
        What draws of an item from the prior add to the last row of `item_factors`, over `spread`.
    implicit_factors : ndarray of float32, shape (n_items, n_columns) or (n_items, 0)
        Samples of the y, for users that come with their ratings.
    user_biases, item_biases : ndarray of float32, shape (n_users + 1, n_kept), (n_items + 1, n_kept)
        Samples of the biases, over `spread`.
    user_bias_draws : ndarray of float32, shape (n_users + 1, n_kept), or None
        What draws add to `user_biases` where these are means: of users that come with their ratings.
    user_weights : ndarray of float32, shape (n_users + 1, n_kept)
        Samples of what multiplies the noise's precision for each user.
    prior_means, prior_precisions : ndarray of float64, (n_kept, n_factors), (n_kept, n_factors, n_factors)
        Of users' rows in each sample, over `spread`.
    precisions : ndarray of float64, shape (n_kept, 3 + n_lengths)
        In each sample: of the noise, of users' biases, of items' biases, and of the biases of sessions of
        each length, in units of 1 / spread².
    user_featured, item_featured : ndarray of bool, shape (n_users,), (n_items,), or None
        Which have features; such users and items are known without ratings. None without features, as are
        the next two.
    user_feature_effects, item_feature_effects : ndarray of float32, shape (n_features + 1,)
        Means of the effects on biases, in the unit of the ratings; the last is the bias without features.
    user_feature_factors, item_feature_factors : ndarray of float32, shape (n_features + 1, n_columns)
        Samples of the effects on rows, in the units of `user_factors` and `item_factors`; the last are those
        of the mean of the prior without features.
    user_feature_indptr, user_feature_indices, user_feature_weights : int64, int32, float32, or None
        Features of each user, as compressed rows; of items likewise.
    user_encoding, item_encoding : tuple of dict
        As of `Features`; empty without features.
    noise_precision : float
        Mean precision of the noise, in the unit of the ratings.
    spread : float
        Standard deviation of the training ratings, which is the unit of the samples.
    weighted : bool
        Whether the training ratings had weights.
    time_unit : int
        How many of the unit of the training timestamps make a second.
    levels : ndarray of float64, shape (n_levels,), or None
        The different training ratings; None if there are more than 256.
    n_levels : int
        Their number, 0 without: what tells that levels of a file are all there.
    cut_points : ndarray of float64, shape (n_kept, n_levels - 1), or None
        Samples of the cut points of an ordered probit, in the unit of the latent ratings' noise.
    sample : int
        Of a state of one of the samples: its number, from 1 on, negative where what draws add is subtracted.
        Of others 0.
    n_samples : int
        Sweeps of each chain that predictions are means over, at least; 0 for parameters of other origin.
    diagnostics : Diagnostics
        Of no draws for parameters of other origin.
    seen_times : ndarray of int64, shape (n_seen,), or None
        Times of the training ratings in seconds, in the order of ``seen_items``, where there are sessions; 8
        bytes a rating, which `fold_in` and `partial_fit` read.
    seen_weights : ndarray of float32, shape (n_seen,), or None
        Weights of the training ratings, in the order of ``seen_items``; None where all are 1.
    item_members : ndarray of float32, shape (n_users, n_chains * n_factors), or None
        The w of the last sweep, over `spread`, from which `partial_fit` goes on, as from the next two.
    item_precisions : ndarray of float64, shape (n_kept, n_factors, n_factors), or None
        Of the items' rows in the prior, over `spread`, for new items and `partial_fit`.
    chain_scalars : ndarray of float64, shape (n_chains, 3), or None
        Factors on the precisions of the y and of the w, and shape of the users' noise precisions.
    """

    user_factors: Array = array("float32", "n_users + 1", "n_columns", high=PRODUCT)
    item_factors: Array = array("float32", "n_items + 1", "n_columns", high=PRODUCT)
    user_bias: Array = array("float32", "n_users + 1")
    item_bias: Array = array("float32", "n_items + 1")
    session_lengths: Array = array("int64", "n_lengths", low=1)
    session_indptr: Array = array("int64", "n_users + 1", order="bounds of n_sessions")
    session_numbers: Array = array("int64", "n_sessions", rows="session_indptr")
    session_bias: Array = array("float32", "n_sessions")
    session_slope: Array = array("float32", "n_sessions", high=PRODUCT)
    session_variance: Array = array("float32", "n_sessions", low=0)
    user_draws: Array = array("float32", "n_users + 1", "n_columns", high=PRODUCT)
    unknown_item: Array = array("float32", "n_columns", high=PRODUCT)
    implicit_factors: Array = array("float32", "n_items", None, high=PRODUCT)
    user_biases: Array = array("float32", "n_users + 1", "n_kept", high=PRODUCT)
    item_biases: Array = array("float32", "n_items + 1", "n_kept", high=PRODUCT)
    user_bias_draws: Array | None = array("float32", "n_users + 1", "n_kept", optional=True, high=PRODUCT)
    user_weights: Array = array("float32", "n_users + 1", "n_kept", low=0, high=PRODUCT)
    prior_means: Array = array("float64", "n_kept", "n_factors", high=PRODUCT)
    prior_precisions: Array = array("float64", "n_kept", "n_factors", "n_factors", high=PRODUCT)
    precisions: Array = array("float64", "n_kept", None, low=0, high=PRODUCT)
    seen_times: Array | None = array("int64", "n_seen", optional=True)
    seen_weights: Array | None = array("float32", "n_seen", optional=True, low=0)
    item_members: Array | None = array("float32", "n_users", None, optional=True, high=PRODUCT)
    item_precisions: Array | None = array(
        "float64", "n_kept", "n_factors", "n_factors", optional=True, high=PRODUCT
    )
    chain_scalars: Array | None = array("float64", "n_chains", 3, optional=True, low=0, high=PRODUCT)
    user_featured: Array | None = array("b", "n_users", optional=True)
    item_featured: Array | None = array("b", "n_items", optional=True)
    user_feature_effects: Array | None = array("float32", "n_user_features + 1", optional=True)
    item_feature_effects: Array | None = array("float32", "n_item_features + 1", optional=True)
    user_feature_factors: Array | None = array(
        "float32", "n_user_features + 1", "n_columns", optional=True, high=PRODUCT
    )
    item_feature_factors: Array | None = array(
        "float32", "n_item_features + 1", "n_columns", optional=True, high=PRODUCT
    )
    user_feature_indptr: Array | None = array(
        "int64", "n_users + 1", optional=True, order="bounds of n_user_entries"
    )
    user_feature_indices: Array | None = array(
        "int32", "n_user_entries", optional=True, low=0, high="n_user_features"
    )
    user_feature_weights: Array | None = array("float32", "n_user_entries", optional=True, high=PRODUCT)
    item_feature_indptr: Array | None = array(
        "int64", "n_items + 1", optional=True, order="bounds of n_item_entries"
    )
    item_feature_indices: Array | None = array(
        "int32", "n_item_entries", optional=True, low=0, high="n_item_features"
    )
    item_feature_weights: Array | None = array("float32", "n_item_entries", optional=True, high=PRODUCT)
    user_encoding: tuple[Mapping[str, Any], ...] = ()
    item_encoding: tuple[Mapping[str, Any], ...] = ()
    noise_precision: float = 1.0
    spread: float = 1.0
    time_unit: int = 1
    weighted: bool = False
    levels: Array | None = array("float64", "n_levels", optional=True, order="ascending")
    n_levels: int = 0
    sample: int = 0
    cut_points: Array | None = array("float64", "n_kept", None, optional=True, high=PRODUCT)
    n_samples: int = 0
    diagnostics: Diagnostics = NO_DRAWS

    _later: ClassVar[tuple[str, ...]] = (
        *State._later,
        *(f"{kind}_{name}" for kind in ("user", "item")
          for name in (*FEATURES, "encoding")),
    )  # fmt: skip

    def _verify(self) -> None:
        for name in ("noise_precision", "spread"):
            held = getattr(self, name)
            if not (is_finite(held, PRODUCT) and held > 0):
                raise ValueError(f"{name}_ must be a positive number, not {held!r}")
        if self.time_unit not in UNITS:
            raise ValueError(
                f"time_unit_ must be one of {', '.join(map(str, UNITS))}, not {self.time_unit!r}"
            )
        if not isinstance(self.diagnostics, Diagnostics):
            raise ValueError(f"diagnostics_ must be a Diagnostics, not {self.diagnostics!r}")
        if type(self.n_samples) is not int or self.n_samples < 0:
            raise ValueError(f"n_samples_ must be a number of sweeps, not {self.n_samples!r}")
        n_kept, n_factors = self.prior_means.shape
        if type(self.sample) is not int or abs(self.sample) >= 2**31 or (self.sample and n_kept > 1):
            raise ValueError(f"sample_ must be the number of the only sample, or 0, not {self.sample!r}")
        n_columns = n_kept * n_factors
        if self.user_factors.shape[1] != n_columns:
            raise ValueError(f"user_factors_ has {self.user_factors.shape[1]} columns, not {n_columns}")
        if self.implicit_factors.shape[1] not in (n_columns, 0):
            raise ValueError(f"implicit_factors_ must have {n_columns} columns or none")
        if self.precisions.shape[1] != 3 + len(self.session_lengths):
            raise ValueError(f"precisions_ must have {3 + len(self.session_lengths)} columns")
        for name in ("precisions", "user_weights", "seen_weights"):
            if getattr(self, name) is not None and (getattr(self, name) <= 0).any():
                raise ValueError(f"{name}_ must be positive")
        self._verify_levels()
        self._verify_cut_points()
        self._verify_chains()
        if len(self.session_numbers):
            levels = self.sessions.levels()
            if levels.min() < 0 or levels.max() >= len(self.session_lengths):
                raise ValueError("session_numbers_ are of lengths that session_lengths_ does not have")

        for kind in ("user", "item"):
            verify_features(self, kind)

    def _verify_chains(self) -> None:
        """Raise ValueError unless rows of users can be solved for, and chains go on."""
        for name in ("prior_precisions", "item_precisions"):
            try:
                if getattr(self, name) is not None:
                    np.linalg.cholesky(getattr(self, name))
            except np.linalg.LinAlgError:
                raise ValueError(f"{name}_ must be positive definite") from None
        together = (self.chain_scalars is None, self.item_precisions is None)
        if together[0] != together[1] or (together[0] and self.item_members is not None):
            raise ValueError("item_members_, item_precisions_ and chain_scalars_ belong together")
        if self.chain_scalars is not None:
            n_columns = self.prior_means.shape[1] * len(self.chain_scalars)
            if len(self.chain_scalars) != self.diagnostics.n_chains:
                raise ValueError(f"chain_scalars_ must have {self.diagnostics.n_chains} rows, one a chain")
            if (self.chain_scalars <= 0).any():
                raise ValueError("chain_scalars_ must be positive")
            if self.item_members is not None and self.item_members.shape[1] != n_columns:
                raise ValueError(f"item_members_ must have {n_columns} columns")

    def _verify_levels(self) -> None:
        held = 0 if self.levels is None else len(self.levels)
        if type(self.n_levels) is not int or self.n_levels != held:
            raise ValueError(f"levels_ has {held} entries, and n_levels_ is {self.n_levels!r}")

    def _verify_cut_points(self) -> None:
        if self.cut_points is None:
            return
        if self.levels is None or self.cut_points.shape[1] != len(self.levels) - 1:
            raise ValueError("cut_points_ must have a column for each of levels_ but one")
        if (np.diff(self.cut_points, axis=1) < 0).any():
            raise ValueError("cut_points_ must ascend in each row")

    def public(self, name: str) -> Any:
        """The value that a model shows as ``name_``, names of features among them."""
        kind, _, rest = name.partition("_")
        if rest == "feature_names" and kind in ("user", "item"):
            return tuple(encoding_names(getattr(self, f"{kind}_encoding")))
        return super().public(name)

    def public_names(self) -> list[str]:
        """Names for which `public` has a value."""
        held = [kind for kind in ("user", "item") if getattr(self, f"{kind}_encoding")]
        return [*super().public_names(), *(f"{kind}_feature_names" for kind in held)]

    def replaced(self, **changes: Any) -> Self:
        """Another state with some fields changed."""
        if changes.keys() & {"seen_indptr", "seen_items"}:  # the times of others are not known
            changes.setdefault("seen_times", None)
            changes.setdefault("seen_weights", None)
        if "levels" in changes:
            levels = changes["levels"]
            changes.setdefault("n_levels", 0 if levels is None else len(levels))
        return super().replaced(**changes)

    # ------------------------------------------------------------------ files

    def to_file(self) -> tuple[dict[str, Any], dict[str, Array | None]]:
        """Scalars and arrays, under the names of the model's attributes."""
        scalars, arrays = super().to_file()
        return scalars | {"diagnostics_": self.diagnostics.as_dict()}, arrays

    @classmethod
    def from_file(cls, scalars: dict[str, Any], arrays: dict[str, Array | None]) -> Self:
        """The state that `to_file` wrote."""
        return super().from_file(scalars | {"diagnostics_": Diagnostics.of(scalars["diagnostics_"])}, arrays)

    # ------------------------------------------------------------------ derived

    @cached_property
    def users(self) -> Ids:
        """The vocabulary of the users, in which those known by features have codes too."""
        return Ids("user", self.user_ids, self.user_counts, self.user_featured)

    @cached_property
    def items(self) -> Ids:
        """The vocabulary of the items, likewise."""
        return Ids("item", self.item_ids, self.item_counts, self.item_featured)

    @cached_property
    def sessions(self) -> Sessions:
        """The sessions of training."""
        return Sessions(self.session_lengths, self.session_indptr, self.session_numbers)

    @property
    def is_ordinal(self) -> bool:
        """Whether predictions are of latent ratings, between cut points of which the levels are."""
        return self.cut_points is not None

    @property
    def origin(self) -> float:
        """What biases and factors add to."""
        return 0.0 if self.is_ordinal else self.mean

    @cached_property
    def user_rows(self) -> Array:
        """Rows of users, and of the unknown, padded as the kernels read them."""
        return as_padded(self.user_factors)

    @cached_property
    def item_rows(self) -> Array:
        """Rows of items, and of the unknown, padded."""
        return as_padded(self.item_factors)

    @cached_property
    def all_factors(self) -> Factors:
        """The kernel's record, with the rows of the unknown."""
        return Factors(self.user_rows, self.item_rows, self.user_bias, self.item_bias, self.origin)

    @cached_property
    def known_factors(self) -> Factors:
        """The kernel's record, without the rows of the unknown."""
        return Factors(
            self.user_rows[:-1], self.item_rows[:-1], self.user_bias[:-1], self.item_bias[:-1], self.origin
        )

    @cached_property
    def samples(self) -> FactorSamples:
        """The kernel's record of the samples, where items without ratings are drawn from the prior."""
        items = self.item_factors.copy()
        items[-1] += self.unknown_item
        if self.item_featured is not None:  # means of priors too
            items[np.flatnonzero(self.item_counts == 0)] += self.unknown_item
        n_kept, n_factors = self.prior_means.shape
        return FactorSamples(
            self.user_factors, self.user_draws, items, self.user_biases, self.item_biases, n_factors,
            n_kept / self.spread,
        )  # fmt: skip

    @cached_property
    def rating_precisions(self) -> Array:
        """Precision of a rating without its sessions in each sample, over 1 / spread²: float64[n_kept]."""
        of_sessions: Array = np.sum(1 / self.precisions[:, 3:], axis=1)
        return 1 / (1 / self.precisions[:, 0] + of_sessions)

    @cached_property
    def user_norms(self) -> Array:
        """Length of each user's row, in double."""
        return norms(self.user_rows[:-1])

    @cached_property
    def item_norms(self) -> Array:
        """Length of each item's row."""
        return norms(self.item_rows[:-1])


def verify_features(state: BayesianState, kind: str) -> None:
    """Raise ValueError unless the fields of the features of users, or of items, go together."""
    encoding = getattr(state, f"{kind}_encoding")
    names = [f"{kind}_{name}" for name in FEATURES]
    held = [getattr(state, name) for name in names]
    if (not encoding) != (held[0] is None) or len({one is None for one in held}) > 1:
        raise ValueError(f"{', '.join(names)} and {kind}_encoding belong together")
    if encoding:
        check_encoding(encoding)
        if len(encoding_names(encoding)) + 1 != len(held[1]):
            raise ValueError(f"{kind}_feature_effects_ must have an entry for each feature, and a last one")


def scores(
    state: BayesianState, users: Array, items: Array, seconds: Array | None, n_threads: int | None
) -> Array:
    """Predictions for codes, -1 being unknown; without times, or outside sessions of training, of none.

    Of latent ratings, where there are cut points.
    """
    rows = np.where(users < 0, len(state.user_ids), users).astype(np.int32, copy=False)
    columns = np.where(items < 0, len(state.item_ids), items).astype(np.int32, copy=False)
    out = predicted(rows, columns, state.all_factors, n_threads)
    if seconds is not None and len(state.session_bias):
        for codes in state.sessions.place(users, seconds):
            out += np.where(codes >= 0, state.session_bias[codes], np.float32(0))
    return out
