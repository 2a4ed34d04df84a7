"""Parameters of scikit-surprise's algorithms as those of cfcore's models.

What has scikit-surprise's default gets cfcore's own, which its models were tuned for; the number of factors
is taken over in any case. What cfcore cannot do is refused, never left out.
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


def _rates(algo: Any, defaults: Mapping[str, Any], groups: Mapping[str, tuple[str, ...]]) -> Params:
    """Learning rates and regularisation that differ from scikit-surprise's defaults.

    Parameters
    ----------
    algo : SVD or SVDpp
    defaults : mapping of str to object
        Of its constructor.
    groups : mapping of str to tuple of str
        Suffixes of the names in cfcore, "" first, and those of scikit-surprise that each stands for.
    """
    found: Params = {}
    for kind in ("lr", "reg"):
        of_groups = {suffix: _common_value(algo, kind, names) for suffix, names in groups.items()}
        if set(of_groups.values()) == {defaults[f"{kind}_all"]}:
            continue
        found[kind] = of_groups[""]
        found |= {f"{kind}{suffix}": value for suffix, value in of_groups.items() if value != of_groups[""]}
        if kind == "lr":
            found["lr_decay"] = 1.0  # scikit-surprise's is constant
    return found


def _common_value(algo: Any, kind: str, names: tuple[str, ...]) -> Any:
    """The learning rate or regularisation that some parameters of scikit-surprise share."""
    given = {f"{kind}_{name}": getattr(algo, f"{kind}_{name}") for name in names}
    if len(set(given.values())) > 1:
        shown = ", ".join(f"{name}={value}" for name, value in given.items())
        raise ValueError(f"{shown}: engine='cfcore' has one value for these; give them the same")
    return given[f"{kind}_{names[0]}"]


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


def to_baseline(algo: Any, _: Mapping[str, Any]) -> Any:
    """`cfcore.Baseline` with the options of `BaselineOnly`."""
    options = dict(algo.bsl_options)
    method = options.pop("method", "als")
    names = {
        "als": {"reg_u": "reg_user", "reg_i": "reg_item", "n_epochs": "n_epochs"},
        "sgd": {"reg": "reg", "learning_rate": "lr", "n_epochs": "n_epochs"},
    }
    if method not in names:
        raise ValueError(
            f"Invalid method {method} for baseline computation. Available methods are als and sgd."
        )
    found = {new: options[old] for old, new in names[method].items() if old in options}
    if "lr" in found:
        found["lr_decay"] = 1.0  # scikit-surprise's is constant
    return cf.Baseline(method=method, **found)


#: Similarities by the name of scikit-surprise; its "msd" is in the unit of the ratings.
_SIMILARITIES = {
    "cosine": "cosine",
    "msd": "raw_msd",
    "pearson": "pearson",
    "pearson_baseline": "pearson_baseline",
}
_CENTERS = {"KNNBasic": None, "KNNWithMeans": "mean", "KNNWithZScore": "zscore", "KNNBaseline": "baseline"}


def to_neighbors(algo: Any, defaults: Mapping[str, Any]) -> Any:
    """`cfcore.UserKNN` or `cfcore.ItemKNN` with the parameters of an algorithm of neighbours."""
    if algo.min_k != defaults["min_k"]:
        raise ValueError(f"min_k={algo.min_k} has no counterpart with engine='cfcore'; leave it at 1")
    options: Mapping[str, Any] = algo.sim_options
    kind = cf.UserKNN if options.get("user_based", True) else cf.ItemKNN
    name = next(one.__name__ for one in type(algo).__mro__ if one.__name__ in _CENTERS)
    found: Params = {"center": _CENTERS[name]}
    if name != "KNNBaseline":
        # cfcore's other defaults are for deviations from the baseline. These are better for means, by
        # validation within the training rows of MovieLens 100K (u1).
        found |= {"positive_only": True, "n_neighbors": algo.k, "similarity": "raw_msd"}
    elif algo.k != defaults["k"]:
        found["n_neighbors"] = algo.k
    if "name" in options:
        given = str(options["name"]).lower()
        if given not in _SIMILARITIES:
            raise NameError(f"Wrong sim name {given}. Allowed values are {', '.join(_SIMILARITIES)}.")
        found["similarity"] = _SIMILARITIES[given]
    if name != "KNNBaseline" and found["similarity"] == "raw_msd":
        found["power"] = 2.0
    if name == "KNNBasic" and found["similarity"] == "cosine":
        found["shrinkage"] = (
            0.0  # cosines of ratings that are not centred hardly differ, but in their shrinkage
        )
    if "min_support" in options:
        found["min_support"] = options["min_support"]
    if "shrinkage" in options and found.get("similarity") == "pearson_baseline":
        found["shrinkage"] = options["shrinkage"]
    if name == "KNNBaseline":
        if algo.bsl_options.get("method", "als") != "als":
            raise ValueError(
                "bsl_options: engine='cfcore' finds the baselines of KNNBaseline by 'als'; leave method out"
            )
        for old, new in (("reg_u", "reg_user"), ("reg_i", "reg_item")):
            if old in algo.bsl_options:
                found[new] = algo.bsl_options[old]
    return kind(**found)
