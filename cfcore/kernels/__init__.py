"""The compiled kernels: records of arrays in, arrays out, no GIL; usable by other libraries.

A kernel lives in the room of its problem (``cfcore.kernels.factorization.svd``) and is known by its short
name too (``cfcore.kernels.svd``). Its inner loops are compiled once per SIMD level; `simd` says which one
runs.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from cfcore.kernels.levels import LEVELLED, LEVELS, module_name
from cfcore.kernels.simd import available_levels, current_level, use_level

__all__ = ["KERNELS", "LEVELS", "available_levels", "current_level", "use_level"]

#: Short name -> room and name.
KERNELS = {
    "baseline": "factorization.baseline",
    "csr": "tables.csr",
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


def load_level(kernel: str, level: str) -> ModuleType:
    """Module of a kernel that is not split into a wrapper and loops yet, compiled for `level`."""
    if kernel not in LEVELLED:
        return importlib.import_module(f"{__name__}.{kernel}")
    if level not in available_levels():
        raise ImportError(f"SIMD level {level!r} is not available")
    return importlib.import_module(f"{__name__}.{module_name(kernel, level)}")


for _kernel in LEVELLED:
    sys.modules[f"{__name__}.{_kernel}"] = load_level(_kernel, current_level())

for _short, _full in KERNELS.items():
    globals()[_short] = sys.modules[f"{__name__}.{_short}"] = importlib.import_module(f"{__name__}.{_full}")
