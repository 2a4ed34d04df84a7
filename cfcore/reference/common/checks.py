"""Checks that the twins share, with the errors of ``cfcore/kernels/common``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

#: As in `cfcore.threads`, which kernels and twins do not depend on.
MAX_THREADS = 1024


def check_record(record: Any, kind: type, name: str) -> None:
    """Raise TypeError unless an argument is a record of that kind."""
    if not isinstance(record, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, not {type(record).__name__}")


def check_threads(n_threads: int) -> None:
    """Raise ValueError unless `n_threads` is within [1, 1024]."""
    if not 1 <= n_threads <= MAX_THREADS:
        raise ValueError(f"n_threads must be between 1 and {MAX_THREADS}, not {n_threads}")


def check_array(array: Any, dtype: Any, n_dimensions: int, written: bool, name: str) -> None:
    """Raise unless an argument is a C-contiguous, aligned array of a type, writable if it will be written."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be an ndarray, not {type(array).__name__}")
    if array.dtype != dtype or not array.dtype.isnative:
        raise ValueError(f"{name} must be of {np.dtype(dtype)}, not {array.dtype}")
    if array.ndim != n_dimensions:
        raise ValueError(f"{name} must have {n_dimensions} dimensions, not {array.ndim}")
    if not (array.flags.c_contiguous and array.flags.aligned):
        raise ValueError(f"{name} must be contiguous (C order) and aligned; pass np.ascontiguousarray of it")
    if written and not array.flags.writeable:
        raise ValueError(f"{name} is read-only, and would be written")


def overlaps(written: Any, read: Iterable[Any]) -> bool:
    """Whether an array shares memory with one of the others; all are contiguous."""
    return any(np.may_share_memory(written, array) for array in read)
