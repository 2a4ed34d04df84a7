"""Which SIMD level the kernels run at: chosen at import, changed by `use_level`.

The loops of a kernel are compiled once per level (``_svd_loops_baseline``, ``_svd_loops_avx2``, ...); each
such module holds a table of function pointers. The wrapper of the kernel is compiled once and calls through
the table of the level in force. All levels give the same bits.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from cfcore.kernels.common import cpu
from cfcore.kernels.levels import LEVELS, module_name

__all__ = ["available_levels", "current_level", "register", "use_level"]

PACKAGE = "cfcore.kernels"
#: A module of loops that every build has, by which the levels that were compiled are found.
PROBE = "factorization.svd_loops"

_users: list[tuple[str, Callable[[Any], None]]] = []


def available_levels() -> tuple[str, ...]:
    """SIMD levels that were compiled and that this machine can run, the most portable first."""
    supported = LEVELS[: cpu.simd_level() + 1]
    return tuple(level for level in supported if find_spec(f"{PACKAGE}.{module_name(PROBE, level)}"))


def _choose() -> str:
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


_level: str = _choose()


def current_level() -> str:
    """The SIMD level that kernels run at."""
    return _level


def register(loops: str, use: Callable[[Any], None]) -> None:
    """Give a wrapper the table of its loops, now and whenever the level changes.

    Parameters
    ----------
    loops : str
        The module of loops, such as "factorization.svd_loops".
    use : callable (capsule) -> None
        Takes the table, which is in a capsule.
    """
    _users.append((loops, use))
    use(_table(loops, _level))


def _table(loops: str, level: str) -> Any:
    # Only now: a module compiled for AVX-512 must not even be loaded without it.
    return importlib.import_module(f"{PACKAGE}.{module_name(loops, level)}").table


@contextmanager
def use_level(level: str) -> Iterator[None]:
    """Run all kernels at another SIMD level within a ``with`` block, in every thread.

    Raises
    ------
    ValueError
        If this installation was not compiled for that level, or the processor lacks it.
    """
    global _level
    available = available_levels()
    if level not in available:
        raise ValueError(f"SIMD level {level!r} is not available; those that are: {', '.join(available)}")
    before = _level
    try:
        _set(level)
        yield
    finally:
        _set(before)


def _set(level: str) -> None:
    global _level
    tables = [(use, _table(loops, level)) for loops, use in _users]
    for use, table in tables:
        use(table)
    _level = level
