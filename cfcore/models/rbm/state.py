"""`RBMState`: the fitted state of an RBM, and what is derived from it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from cfcore import backends
from cfcore.arrays import padded
from cfcore.kernels.records import Cases, RBMParameters
from cfcore.models.core.fields import PRODUCT, array, is_finite
from cfcore.models.core.state import State
from cfcore.models.rbm.cases import cases_of
from cfcore.models.rbm.inference import Observed, hidden_inputs
from cfcore.models.rbm.likelihood import sigmoid
from cfcore.models.rbm.parameters import padded_parameters

__all__ = ["Features", "RBMState"]

Array = np.ndarray[Any, Any]

#: Kernels of answers for one user.
ANSWERING = ("tables.lookup", "top_n.single", "rbm.predict")
#: Fields of cases that do not follow from their ratings.
HELD = ("case_inputs", "case_distributions", "unit_distributions", "user_trust")


@dataclass(frozen=True, eq=False)
class Features:
    """Rows by whose cosine cases, or visible units, are compared; those without ratings are 0."""

    rows: Array

    @cached_property
    def norms(self) -> Array:
        """Euclidean length of each row."""
        lengths: Array = np.sqrt(np.einsum("nf,nf->n", self.rows, self.rows))
        return lengths

    def cosines(self, code: int) -> Array:
        """Cosine of one row with each; NaN for rows that are 0."""
        products, norms = self.rows @ self.rows[code], self.norms
        return np.divide(products, norms * norms[code], out=np.full(len(norms), np.nan), where=norms > 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class RBMState(State):
    """Parameters of an RBM, and the training cases, on which its predictions depend.

    Attributes
    ----------
    levels : ndarray of float32, shape (n_levels,)
    weights, visible_bias, hidden_bias, conditional_weights : ndarray of float32
        As `RBM` documents them; `conditional_weights` is None without D.
    case_indptr, case_units, case_levels : ndarray of int64, int32, uint8
        Ratings of each case in compressed rows: visible units, ascending, and positions in `levels`.
    rated_indptr, rated_units : ndarray of int64, int32, or None
        The sets r; None where each case has in it just the units that it rated.
    case_inputs : ndarray of float32, shape (n_cases, n_hidden), or None
        Inputs of the hidden units of each case.
    case_distributions, unit_distributions : ndarray of float64 (n_cases + 1, n_levels), ..., or None
        Smoothed distributions of the ratings of each case, and of each visible unit; the last rows are those
        of all ratings. These three are None where they follow from the cases, as after a fit. In states for
        users whose ratings are given with a question, the cases hold these ratings, and the values of items
        are those of the fit.
    user_trust : ndarray of float64, shape (n_users,), or None
        Weight of the distributions that follow from the hidden units of each user or item; the rest is that
        of the item's ratings. None: 1.
    half_of_units : float
        Ratings of a new user, a visible unit, with which this weight is one half; see `trust`.
    """

    levels: Array = array("f", "n_levels", order="ascending")
    weights: Array = array("float32", "n_units", "n_levels", "n_hidden", high=PRODUCT)
    visible_bias: Array = array("float32", "n_units", "n_levels", high=PRODUCT)
    hidden_bias: Array = array("float32", "n_hidden", high=PRODUCT)
    conditional_weights: Array | None = array("float32", "n_units", "n_hidden", optional=True, high=PRODUCT)
    case_indptr: Array = array("int64", "n_cases + 1", order="bounds of n_ratings")
    case_units: Array = array("int32", "n_ratings", low=0, high="n_units", rows="case_indptr")
    case_levels: Array = array("uint8", "n_ratings", low=0, high="n_levels")
    rated_indptr: Array | None = array("int64", "n_cases + 1", optional=True, order="bounds of n_rated")
    rated_units: Array | None = array(
        "int32", "n_rated", optional=True, low=0, high="n_units", rows="rated_indptr"
    )

    case_inputs: Array | None = array("float32", "n_cases", "n_hidden", optional=True)
    case_distributions: Array | None = array(
        "float64", "n_cases + 1", "n_levels", optional=True, low=0, high=1
    )
    unit_distributions: Array | None = array(
        "float64", "n_units + 1", "n_levels", optional=True, low=0, high=1
    )
    user_trust: Array | None = array("float64", "n_users", optional=True, low=0, high=1)
    half_of_units: float = 0.0

    _later: ClassVar[tuple[str, ...]] = (*State._later, *HELD, "half_of_units")

    def _verify(self) -> None:
        if not len(self.levels):
            raise ValueError("levels_ must not be empty")
        if not (is_finite(self.half_of_units) and self.half_of_units >= 0):
            raise ValueError(f"half_of_units_ must be a number from 0 on, not {self.half_of_units!r}")
        sizes = len(self.case_indptr) - 1, len(self.weights)
        known = len(self.user_ids), len(self.item_ids)
        if sizes not in (known, known[::-1]):
            raise ValueError(
                f"weights_ and case_indptr_ are of {sizes[1]} visible units and {sizes[0]} cases, "
                f"but there are {known[0]} users and {known[1]} items"
            )
        if (self.rated_indptr is None) != (self.rated_units is None):
            raise ValueError("rated_indptr_ and rated_units_ must be given together")
        if (self.case_distributions is None) != (self.unit_distributions is None):
            raise ValueError("case_distributions_ and unit_distributions_ must be given together")
        try:
            self.cases  # noqa: B018
        except ValueError as error:
            raise ValueError(f"case_indptr_, case_units_, case_levels_ or rated_units_: {error}") from None

    def to_file(self) -> tuple[dict[str, Any], dict[str, Array | None]]:
        """Scalars and arrays, under the names of the model's attributes."""
        scalars, arrays = super().to_file()
        for name in HELD:
            if getattr(self, name) is None:
                arrays.pop(f"{name}_")
        return scalars, arrays

    def verified(self) -> Self:
        """As in `State`; then what predictions need is derived, see `prepared`."""
        return super().verified().prepared(None)

    def trusted(self, half: float) -> Self:
        """The state with this `half_of_units`; what was derived is kept."""
        state = dataclasses.replace(self, half_of_units=half)
        vars(state).update({name: held for name, held in vars(self).items() if name not in vars(state)})
        return state

    def prepared(self, n_threads: int | None) -> Self:
        """The state itself, with what all answers need: so the first takes no longer than later ones."""
        self.parameters, self.item_layouts.known_items  # noqa: B018
        self.observed.by_case, self.observed.by_unit  # noqa: B018
        self.inputs(n_threads)
        for name in ANSWERING:
            backends.kernel(name)  # imports it
        return self

    @cached_property
    def cases(self) -> Cases:
        """The training cases as the kernels take them."""
        rated = None
        if self.rated_indptr is not None and self.rated_units is not None:
            rated = self.rated_indptr, self.rated_units
        rows = self.case_indptr, self.case_units, self.case_levels
        return cases_of(rows, rated, self.levels, len(self.weights))

    @cached_property
    def observed(self) -> Observed:
        """The training cases, and the distributions of their ratings."""
        observed = Observed(self.cases)
        if self.case_distributions is not None and self.unit_distributions is not None:
            vars(observed).update(by_case=self.case_distributions, by_unit=self.unit_distributions)
        return observed

    @cached_property
    def parameters(self) -> RBMParameters:
        """The parameters as the kernels take them: in padded rows."""
        return padded_parameters(self.weights, self.visible_bias, self.hidden_bias, self.conditional_weights)

    def inputs(self, n_threads: int | None) -> Array:
        """Inputs of the hidden units of each case: float32 (n_cases, padded n_hidden).

        Computed once, on up to `n_threads` threads, whose number changes no bit.
        """
        held: Array | None = vars(self).get("_inputs")
        if held is None:
            if self.case_inputs is not None:
                held = padded(self.case_inputs)
            else:
                held = hidden_inputs(self.parameters, self.cases, n_threads)
            vars(self)["_inputs"] = held
        return held

    @cached_property
    def case_features(self) -> Features:
        """Probabilities of the hidden units of each case, less their mean over the cases with ratings."""
        known = np.diff(self.case_indptr) > 0
        if self.case_inputs is not None:  # the cases are items
            known = self.item_counts > 0
        on = sigmoid(self.inputs(None)[:, : len(self.hidden_bias)].astype(np.float64))
        return _features(on - on.mean(axis=0, where=known[:, None]) if known.any() else on, known)

    @cached_property
    def unit_features(self) -> Features:
        """Weights of each visible unit, less their mean over the levels, which changes no distribution."""
        known = np.bincount(self.case_units, minlength=len(self.weights)) > 0
        weights = self.weights.astype(np.float64)
        weights -= weights.mean(axis=1, keepdims=True)
        return _features(weights.reshape(len(weights), -1), known)


def _features(rows: Array, known: Array) -> Features:
    rows[~known] = 0
    return Features(np.ascontiguousarray(rows))
