"""The implementations of the kernels, compiled and reference twins, and the choice between them."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType

__all__ = ["BACKENDS", "backend", "current_backend", "kernel"]

BACKENDS = {"compiled": "cfcore.kernels", "reference": "cfcore.reference"}

_forced: ContextVar[str | None] = ContextVar("cfcore_backend", default=None)


def _checked(name: str, source: str) -> str:
    if name not in BACKENDS:
        raise ValueError(f"{source}: unknown backend {name!r}; known: {', '.join(BACKENDS)}")
    return name


def current_backend() -> str:
    """Name of the backend in use: "compiled" unless ``backend`` or CFCORE_BACKEND sets another."""
    forced = _forced.get()
    if forced is not None:
        return forced
    return _checked(os.environ.get("CFCORE_BACKEND", "").strip() or "compiled", "CFCORE_BACKEND")


@contextmanager
def backend(name: str) -> Iterator[None]:
    """Run models on another implementation of the kernels within a ``with`` block.

    Parameters
    ----------
    name : {"compiled", "reference"}
        "reference" is the NumPy and plain Python twin of every kernel: slow, for reading and for
        cross-checking. It is never the default.

    Raises
    ------
    ValueError
        For any other name.

    Examples
    --------
    >>> import cfcore as cf
    >>> with cf.backend("reference"):
    ...     model = cf.GlobalMean().fit(([1, 2], [1, 1], [3.0, 4.0]))
    """
    token = _forced.set(_checked(name, "backend"))
    try:
        yield
    finally:
        _forced.reset(token)


def kernel(name: str) -> ModuleType:
    """Module of the kernel `name` ("factorization.svd", "top_n.scores", ...) in the backend in use."""
    # Of a call for one user and item, reading the environment twice would be a third of the time.
    if _forced.get() is None and "CFCORE_BACKEND" not in os.environ:
        return _module("compiled", name)
    return _module(current_backend(), name)


@functools.cache
def _module(backend_name: str, name: str) -> ModuleType:
    return importlib.import_module(f"{BACKENDS[backend_name]}.{name}")
