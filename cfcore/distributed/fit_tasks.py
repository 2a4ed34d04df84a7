"""What the tasks of fits have in common: a worker's threads, and arguments in memory that kernels read."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from cfcore.arrays import aligned_zeros

__all__ = ["Late", "Lost", "Scratch", "Static", "aligned", "own_threads", "ready", "scratch"]

Array = np.ndarray[Any, Any]

#: One call of kernels at a time in a process: it uses all threads of the worker.
_busy = threading.Lock()


class Lost(RuntimeError):
    """What a task needs is no longer there: the work is done again."""


class Late(Lost):
    """A task has waited too long for another one."""


@contextmanager
def own_threads() -> Iterator[int]:
    """The number of the worker's threads, which no other task of the worker uses meanwhile."""
    from distributed import get_worker

    with _busy:
        yield get_worker().state.nthreads


class Scratch:
    """Memory that steps of one kind write to, kept from one to the next: new pages take time."""

    def __init__(self) -> None:
        self.held = np.empty(0)

    def of(self, shape: tuple[int, ...]) -> Array:
        """An array of doubles."""
        if self.held.shape != shape:
            self.held = np.empty(shape)
        return self.held

    def clear(self) -> None:
        """Let go of it."""
        self.held = np.empty(0)


#: For the steps of a worker, one of which runs at a time.
scratch = Scratch()


class Static:
    """An argument of tasks, such as a part of the training data.

    It travels as one string of bytes: arrays that are views of a message may be read-only, or not aligned.

    Parameters
    ----------
    value : object
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self._n_bytes = 0

    def __reduce__(self) -> Any:
        import cloudpickle

        packed = cloudpickle.dumps(self.value, protocol=5)  # trainers hold modules
        self._n_bytes = len(packed)
        return _unpacked, (packed,)

    def __sizeof__(self) -> int:
        return self._n_bytes + 64  # by which Dask estimates the time of a transfer


def _unpacked(packed: bytes) -> Static:
    found = Static(pickle.loads(packed))
    found._n_bytes = len(packed)
    return found


def ready(array: Any) -> Any:
    """The array, or an aligned copy."""
    return None if array is None else np.require(array, requirements=["C", "A"])


def aligned(rows: Array) -> Array:
    """Rows that start at multiples of 64 bytes."""
    if rows.ctypes.data % 64 == 0 and rows.flags.c_contiguous:
        return rows
    found = aligned_zeros(rows.shape[0], rows.shape[1], rows.dtype)
    found[:] = rows
    return found
