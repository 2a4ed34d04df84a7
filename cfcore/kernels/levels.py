"""The SIMD levels, and which kernels are compiled once for each of them.

Read by ``setup.py`` (which must not import compiled code) and by ``cfcore.kernels.simd``.
"""

from __future__ import annotations

# From the most portable to the most capable. Each name is a suffix of a module: ``_svd_loops_avx2``.
LEVELS = ("baseline", "avx2", "avx512")

# Loops are compiled once per level; every other .pyx once, for the baseline.
SUFFIX = "_loops"


def is_levelled(kernel: str) -> bool:
    """Whether the module `kernel`, named below ``cfcore.kernels``, is compiled once per level."""
    return kernel.endswith(SUFFIX)


def module_name(kernel: str, level: str) -> str:
    """Name, below ``cfcore.kernels``, of the module that holds `kernel` compiled for `level`."""
    room, _, name = kernel.rpartition(".")
    return f"{room}._{name}_{level}"
