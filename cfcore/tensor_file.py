"""The safetensors format: the length of a JSON table of contents, the table, then raw little-endian arrays.

The library of that name is not used, because it always maps files into memory: a process that reads a mapped
file is killed when another one shortens it. Nor does it write to file objects. Here shards of ratings, which
may be larger than memory, are mapped, and models where that is asked for.
"""

from __future__ import annotations

import io
import json
import math
import mmap
import os
import stat
import sys
from collections.abc import Iterable
from typing import IO, Any

import numpy as np

from cfcore.errors import FileFormatError
from cfcore.memory import map_file

__all__ = [
    "NAMES",
    "Place",
    "binary",
    "map_tensors",
    "name_of",
    "opened",
    "read_table",
    "read_tensors",
    "release",
    "unique",
    "write_tensors",
]

Array = np.ndarray[Any, Any]

#: A path, or a file object that is open in binary mode.
Place = str | os.PathLike[str] | IO[bytes]

#: Dtypes by their names in the format, and the reverse.
_DTYPES = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "F16": "<f2", "U32": "<u4",
    "I32": "<i4", "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8",
}  # fmt: skip
NAMES = {dtype: name for name, dtype in _DTYPES.items()}

#: Arrays of whole groups of so many bytes, as rows of factors often are, begin at multiples of it.
_GROUP = 64
#: Smaller arrays of a model are read into memory where its file is mapped.
SMALL = 1 << 16

#: Longest table of contents (that of the safetensors library), and most dimensions of an array.
_LONGEST_TABLE, _MOST_DIMENSIONS = 100_000_000, 8


def name_of(place: Any) -> str:
    """The path as it was given, or the name of a file object, for messages."""
    if isinstance(place, (str, os.PathLike)):
        return os.fsdecode(place)
    name = getattr(place, "name", None)
    return name if isinstance(name, str) else type(place).__name__


def binary(file: Any, method: str) -> IO[bytes]:
    """The file object itself; TypeError if it is none, or in text mode."""
    if not hasattr(file, method):
        raise TypeError(f"a path or a file object is wanted, not {type(file).__name__}")
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"{name_of(file)}: the file must be open in binary mode, not in text mode")
    binary: IO[bytes] = file
    return binary


class opened:
    """A file to read, and its size; file objects stay open."""

    def __init__(self, place: Place) -> None:
        self._own: IO[bytes] | None = None
        if isinstance(place, (str, os.PathLike)):
            file: IO[bytes] = open(os.path.expanduser(os.fsdecode(place)), "rb")  # noqa: SIM115
            self._own = file
            mode = os.fstat(file.fileno()).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
                file.close()
                raise FileFormatError(f"{name_of(place)}: not a regular file")
        else:
            file = binary(place, "read")
        self._file = file

    def __enter__(self) -> tuple[IO[bytes], int]:
        file = self._file
        try:
            position = file.tell()
            size = file.seek(0, os.SEEK_END) - position
            file.seek(position)
        except (AttributeError, OSError, ValueError):  # a pipe, or a stream that is decompressed
            data = file.read()
            if not isinstance(data, (bytes, bytearray)):
                raise TypeError(f"{name_of(file)}: the file must be open in binary mode") from None
            return io.BytesIO(data), len(data)
        return file, size

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            self._own.close()


def write_tensors(file: IO[bytes], metadata: dict[str, str], tensors: dict[str, Array]) -> None:
    """Write a safetensors file: arrays of whole groups of 64 bytes first, then greatest elements first.

    All are aligned so, for files that are mapped, and those of whole groups to groups.
    """
    table: dict[str, Any] = {"__metadata__": metadata}
    order = sorted(
        tensors, key=lambda name: (tensors[name].nbytes % _GROUP > 0, -tensors[name].itemsize, name)
    )
    end = 0
    for name in order:
        array = tensors[name]
        begin, end = end, end + array.nbytes
        table[name] = {
            "dtype": NAMES[array.dtype.newbyteorder("<").str],
            "shape": array.shape,
            "data_offsets": [begin, end],
        }
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % _GROUP)
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for name in order:
        if tensors[name].size:
            file.write(tensors[name].reshape(-1).view(np.uint8).data)


def read_tensors(file: IO[bytes], size: int) -> tuple[dict[str, str], dict[str, Array]]:
    """The metadata and the tensors of a safetensors file; ValueError if its sizes disagree with `size`."""
    metadata, found, _ = _contents(file, size)
    # All sizes are those of the file: only now is anything allocated.
    return metadata, {name: _tensor(file, dtype, shape) for name, (dtype, shape, _) in found.items()}


def map_tensors(file: IO[bytes], size: int, small: int = 0) -> tuple[dict[str, str], dict[str, Array]]:
    """As `read_tensors`, with arrays that are views of the mapped file: read-only, and nothing is read yet.

    Parameters
    ----------
    file : file object
        Of a regular file, read from its beginning. It may be closed afterwards.
    size : int
    small : int
        Arrays of fewer bytes are copied, and truth values checked.
    """
    metadata, found, begin = _contents(file, size)
    if sys.byteorder != "little" or not size:
        file.seek(begin)
        return metadata, {name: _tensor(file, dtype, shape) for name, (dtype, shape, _) in found.items()}
    # Of a model plain, so that `release` can give pages back.
    held = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if small else map_file(file, size)
    arrays = {}
    for name, (dtype, shape, at) in found.items():
        flat: Array = np.frombuffer(held, dtype, math.prod(shape), begin + at)
        arrays[name] = flat.reshape(shape).copy() if flat.nbytes < small else flat.reshape(shape)
        if small and dtype.kind == "b" and flat.view(np.uint8).max(initial=0) > 1:
            raise ValueError("booleans other than 0 and 1")
    return metadata, arrays


def release(arrays: Iterable[Array]) -> None:
    """Give the pages of mapped arrays back to the system, which reads them again when they are used."""
    maps = {}
    for array in arrays:
        base: Any = array
        while isinstance(base, np.ndarray) and base.base is not None:
            base = base.base
        base = getattr(base, "obj", base)  # of a memoryview
        if isinstance(base, mmap.mmap):
            maps[id(base)] = base
    for memory in maps.values():
        if hasattr(memory, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            memory.madvise(mmap.MADV_DONTNEED)


def _contents(file: IO[bytes], size: int) -> tuple[dict[str, str], dict[str, Any], int]:
    """The metadata; dtype, shape and place of each tensor, in the order of places; and where they begin."""
    table, left = _table(file, size)
    metadata = table.pop("__metadata__", {})
    end, tensors = 0, {}
    for name, entry in sorted(table.items(), key=lambda one: one[1]["data_offsets"]):
        dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), entry["shape"]
        if not _are_sizes(shape, size) or len(shape) > _MOST_DIMENSIONS:
            raise ValueError(f"{name}: shape {shape!r}")
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        if entry["data_offsets"] != [begin, end] or end > left:
            raise ValueError(f"{name}: its place {entry['data_offsets']!r} in the file does not fit")
        tensors[name] = (dtype, shape, begin)
    if end != left:
        raise ValueError(f"{left} bytes of arrays in place of {end}")
    return metadata, tensors, size - left


def read_table(file: IO[bytes], size: int) -> dict[str, Any]:
    """The table of contents alone; ValueError if its length disagrees with `size`."""
    return _table(file, size)[0]


def _table(file: IO[bytes], size: int) -> tuple[dict[str, Any], int]:
    """The table of contents, and the number of bytes that come after it."""
    length = int.from_bytes(_exactly(file, 8), "little")
    if length > min(size - 8, _LONGEST_TABLE):
        raise ValueError(f"a table of contents of {length} bytes")
    return json.loads(_exactly(file, length).decode(), object_pairs_hook=unique), size - 8 - length


def _are_sizes(shape: Any, most: int) -> bool:
    return isinstance(shape, list) and all(type(size) is int and 0 <= size <= most for size in shape)


def _tensor(file: IO[bytes], dtype: np.dtype[Any], shape: list[int]) -> Array:
    array = _aligned(shape, dtype)
    if array.size:
        _fill(file, array.reshape(-1).view(np.uint8).data)
    # Little-endian in the file; here in native byte order.
    array = array.astype(dtype.newbyteorder("="), copy=False)
    if dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:
        raise ValueError("booleans other than 0 and 1")
    return array


def _aligned(shape: list[int], dtype: np.dtype[Any]) -> Array:
    """An array that begins at a multiple of 64 bytes: rows of whole groups need no padded copy."""
    n_bytes = math.prod(shape) * dtype.itemsize
    room = np.empty(n_bytes + _GROUP, dtype=np.uint8)
    skip = -room.ctypes.data % _GROUP
    held: Array = room[skip : skip + n_bytes].view(dtype).reshape(shape)
    return held


def _exactly(file: IO[bytes], n: int) -> bytes:
    data = bytearray(n)
    _fill(file, memoryview(data))
    return bytes(data)


def _fill(file: IO[bytes], buffer: memoryview) -> None:
    """Read as many bytes as the buffer has; ValueError if the file ends before."""
    at, into = 0, getattr(file, "readinto", None)
    while at < len(buffer):
        if into is not None:
            n = into(buffer[at:]) or 0
        else:
            data = file.read(len(buffer) - at)
            n = len(data)
            buffer[at : at + n] = data
        if not n:
            raise ValueError("it is truncated")
        at += n


def unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError if a name repeats."""
    entries = list(pairs)
    found = dict(entries)
    if len(found) < len(entries):
        names = [name for name, _ in entries]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found
