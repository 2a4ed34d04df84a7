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


def check_arrays(algo: Any) -> None:
    """Raise ValueError if an array of a fitted algorithm has another dtype or shape than a fit gives.

    LookupError or TypeError if it has no ``sim_options`` that say by whom.

    Parameters
    ----------
    algo : AlgoBase
    """
    own = vars(algo)
    trainset = own.get("trainset")
    if trainset is None:
        return
    sizes = {"users": trainset.n_users, "items": trainset.n_items}
    by_user = bool(dict(own["sim_options"])["user_based"])
    sizes["x"], sizes["y"] = (sizes["users"], sizes["items"])[:: 1 if by_user else -1]
    for name, dimensions in _SHAPES.items():
        held = own.get(name)
        if held is None:
            continue
        held = np.asarray(held)
        wanted = np.int64 if name in _INTEGERS else np.float64
        if held.dtype != wanted or held.ndim != len(dimensions):
            raise ValueError(f"{name}: {held.dtype} of shape {held.shape}")
        for dimension, size in zip(dimensions, held.shape, strict=True):
            if sizes.setdefault(dimension, size) != size:
                raise ValueError(f"{name}: {size} {dimension} in place of {sizes[dimension]}")
    for name, clusters in _INTEGERS.items():
        codes = own.get(name)
        if clusters is None or codes is None or not len(codes):
            continue
        if not 0 <= codes.min() <= codes.max() < sizes.get(clusters, 0):
            raise ValueError(f"{name}: no codes of {sizes.get(clusters, 0)} {clusters}")
