"""The terms of `TimeSVDpp`, their learning rates and their regularisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cfcore.kernels.records import TIME_TERMS
from cfcore.models.factorization.rates import decay_and_total
from cfcore.models.factorization.svdpp import BIAS_TOTAL, Rates

Array = np.ndarray[Any, Any]


class Term(NamedTuple):
    """The rule for the rates of a term of time: a row of `TimeSVDpp`'s table.

    Attributes
    ----------
    of, part : str, float
        Its learning rate is this part of that rate of SVD++.
    reg : float
    power : int
        Of the ratings' standard deviation s: `reg` is multiplied by s to this power; with a power of 2, the
        learning rate is divided by it.
    """

    of: str
    part: float
    reg: float
    power: int


#: Constants by cross-validation; `benchmarks/defaults.py` searches around them.
TERMS = {
    "user_slope": Term("lr_bias", 0.007, 0.05, 0),
    "user_scale": Term("lr_bias", 0.9, 0.008, 2),
    "day_bias": Term("lr_bias", 0.87, 0.2, 0),
    "day_scale": Term("lr_bias", 0.36, 0.08, 2),
    "user_drift": Term("lr_implicit", 0.01, 0.045, 1),
    "day_factors": Term("lr_implicit", 0.6, 0.27, 1),
    "item_bins": Term("lr_bias", 0.044, 0.02, 0),
    "item_frequencies": Term("lr_bias", 0.044, 0.02, 0),
    "item_weekdays": Term("lr_bias", 0.073, 0.02, 0),
    "item_weeks": Term("lr_bias", 0.073, 0.02, 0),
}
#: The session biases of each length in seconds; those of days are `day_bias`.
SESSIONS = {
    1_800: Term("lr_bias", 0.4, 0.2, 0),
    120: Term("lr_bias", 0.8, 0.2, 0),
    15: Term("lr_bias", 1.2, 0.2, 0),
}
#: Parameters that are rows of factors.
FACTORS = ("user_factors", "user_drift", "day_factors", "item_factors", "implicit_factors")
#: Ends of the names of learning rate and regularisation of the parameters that `SVDpp` has, too.
SHARED = {
    "user_bias": "bias", "item_bias": "bias", "user_factors": "", "item_factors": "",
    "implicit_factors": "implicit",
}  # fmt: skip


def named(kind: str, parameter: str) -> str:
    """Name in ``rates_`` of the "lr" or the "reg" of a parameter."""
    end = SHARED.get(parameter, parameter)
    return f"{kind}_{end}" if end else kind


def names_of(term: str) -> tuple[str, str]:
    """Names of learning rate and regularisation of a term of time."""
    return named("lr", term), named("reg", term)


def rates_of_terms(model: Any, rates: Rates, spread: float) -> dict[str, float]:
    """Learning rates of the first epoch and regularisation of all terms; by the rule where not given."""
    follows = {"lr_bias": _lr_bias(rates), "lr_implicit": rates.lr_implicit}
    found: dict[str, float] = {}
    for name, term in TERMS.items():
        given = getattr(model, name)
        if isinstance(given, (tuple, list)):
            lr, reg = given
        else:
            lr = follows[term.of] * term.part
            lr, reg = (lr / spread**2 if term.power == 2 else lr), term.reg * spread**term.power
        found |= {named("lr", name): float(lr), named("reg", name): float(reg)}
    return found


def _lr_bias(rates: Rates) -> float:
    """The learning rate of biases that those of terms of time follow."""
    total = decay_and_total(rates.n_epochs, rates.lr_decay, 1.0)[1]
    # On sparser data biases have higher rates, with which per-day terms, of a rating or two each, would
    # overfit. Where biases start at their damped means, they have lower rates, but the terms of time start
    # at 0.
    most = BIAS_TOTAL / total
    return min(rates.lr_bias + rates.init_bias * most, most)


def names_of_sessions(length: int) -> tuple[str, str]:
    """Names of learning rate and regularisation of the session biases of a length in seconds."""
    return named("lr", f"session_{length}"), named("reg", f"session_{length}")


def rates_of_sessions(lengths: Array, rates: Rates) -> dict[str, float]:
    """Learning rates of the first epoch and regularisation of the session biases of each length."""
    lr_bias = _lr_bias(rates)
    found: dict[str, float] = {}
    for length in lengths.tolist():
        term = SESSIONS[length]
        found |= dict(zip(names_of_sessions(length), (lr_bias * term.part, term.reg), strict=True))
    return found


def in_order(rates: Mapping[str, float]) -> tuple[Array, Array]:
    """Learning rates and regularisation by name, as arrays in the order of the kernel's terms."""
    lr, reg = (np.array([rates[named(kind, name)] for name in TIME_TERMS]) for kind in ("lr", "reg"))
    return lr, reg
