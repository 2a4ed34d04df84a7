"""Arrays with guards around them, and changes that make arrays invalid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.fuzz.engine import Stream

GUARD, PATTERN = 64, 0xA5
DTYPES = (
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
    "longdouble", "bool", "complex64", ">i4", ">i8", ">f4", ">f8", "S4", "U3", "object", "datetime64[s]",
)  # fmt: skip


class Arena:
    """Copies of arrays between guards, which a write outside of an array changes."""

    def __init__(self) -> None:
        self._memory: list[Any] = []
        self._made: dict[int, Any] = {}

    def put(self, value: Any) -> Any:
        """A copy of a plain array; anything else, and arrays of odd layout, as they are.

        Two arguments that were one array are one array again.
        """
        if type(value) is not np.ndarray or value.dtype.hasobject:
            return value
        if not (value.flags.c_contiguous and value.flags.aligned and value.flags.owndata):
            return value
        known = self._made.get(id(value))
        if known is not None:
            return known
        size = value.nbytes
        memory = np.full(size + 3 * GUARD, PATTERN, dtype=np.uint8)
        begin = GUARD + -(memory.ctypes.data + GUARD) % GUARD
        copy = memory[begin : begin + size].view(value.dtype).reshape(value.shape)
        copy[...] = value
        copy.flags.writeable = value.flags.writeable
        self._memory.append((memory, begin, begin + size))
        self._made[id(value)] = copy
        return copy

    def broken(self) -> bool:
        """Whether a guard has been written."""
        return any((m[:a] != PATTERN).any() or (m[b:] != PATTERN).any() for m, a, b in self._memory)


def _content(stream: Stream, array: Any) -> Any:
    """Another number, or a few, somewhere."""
    out = array.copy()
    if not out.size:
        return out
    flat = out.reshape(-1)
    part = flat[stream.pick(out.dtype.names)] if out.dtype.names else flat
    for _ in range(1 + stream.below(3)):
        at = stream.below(len(part))
        if part.dtype.kind in "iu":
            bits = 8 * part.dtype.itemsize
            number = stream.integer() & (1 << bits) - 1
            part[at] = np.uint64(number).astype(f"u{bits // 8}").view(part.dtype)
        elif part.dtype.kind == "f":
            with np.errstate(over="ignore"):
                part[at] = stream.real()
    return out


def _neighbour(stream: Stream, array: Any) -> Any:
    """A number one more or one less: the end of a range, most likely."""
    out = array.copy()
    if out.size and out.dtype.kind in "iu":
        flat = out.reshape(-1)
        with np.errstate(over="ignore"):
            flat[stream.below(len(flat))] += (
                np.array(stream.pick((1, 255)), np.uint8).view(np.int8).astype(out.dtype)
            )
    return out


def _order(stream: Stream, array: Any) -> Any:
    out = array.copy()
    flat = out.reshape(-1)
    kind = stream.below(4)
    if kind == 0:
        return array[::-1].copy()
    if kind == 1 and len(flat) > 1:
        first, second = stream.below(len(flat)), stream.below(len(flat))
        flat[[first, second]] = flat[[second, first]]
    elif kind == 2 and len(flat):
        flat[:] = flat[stream.below(len(flat))]
    elif kind == 3:
        flat[:] = np.zeros(1, dtype=out.dtype)[0]
    return out


def _shape(stream: Stream, array: Any) -> Any:
    kind = stream.below(9)
    if kind == 0:
        return array[:-1].copy()
    if kind == 1:
        return np.concatenate([array, array[-1:]]) if array.ndim else array
    if kind == 2:
        return array[:0].copy()
    if kind == 3:
        return np.concatenate([array, array, array])
    if kind == 4:
        return array[..., None].copy()
    if kind == 5:
        return array.reshape(-1).copy()
    if kind == 6:
        return np.array(array.T, order="C")
    if kind == 7:
        return array[..., :0].copy()
    return array[..., :-1].copy()


def _layout(stream: Stream, array: Any) -> Any:
    kind = stream.below(6)
    if kind == 0:
        return array[::-1]
    if kind == 1:
        return np.repeat(array, 2, axis=0)[::2]
    if kind == 2:
        return np.asfortranarray(array)
    if kind == 3:
        memory = np.zeros(array.nbytes + 1, dtype=np.uint8)
        view = memory[1:].view(array.dtype).reshape(array.shape)
        view[...] = array
        return view
    if kind == 4:
        return np.broadcast_to(array.reshape(-1)[:1] if array.size else array, array.shape)
    return np.frombuffer(array.tobytes(), dtype=array.dtype).reshape(array.shape)


def changed_array(stream: Stream, array: Any, others: Sequence[Any]) -> Any:
    """The array with other numbers, order, shape, dtype, layout or kind; or memory that another one has."""
    kind = stream.below(16)
    if kind < 5:
        return _content(stream, array)
    if kind < 7:
        return _neighbour(stream, array)
    if kind < 8:
        return _order(stream, array)
    if kind < 11 and array.ndim:
        return _shape(stream, array)
    if kind < 12 and array.dtype.kind in "iufcb":
        with np.errstate(all="ignore"):
            array = array if array.dtype.kind == "b" else np.abs(array)
            return array.astype(np.dtype(stream.pick(DTYPES)))
    if kind < 13 and array.ndim:
        return _layout(stream, array)
    if kind < 14:
        out = array.copy()
        out.flags.writeable = not array.flags.writeable
        return out
    if kind < 15:
        made: tuple[Callable[[], Any], ...] = (
            array.tolist,
            array.tobytes,
            lambda: array.view(type("Sub", (np.ndarray,), {})),
            lambda: np.ma.masked_array(array),
            lambda: memoryview(array.tobytes()),
        )
        return stream.pick(made)()
    return _overlapping(stream, array, others)


def _overlapping(stream: Stream, array: Any, others: Sequence[Any]) -> Any:
    """An array of this dtype and shape in the memory of another, which must be of the same bytes at least."""
    fitting = [
        held
        for held in others
        if held is not array and held.nbytes >= array.nbytes and held.flags.c_contiguous
    ]
    if not fitting or not array.nbytes:
        return array
    raw = stream.pick(fitting).reshape(-1).view(np.uint8)
    return raw[: array.nbytes].view(array.dtype).reshape(array.shape)
