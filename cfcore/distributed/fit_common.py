"""`Common`: arrays in memory that the workers of a host map, and write; and how calls on them travel."""

from __future__ import annotations

import bisect
import io
import mmap
import os
import pickle
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from cfcore.arrays import aligned_zeros
from cfcore.distributed.fit_shared import memory_file

__all__ = ["Common", "Mapped"]

Array = np.ndarray[Any, Any]

#: Arrays that are copied for a call start at multiples of so many bytes.
ALIGNED = 64
#: Bytes of the memory for these, at least.
LEAST = 1 << 20
#: Bytes of arrays for which NumPy asks for large pages: those of memory in common are small.
LARGE = 1 << 22
#: How arrays are used.
READ, WRITTEN, GATHERED = range(3)


class _Region:
    """Memory of a file without a name, which lasts as long as an array in it, here or in another process."""

    def __init__(self, size: int) -> None:
        self.file = memory_file(max(size, 1))
        weakref.finalize(self, os.close, self.file)
        self.bytes = np.frombuffer(mmap.mmap(self.file, max(size, 1)), np.uint8)
        self.begin = int(self.bytes.ctypes.data)


class Common:
    """Arrays that this process and workers on its host have in common.

    Raises
    ------
    OSError
        Of all methods: the system has no such memory, or none left.
    """

    def __init__(self) -> None:
        self.regions: list[_Region] = []
        self.begins: list[tuple[int, int]] = []  # addresses of the regions, ascending, and their numbers
        self.named: dict[str, Array] = {}
        self.moved: dict[int, tuple[Array, Array]] = {}  # arrays and their copies, by identity
        self.scratch: int | None = None  # the region of what is copied for a call
        self.used = 0

    def _new(self, size: int) -> _Region:
        found = _Region(size)
        bisect.insort(self.begins, (found.begin, len(self.regions)))
        self.regions.append(found)
        return found

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """The array of a name, which has zeros at first."""
        found = self.named.get(name)
        if found is None or found.shape != tuple(shape) or found.dtype != dtype:
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            found = self._new(size).bytes[:size].view(dtype).reshape(shape)
            self.named[name] = found
        return found

    def keep(self, array: Array) -> Array:
        """A copy of an array."""
        found = self._new(array.nbytes).bytes[: array.nbytes].view(array.dtype).reshape(array.shape)
        np.copyto(found, array)
        return found

    def move(self, held: Any) -> Any:
        """A copy of an array, or of all in lists and tuples; the same one for the same array."""
        if isinstance(held, (list, tuple)):
            return type(held)([self.move(one) for one in held])
        if not isinstance(held, np.ndarray):
            return held
        if id(held) not in self.moved:
            self.moved[id(held)] = held, self.keep(held)
        return self.moved[id(held)][1]

    def forget(self) -> None:
        """Let go of the arrays that have been copied."""
        self.moved.clear()

    def place(self, array: Array) -> tuple[int, int] | None:
        """The region that has an array, and where it begins there; None if none has."""
        begin = int(array.__array_interface__["data"][0])
        at = bisect.bisect_right(self.begins, (begin, len(self.regions))) - 1
        if at < 0 or not array.size:
            return None
        number = self.begins[at][1]
        region = self.regions[number]
        inside = begin - region.begin
        return (number, inside) if inside < len(region.bytes) else None

    def packed(self, value: Any, gathered: Sequence[Array] = ()) -> bytes:
        """A value as bytes for `Mapped.value`; its arrays that are not here are copied, until the next call.

        Those that are `gathered` from, in no order, are read from copies in memory of large pages.
        """
        self.used = 0
        while True:
            file = io.BytesIO()
            _Pickler(file, self, gathered).dump(value)
            if self.scratch is not None and self.used <= len(self.regions[self.scratch].bytes):
                return file.getvalue()
            if not self.used:
                return file.getvalue()
            self._new(max(2 * self.used, LEAST))  # the others stay: workers may have mapped them
            self.scratch, self.used = len(self.regions) - 1, 0

    def copied(self, array: Array) -> tuple[int, int]:
        """Where a copy of an array is, if there is room."""
        begin = self.used
        self.used = begin + -(-array.nbytes // ALIGNED) * ALIGNED
        if self.scratch is None or self.used > len(self.regions[self.scratch].bytes):
            return -1, 0
        room = self.regions[self.scratch].bytes[begin : begin + array.nbytes]
        np.copyto(room.view(array.dtype).reshape(array.shape), array)
        return self.scratch, begin


class _Pickler(pickle.Pickler):
    """Writes where an array is in place of its numbers."""

    def __init__(self, file: Any, common: Common, gathered: Sequence[Array]) -> None:
        super().__init__(file, protocol=5)
        self.common, self.gathered = common, gathered

    def persistent_id(self, value: Any) -> Any:
        if type(value) is not np.ndarray or value.dtype.hasobject:
            return None
        found = self.common.place(value)
        if found is None:
            return (*self.common.copied(value), value.shape, None, value.dtype, READ)
        use = WRITTEN if value.flags.writeable else READ
        if value.nbytes >= LARGE and any(value is one for one in self.gathered):
            use = GATHERED
        return (*found, value.shape, value.strides, value.dtype, use)


class Mapped:
    """The regions that another process has sent, for values of `Common.packed`."""

    def __init__(self) -> None:
        self.regions: dict[int, Array] = {}
        self.arrays: dict[Any, Array] = {}
        self.large: dict[Any, tuple[Array, Array]] = {}  # with copies that are gathered from

    def add(self, number: int, file: int) -> None:
        """Map a region; closes the file."""
        try:
            self.regions[number] = np.frombuffer(mmap.mmap(file, 0), np.uint8)
        finally:
            os.close(file)

    def array(self, told: Any) -> Array:
        """The array that `Common` has told of."""
        found = self.arrays.get(told)
        if found is None:
            number, begin, shape, strides, dtype, use = told
            found = np.ndarray(shape, dtype, self.regions[number], begin, strides)
            if use == GATHERED:
                own = aligned_zeros(found.size, 1, dtype).reshape(shape)
                self.large[told] = found, own
                found = own
            found.flags.writeable = use == WRITTEN
            self.arrays[told] = found
        if told in self.large:
            common, own = self.large[told]
            own.flags.writeable = True
            np.copyto(own, common)
            own.flags.writeable = False
        return found

    def value(self, packed: bytes) -> Any:
        """The value."""
        unpickler = _Unpickler(io.BytesIO(packed))
        unpickler.mapped = self
        return unpickler.load()


class _Unpickler(pickle.Unpickler):
    mapped: Mapped

    def persistent_load(self, told: Any) -> Array:
        return self.mapped.array(told)
