"""Which arrays the algorithms have, so that what a file holds is checked before it is used."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["check_arrays"]

#: Attribute -> its dimensions: numbers of users and items, of x and y (users and items, or the reverse), and
#: others that have to be equal among the attributes of an algorithm.
_SHAPES: dict[str, tuple[str, ...]] = {
    "avg_cltr_i": ("item clusters",),
    "avg_cltr_u": ("user clusters",),
    "avg_cocltr": ("user clusters", "item clusters"),
    "bi": ("items",),
    "bu": ("users",),
    "bx": ("x",),
    "by": ("y",),
    "cltr_i": ("items",),
    "cltr_u": ("users",),
    "dev": ("items", "items"),
    "freq": ("items", "items"),
    "item_mean": ("items",),
    "means": ("x",),
    "pu": ("users", "factors"),
    "qi": ("items", "factors"),
    "sigmas": ("x",),
    "sim": ("x", "x"),
    "user_mean": ("users",),
    "yj": ("items", "factors"),
}
_INTEGERS = {"cltr_i": "item clusters", "cltr_u": "user clusters", "freq": None}
#: What estimates of a fitted algorithm are made of.
_NEEDED = {
    "BaselineOnly": ("bu", "bi"),
    "CoClustering": (
        "cltr_u", "cltr_i", "user_mean", "item_mean", "avg_cltr_u", "avg_cltr_i", "avg_cocltr",
    ),
    "KNNBaseline": ("bu", "bi", "bx", "by", "sim"),
    "KNNBasic": ("sim",),
    "KNNWithMeans": ("sim", "means"),
    "KNNWithZScore": ("sim", "means", "sigmas"),
    "NMF": ("bu", "bi", "pu", "qi"),
    "SVD": ("bu", "bi", "pu", "qi"),
    "SVDpp": ("bu", "bi", "pu", "qi", "yj"),
    "SlopeOne": ("freq", "dev", "user_mean"),
}  # fmt: skip


def check_arrays(algo: Any, name: str = "") -> None:
    """Raise ValueError if an array of a fitted algorithm is missing, or not of the dtype or shape of a fit.

    LookupError or TypeError if it has no ``sim_options`` that say by whom.

    Parameters
    ----------
    algo : AlgoBase
    name : str, optional
        Of its class, whose estimates need some of the arrays; "" needs none.
    """
    own = vars(algo)
    trainset = own.get("trainset")
    if trainset is None:
        return
    for needed in _NEEDED.get(name, ()):
        if own.get(needed) is None:
            raise ValueError(f"{needed} is missing")
    sizes = {"users": trainset.n_users, "items": trainset.n_items}
    by_user = bool(dict(own["sim_options"])["user_based"])
    sizes["x"], sizes["y"] = (sizes["users"], sizes["items"])[:: 1 if by_user else -1]
    for array, dimensions in _SHAPES.items():
        held = own.get(array)
        if held is None:
            continue
        held = np.asarray(held)
        wanted = np.int64 if array in _INTEGERS else np.float64
        if held.dtype != wanted or held.ndim != len(dimensions):
            raise ValueError(f"{array}: {held.dtype} of shape {held.shape}")
        for dimension, size in zip(dimensions, held.shape, strict=True):
            if sizes.setdefault(dimension, size) != size:
                raise ValueError(f"{array}: {size} {dimension} in place of {sizes[dimension]}")
    for array, clusters in _INTEGERS.items():
        codes = own.get(array)
        if clusters is None or codes is None or not len(codes):
            continue
        if not 0 <= codes.min() <= codes.max() < sizes.get(clusters, 0):
            raise ValueError(f"{array}: no codes of {sizes.get(clusters, 0)} {clusters}")
