"""Parameters of scikit-surprise's algorithms as those of cfcore's models.

What has scikit-surprise's default gets cfcore's own, which its models were tuned for; the number of factors is
taken over in any case. What cfcore cannot do is refused, never left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import cfcore as cf

__all__ = ["to_baseline", "to_neighbors", "to_svd", "to_svdpp"]

Params = dict[str, Any]


def _seed(state: Any) -> Any:
    """A seed for cfcore: a RandomState gives one of its draws."""
    return int(state.randint(2**31)) if isinstance(state, np.random.RandomState) else state


def _common(algo: Any, defaults: Mapping[str, Any]) -> Params:
    """Epochs, start, seed and verbosity."""
    found: Params = {"random_state": _seed(algo.random_state), "verbose": int(bool(algo.verbose))}
    if algo.n_epochs != defaults["n_epochs"]:
        found["n_epochs"] = algo.n_epochs
    if algo.init_mean:
        raise ValueError(f"init_mean={algo.init_mean} has no counterpart with engine='cfcore'; leave it at 0")
    if algo.init_std_dev != defaults["init_std_dev"]:
        found["init_scale"] = algo.init_std_dev
    return found


def _rate(algo: Any, kind: str, names: tuple[str, ...], default: Any) -> Params:
    """One learning rate or regularisation of several parameters of scikit-surprise; {} if it is its default."""
    given = {f"{kind}_{name}": getattr(algo, f"{kind}_{name}") for name in names}
    values = set(given.values())
    if len(values) > 1:
        shown = ", ".join(f"{name}={value}" for name, value in given.items())
        raise ValueError(f"{shown}: engine='cfcore' has one value for these; give them the same")
    (value,) = values
    return {} if value == default else {kind: value}


def _rates(algo: Any, defaults: Mapping[str, Any], groups: Mapping[str, tuple[str, ...]]) -> Params:
    """Rates of groups of parameters, by the suffix that they have in cfcore."""
    given = {
        kind: {suffix: _rate(algo, kind, names, defaults[f"{kind}_all"]) for suffix, names in groups.items()}
        for kind in ("lr", "reg")
    }
    if not any(any(of_groups.values()) for of_groups in given.values()):
        return {}
    # cfcore's rule finds all rates together, and the start of the factors with them. So what is given for one
    # is given for all, with scikit-surprise's defaults: a constant learning rate, and its start.
    found: Params = {"lr_decay": 1.0, "init_scale": algo.init_std_dev}
    for kind in ("lr", "reg"):
        for suffix, names in groups.items():
            found[f"{kind}{suffix}"] = getattr(algo, f"{kind}_{names[0]}")
    return found


def to_svd(algo: Any, defaults: Mapping[str, Any]) -> Any:
    """`cfcore.SVD` with the parameters of scikit-surprise's."""
    groups = {"": ("pu", "qi"), "_bias": ("bu", "bi")} if algo.biased else {"": ("pu", "qi")}
    return cf.SVD(
        n_factors=algo.n_factors,
        biased=bool(algo.biased),
        **_common(algo, defaults) | _rates(algo, defaults, groups),
    )


def to_svdpp(algo: Any, defaults: Mapping[str, Any]) -> Any:
    """`cfcore.SVDpp` with the parameters of scikit-surprise's."""
    groups = {"": ("pu", "qi"), "_bias": ("bu", "bi"), "_implicit": ("yj",)}
    return cf.SVDpp(n_factors=algo.n_factors, **_common(algo, defaults) | _rates(algo, defaults, groups))
