"""`Near`: arguments and results of tasks in memory that all processes of a host can map."""

from __future__ import annotations

import mmap
import os
import pickle
import secrets
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from cfcore.distributed.fit_shared import Neighbours, memory_file
from cfcore.distributed.fit_tasks import Lost

__all__ = ["Gone", "Near", "call_near", "can_open", "opened"]

Array = np.ndarray[Any, Any]

#: Seconds to wait for another process to answer.
PATIENCE = 60.0
#: Arrays start at multiples of so many bytes.
ALIGNED = 64


class Gone(Lost):
    """The memory of a value is gone: its process is lost, or has written the value's name to disk."""


class _Files:
    """The files of the values that this process has made, and its sockets."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.held: dict[str, int] = {}  # descriptors by token
        self.changing = threading.Lock()
        self.neighbours = Neighbours(self._copy_of, lambda *_: None, lambda: False)

    def _copy_of(self, token: str) -> int | None:
        with self.changing:
            return os.dup(self.held[token]) if token in self.held else None

    def add(self, file: int) -> str:
        """Have other processes map a file; the token by which they ask for it."""
        token = secrets.token_hex(8)
        with self.changing:
            self.held[token] = file
        return token

    def close(self, token: str) -> None:
        """Close a file; processes that have mapped it keep its contents."""
        with self.changing:
            os.close(self.held.pop(token))


_files: _Files | None = None
_making = threading.Lock()


def _files_here() -> _Files:
    global _files
    with _making:
        if _files is None or _files.process != os.getpid():  # none of its threads is in a forked process
            _files = _Files()
        return _files


class Near:
    """A value that travels as its name: who receives it maps its arrays, if on the same host.

    Parameters
    ----------
    value : object
        Pickles. Its arrays are copied; those of `value` below are read-only, and aligned to 64 bytes.

    Raises
    ------
    OSError
        The system has no such memory, or none left.
    """

    def __init__(self, value: Any) -> None:
        buffers: list[pickle.PickleBuffer] = []
        header = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        views = [np.frombuffer(one.raw(), np.uint8) for one in buffers]
        sizes = [len(view) for view in views]
        begins = np.cumsum([0, *(-(-size // ALIGNED) * ALIGNED for size in sizes)]).tolist()
        files = _files_here()
        file = memory_file(max(1, begins[-1]))
        token = files.add(file)
        self._close = weakref.finalize(self, files.close, token)
        for begin, view in zip(begins, views, strict=False):
            while len(view):  # at most 2 GiB at a time; a mapping would take a fault a page
                n = os.pwrite(file, view.data, begin)
                begin, view = begin + n, view[n:]
        self.told = files.neighbours.name, token, header, list(zip(begins, sizes, strict=False))

    @classmethod
    def _told(cls, *told: Any) -> Near:
        found = cls.__new__(cls)
        found.told = told
        return found

    def __reduce__(self) -> Any:
        return Near._told, self.told

    def close(self) -> None:
        """Let go of the memory, where the value was made."""
        self._close()

    @property
    def value(self) -> Any:
        """The value, its arrays mapped.

        Raises
        ------
        Gone
            The process that made it has closed it, or is lost, or on another host.
        """
        name, token, header, spans = self.told
        file = _files_here().neighbours.open(name, token, PATIENCE)
        if file is None:
            raise Gone("what a task needs is no longer on this host")
        try:
            flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
            view = memoryview(mmap.mmap(file, 0, flags, mmap.PROT_READ))
        finally:
            os.close(file)
        return pickle.loads(header, buffers=[view[begin : begin + size] for begin, size in spans])


def opened(value: Any) -> Any:
    """The value, mapped if it is `Near`."""
    return value.value if isinstance(value, Near) else value


def call_near(function: Callable[..., Any], *args: Any) -> Near:
    """Call a function with the values of arguments that are `Near`; its result."""
    return Near(function(*map(opened, args)))


def can_open(value: Near) -> bool:
    """Whether the process that made a value is on the host of this one."""
    try:
        return bool(value.value)
    except (Gone, OSError):
        return False
