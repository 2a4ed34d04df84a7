"""Arrays: rows aligned to cache lines, padded rows, rows of scratch a page apart, objects; and memory."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextvars import ContextVar
from typing import Any

import numpy as np

__all__ = [
    "aligned_zeros",
    "as_padded",
    "available_memory",
    "check_memory",
    "in_files",
    "objects",
    "padded",
    "row_length",
    "thread_rows",
]

Array = np.ndarray[Any, Any]

#: Bytes between the scratch rows of two threads. Processors fetch cache lines together with their neighbours,
#: and a line that another core has just written is slow to read: threads that write to neighbouring lines
#: would invalidate each other's lines at every write.
APART = 4096

#: Whether large arrays are in files, and need not fit in memory: see `cfcore.memory`.
in_files: ContextVar[bool] = ContextVar("cfcore_in_files", default=False)


def row_length(n_factors: int, dtype: Any) -> int:
    """Length of a factor row: `n_factors` rounded up to whole groups of 64 bytes."""
    group = 64 // np.dtype(dtype).itemsize
    return -(-n_factors // group) * group


def aligned_zeros(n_rows: int, n_columns: int, dtype: Any) -> Array:
    """Array of zeros whose rows start at multiples of 64 bytes if their length is one.

    The first starts at a multiple of 128: processors fetch lines of 64 bytes in pairs.
    """
    size = n_rows * n_columns * np.dtype(dtype).itemsize
    buffer = np.zeros(size + 128, dtype=np.uint8)
    skip = -buffer.ctypes.data % 128
    return buffer[skip : skip + size].view(dtype).reshape(n_rows, n_columns)


def thread_rows(n_threads: int, length: int, dtype: Any) -> Array:
    """Scratch of zeros, a row of at least `length` entries for each thread, a page apart."""
    return aligned_zeros(n_threads, row_length(length, dtype) + APART // np.dtype(dtype).itemsize, dtype)


def padded(factors: Array) -> Array:
    """Copy of factors in rows padded with zeros to whole groups of 64 bytes."""
    rows = aligned_zeros(len(factors), row_length(factors.shape[1], factors.dtype), factors.dtype)
    rows[:, : factors.shape[1]] = factors
    return rows


def as_padded(factors: Array) -> Array:
    """The factors themselves if they are such rows and aligned to them, else `padded`: not to be written."""
    whole = factors.shape[1] * factors.itemsize % 64 == 0 and factors.flags.c_contiguous
    return factors if whole and factors.ctypes.data % 64 == 0 else padded(factors)


def objects(values: Collection[Any]) -> Array:
    """An array of objects, one for each value: NumPy would make numbers, or more dimensions, of some."""
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def check_memory(n_bytes: int, what: str) -> None:
    """Raise MemoryError, with the size, if so many bytes are not available: the system would end the process.

    Parameters
    ----------
    n_bytes : int
    what : str
        What needs them, with the hyper-parameter to lower: "n_factors=100000: the factors of 943 users".
    """
    free = None if in_files.get() else available_memory()
    if free is not None and n_bytes > free:
        raise MemoryError(f"{what} need {n_bytes / 2**30:,.1f} GiB; {free / 2**30:,.1f} GiB are available")


def available_memory() -> int | None:
    """Bytes of memory that are available to a process; None if the system does not report them."""
    try:
        with open("/proc/meminfo") as file:
            sizes = dict(line.split(":") for line in file)
        return int(sizes["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
