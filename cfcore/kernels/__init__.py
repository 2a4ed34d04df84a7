"""The compiled kernels: arrays in, arrays out, no GIL; usable by other libraries.

Each hot kernel is compiled once per SIMD level (``_svd_baseline``, ``_svd_avx2``, ``_svd_avx512``); at
import the best level that processor and operating system support is chosen and its modules are known
by their plain names (``cfcore.kernels.svd``). All levels give the same bits. The environment variable
``CFCORE_SIMD`` (baseline, avx2 or avx512) forces one.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec
from types import ModuleType

from cfcore.kernels import cpu
from cfcore.kernels.levels import LEVELLED, LEVELS, module_name

__all__ = ["LEVELLED", "LEVELS", "available_levels", "load_level", "simd_level"]


def load_level(kernel: str, level: str) -> ModuleType:
    """Module of `kernel` compiled for `level`, whatever level was chosen at import.

    Raises
    ------
    ImportError
        If this installation was not compiled for that level, or the processor lacks it.
    """
    if kernel not in LEVELLED:
        raise ImportError(f"kernel {kernel!r} has no SIMD levels; those that have: {', '.join(LEVELLED)}")
    if level not in LEVELS:
        raise ImportError(f"unknown SIMD level {level!r}; known: {', '.join(LEVELS)}")
    # Checked before the import: a module compiled for AVX-512 must not even be loaded without it.
    if LEVELS.index(level) > cpu.simd_level():
        raise ImportError(f"this processor or operating system does not support SIMD level {level!r}")
    return importlib.import_module(f"{__name__}.{module_name(kernel, level)}")


def available_levels() -> tuple[str, ...]:
    """SIMD levels that were compiled and that this machine can run, the most portable first."""
    return tuple(level for level in LEVELS[: cpu.simd_level() + 1] if _is_compiled(level))


def _is_compiled(level: str) -> bool:
    return any(find_spec(f"{__name__}.{module_name(kernel, level)}") for kernel in LEVELLED)


def _choose_level() -> str:
    forced = os.environ.get("CFCORE_SIMD", "").strip().lower()
    available = available_levels()
    if forced:
        if forced not in available:
            raise ImportError(
                f"CFCORE_SIMD={forced}: not a SIMD level that this installation was compiled for and this "
                f"machine supports; those are: {', '.join(available)}"
            )
        return forced
    return available[-1] if available else LEVELS[0]


simd_level: str = _choose_level()

for _kernel in LEVELLED:
    try:
        _module = load_level(_kernel, simd_level)
    except ModuleNotFoundError:
        continue  # __getattr__ says so when it is asked for: a build can be restricted to some kernels
    globals()[_kernel] = _module
    sys.modules[f"{__name__}.{_kernel}"] = _module


def __getattr__(name: str) -> ModuleType:
    # The kernels without levels (csr, text, ...) are submodules like any other, imported when asked for.
    if not name.startswith("_") and name not in LEVELLED and find_spec(f"{__name__}.{name}"):
        return importlib.import_module(f"{__name__}.{name}")
    if name in LEVELLED:
        raise ImportError(f"cfcore.kernels.{name} is not compiled; install with `pip install .`")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
