"""The compiled kernels: records of arrays in, arrays out, no GIL; usable by other libraries.

A kernel lives in the room of its problem (``cfcore.kernels.factorization.svd``) and is known by its short
name too (``cfcore.kernels.svd``). Its inner loops are compiled once per SIMD level; `simd` says which one
runs.
"""

from __future__ import annotations

import importlib
import sys

from cfcore.kernels.levels import LEVELS
from cfcore.kernels.simd import available_levels, current_level, use_level

__all__ = ["KERNELS", "LEVELS", "available_levels", "current_level", "use_level"]

#: Short name -> room and name.
KERNELS = {
    "baseline": "factorization.baseline",
    "csr": "tables.csr",
    "neighbors": "neighbors",
    "products": "top_n.products",
    "rbm": "rbm",
    "rng": "common.rng",
    "scores": "top_n.scores",
    "sets": "tables.sets",
    "similarity": "neighbors.similarity",
    "svd": "factorization.svd",
    "svdpp": "factorization.svdpp",
    "text": "tables.text",
    "timesvdpp": "factorization.timesvdpp",
    "tokens": "tables.tokens",
}


for _short, _full in KERNELS.items():
    globals()[_short] = sys.modules[f"{__name__}.{_short}"] = importlib.import_module(f"{__name__}.{_full}")
