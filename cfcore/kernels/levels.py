"""Which kernels are compiled once per SIMD level, and which levels there are.

Read by ``setup.py`` (which must not import compiled code) and by ``cfcore.kernels``.
"""

from __future__ import annotations

# From the most portable to the most capable. Each name is a suffix of a module: ``_svd_avx2``.
LEVELS = ("baseline", "avx2", "avx512")

# Hot kernels: one compiled module per level. Every other .pyx is compiled once, for the baseline.
LEVELLED = ("similarity", "neighbors", "baseline", "svd", "svdpp", "timesvdpp", "products", "rbm")


def module_name(kernel: str, level: str) -> str:
    """Name, inside ``cfcore.kernels``, of the module that holds `kernel` compiled for `level`."""
    return f"_{kernel}_{level}"
