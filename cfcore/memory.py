"""`memory_limit`: large arrays are in files, and a process keeps only a part of them in memory."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from cfcore import arrays
from cfcore.kernels.common import mapped

__all__ = ["as_bytes", "limited", "map_file", "resident"]

Array = np.ndarray[Any, Any]

#: Arrays of this part of the limit, or larger, are in files.
PART, LEAST_ARRAY, MOST_ARRAY = 128, 1 << 16, 1 << 26
#: Bytes beyond what a process has already that a limit must leave.
LEAST = 64 << 20

_SIZE = re.compile(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)

resident = mapped.resident


def as_bytes(limit: Any, name: str = "memory_limit") -> int | None:
    """Bytes of an argument: a number of bytes, text such as "2GB" or "500 MiB", or None.

    Raises
    ------
    ValueError
        It is none of these, or not positive.
    """
    if limit is None:
        return None
    found = 0.0
    if isinstance(limit, str):
        parts = _SIZE.fullmatch(limit)
        if parts is not None:
            base = 1024 if parts[3] else 1000
            found = float(parts[1]) * base ** " kmgt".index(parts[2].lower() or " ")
    elif isinstance(limit, (int, float, np.number)) and not isinstance(limit, bool) and np.isfinite(limit):
        found = float(limit)
    if found < 1:
        raise ValueError(f'{name} must be a number of bytes, or text such as "2GB", not {limit!r}')
    return int(found)


@contextmanager
def limited(
    limit: int | None, folder: str | os.PathLike[str] | None = None, least_array: int | None = None
) -> Iterator[None]:
    """Within the block, large new arrays are in files, and the process stays below the limit.

    Parameters
    ----------
    limit : int or None
        Bytes of the process that may be in memory. None changes nothing.
    folder : path-like, optional
        Of the files, which have no names and vanish with the arrays; by default the system's for temporary
        files, and also if this one may not be written to.
    least_array : int, optional
        Bytes of the smallest array that is in a file; by default a part of the limit.

    Raises
    ------
    MemoryError
        The limit leaves less than 64 MiB beyond what the process has in memory already.
    OSError
        The disk is full.

    Notes
    -----
    The arrays are ordinary ones, whose pages the system reads from files when they are used. A thread looks
    at the resident size of the process every millisecond. From 3/4 of the limit on, or 96 MiB below a limit
    of less than 384 MiB, it takes pages of the largest files out of the process. What is computed, and so
    every bit of a result, is the same. The limit goes on while any such array exists. A process that is
    forked shares these arrays with its parent.
    """
    if limit is None:
        yield
        return
    if not mapped.is_supported():
        raise NotImplementedError("memory_limit is not supported on Windows: leave it out")
    held = resident() - mapped.mapped_bytes() if mapped.mapped_bytes() else resident()
    if limit < held + LEAST:
        raise MemoryError(
            f"memory_limit={limit:,} bytes is too little: this process has {max(held, 0):,} in memory that "
            f"cannot be in files; give at least {held + LEAST:,}"
        )
    place = os.fsencode(_place(folder))
    threshold = least_array or min(max(limit // PART, LEAST_ARRAY), MOST_ARRAY)
    mapped.set_limit(limit)
    before = mapped.exchange(mapped.allocator(place, threshold))
    token = arrays.in_files.set(True)
    try:
        yield
    except MemoryError as error:
        number = mapped.last_errno()
        if number in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EMFILE, errno.EFBIG):
            raise OSError(number, os.strerror(number), os.fsdecode(place)) from error
        raise
    finally:
        arrays.in_files.reset(token)
        mapped.exchange(before)


def _place(folder: str | os.PathLike[str] | None) -> str:
    if folder is not None and os.path.isdir(folder) and os.access(folder, os.W_OK):
        return os.fspath(folder)
    return tempfile.gettempdir()


def map_file(file: IO[bytes], size: int) -> Any:
    """A buffer of an open file, mapped for reading; its pages are among those that a limit removes."""
    if mapped.is_supported():
        return mapped.map_file(file.fileno(), size)
    import mmap

    return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
