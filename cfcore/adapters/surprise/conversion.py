"""Fitted algorithms of scikit-surprise's kind as cfcore's models with the same parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import cfcore as cf
from cfcore.adapters.surprise.translation import to_baseline, to_neighbors, to_svd, to_svdpp

__all__ = ["baseline_of", "neighbors_of", "svd_of", "svdpp_of"]

Codes = tuple[NDArray[np.int32], NDArray[np.int32]]


def _in_order(values: Any, codes: NDArray[np.int32]) -> Any:
    """Rows by inner id in the order of the model's codes."""
    found = np.empty_like(values, dtype=np.float64)
    found[codes] = values
    return found


def _biases(algo: Any, codes: Codes) -> dict[str, Any]:
    return {
        "user_bias": _in_order(algo.bu, codes[0]),
        "item_bias": _in_order(algo.bi, codes[1]),
        "mean": float(algo.trainset.global_mean),
    }


def _factors(algo: Any, codes: Codes) -> dict[str, Any]:
    return {"user_factors": _in_order(algo.pu, codes[0]), "item_factors": _in_order(algo.qi, codes[1])}


def _with_params(fitted: Any, translation: Any, algo: Any, defaults: Any) -> Any:
    """The model with the hyper-parameters of the algorithm, if it has ones that say the same."""
    try:
        params = translation(algo, defaults).get_params()
    except ValueError:  # such as two learning rates where the model has one: they are for another fit only
        return fitted
    return fitted.set_params(
        **params | {name: getattr(fitted, name) for name in ("dtype",) if name in params}
    )


def svd_of(algo: Any, defaults: Any, ratings: cf.Ratings, codes: Codes) -> Any:
    """`cfcore.SVD` with the factors and biases of scikit-surprise's."""
    biased = bool(algo.biased)
    first = cf.SVD(n_factors=algo.n_factors, biased=biased, n_epochs=1, dtype="float64").fit(ratings)
    found = first.with_parameters(**_factors(algo, codes), **(_biases(algo, codes) if biased else {}))
    return _with_params(found, to_svd, algo, defaults)


def svdpp_of(algo: Any, defaults: Any, ratings: cf.Ratings, codes: Codes) -> Any:
    """`cfcore.SVDpp` with the factors and biases of scikit-surprise's."""
    first = cf.SVDpp(n_factors=algo.n_factors, n_epochs=1, dtype="float64").fit(ratings)
    implicit = {"implicit_factors": _in_order(algo.yj, codes[1])}
    found = first.with_parameters(**_factors(algo, codes), **_biases(algo, codes), **implicit)
    return _with_params(found, to_svdpp, algo, defaults)


def baseline_of(algo: Any, defaults: Any, ratings: cf.Ratings, codes: Codes) -> Any:
    """`cfcore.Baseline` with the biases of `BaselineOnly`."""
    found = cf.Baseline(n_epochs=1).fit(ratings).with_parameters(**_biases(algo, codes))
    return _with_params(found, to_baseline, algo, defaults)


def neighbors_of(algo: Any, defaults: Any, ratings: cf.Ratings, codes: Codes) -> Any:
    """`cfcore.UserKNN` or `cfcore.ItemKNN`, fitted with the similarities and weights of scikit-surprise."""
    options = algo.sim_options
    name = str(options.get("name", "msd")).lower()
    exact = {
        "similarity": "raw_msd" if name == "msd" else name,
        "n_neighbors": algo.k,
        "shrinkage": options.get("shrinkage", 100) if name == "pearson_baseline" else 0.0,
        "positive_only": True,
        "damping": 0.0,
        "power": 1.0,
        "reg_user": algo.bsl_options.get("reg_u", 15),
        "reg_item": algo.bsl_options.get("reg_i", 10),
    }
    return to_neighbors(algo, defaults).set_params(**exact).fit(ratings)
