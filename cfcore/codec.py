"""Files of arrays with a JSON header; this module knows nothing of models.

A file is in the safetensors format. Reading executes nothing from the file, and allocates no more than a
small multiple of its size. Strings are stored as UTF-8 bytes with offsets; the header and a checksum of
everything are in the metadata of the format.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import IO, Any

import numpy as np

from cfcore import atomic, tensor_file
from cfcore.errors import FileFormatError
from cfcore.tensor_file import (
    NAMES,
    Place,
    binary,
    map_tensors,
    name_of,
    opened,
    read_table,
    read_tensors,
    unique,
    write_tensors,
)

__all__ = ["FORMAT", "checksum", "from_json", "name_of", "read", "to_json", "write", "written_by"]

#: Version of the format. A file with a higher one is refused.
FORMAT = 1

Array = np.ndarray[Any, Any]

# Errors of reading content that `write` did not write: wrong types, missing entries, endless nesting ...
_DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

# Tensor names: a string array `x` is stored as two tensors.
BYTES, OFFSETS = ".utf8", ".offsets"

#: Dtypes of arrays in the header, and the width up to which fixed-width strings keep that of the header.
_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|U\d{1,9}|O\d?)")
_WIDTH = 64

#: Largest pool of a SeedSequence in a file; NumPy makes pools of 4.
_LARGEST_POOL = 64


def write(place: Place, header: dict[str, Any], arrays: dict[str, Array], *, clean: bool = True) -> None:
    """Write `header` and `arrays` to a file, which appears complete or not at all.

    Parameters
    ----------
    place : path-like or file object
        A path is written as by `cfcore.atomic.replacing`.
    header : dict
        JSON-able.
    arrays : dict of str to ndarray
        Booleans, integers, floats, and strings (fixed-width or objects).
    clean : bool
        As of `cfcore.atomic.replacing`.

    Raises
    ------
    TypeError
        An array of another kind, a header that is not JSON-able, or a file object in text mode.
    OSError
        The file cannot be written.
    """
    import cfcore
    from cfcore import kernels

    tensors: dict[str, Array] = {}
    dtypes: dict[str, str] = {}
    for name, array in arrays.items():
        if array.dtype.kind in "UO":
            tensors[name + BYTES], tensors[name + OFFSETS] = _encode_strings(name, array)
        elif array.dtype.newbyteorder("<").str in NAMES:
            tensors[name] = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        else:
            raise TypeError(f"{name}: arrays of {array.dtype} cannot be saved")
        dtypes[name] = array.dtype.str
    text = json.dumps(
        {
            "format": FORMAT,
            "cfcore": cfcore.__version__,
            "simd_level": kernels.current_level(),
            "dtypes": dtypes,
            "header": header,
        }
    )
    metadata = {"cfcore": f"{checksum(text, tensors)} {text}"}
    output: AbstractContextManager[IO[bytes]]
    if isinstance(place, (str, os.PathLike)):
        output = atomic.replacing(place, clean=clean)
    else:
        output = nullcontext(binary(place, "write"))
    with output as file:
        write_tensors(file, metadata, tensors)


def read(place: Place, *, mapped: bool = False) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read the header and the arrays of a file that `write` wrote.

    Parameters
    ----------
    place : path-like or file object
        "~" stands for the home folder. A file object is read from its position to its end.
    mapped : bool
        Map arrays of 64 KiB and more into memory: reading one of a file that was shortened ends the process.
        The whole file is read once, for its checksum.

    Raises
    ------
    FileFormatError
        The file is damaged, truncated, was not written by cfcore, or has a later version.
    OSError
        There is no such file, or it cannot be read.
    TypeError
        A file object in text mode, or one that should be mapped.
    ValueError
        A pipe that should be mapped.
    """
    name, source = name_of(place), opened(place)
    if mapped:
        _check_mappable(place)
    try:
        with source as (file, size):
            found = map_tensors(file, size, tensor_file.SMALL) if mapped else read_tensors(file, size)
        metadata, tensors = found
        if "cfcore" not in metadata:
            raise FileFormatError(f"{name}: a safetensors file, but not one that cfcore wrote")
        written, _, text = metadata["cfcore"].partition(" ")
        content = json.loads(text, object_pairs_hook=unique)
        version = content["format"]
        if version > FORMAT:
            raise FileFormatError(
                f"{name}: written by cfcore {content['cfcore']} in format {version}; "
                f"this cfcore reads formats up to {FORMAT}"
            )
        if written != checksum(text, tensors):
            raise FileFormatError(f"{name}: damaged, its checksum does not match its content")
        arrays = {entry: _decode(entry, dtype, tensors) for entry, dtype in content["dtypes"].items()}
        if tensors:
            raise ValueError(f"{min(tensors)} is not in the list of arrays")
        if not isinstance(content["header"], dict):
            raise ValueError(f"header {content['header']!r}"[:100])
        return content["header"], arrays
    except FileFormatError:
        raise
    except _DAMAGE as error:
        raise FileFormatError(f"{name}: damaged, or not a file that cfcore wrote ({error})") from error


def _check_mappable(place: Place) -> None:
    if not isinstance(place, (str, os.PathLike)):
        raise TypeError(
            f"{name_of(place)}: a path is wanted with memory_map=True; leave it out to read a file object"
        )
    if not os.path.isfile(os.path.expanduser(os.fsdecode(place))):
        raise ValueError(f"{name_of(place)}: a pipe cannot be mapped; leave out memory_map=True")


def written_by(path: str | os.PathLike[str]) -> str:
    """The version of cfcore that wrote a file, which is not checked otherwise.

    Raises
    ------
    FileFormatError
        It has no such entry.
    """
    try:
        with opened(path) as (file, size):
            text: str = read_table(file, size)["__metadata__"]["cfcore"]
        return str(json.loads(text.partition(" ")[2])["cfcore"])
    except _DAMAGE as error:
        raise FileFormatError(
            f"{name_of(path)}: damaged, or not a file that cfcore wrote ({error})"
        ) from error


def checksum(text: str, tensors: dict[str, Array]) -> str:
    """CRC-32 over the header and each tensor's name, dtype, shape and bytes, in the order of names."""
    crc = zlib.crc32(text.encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        crc = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"


def _encode_strings(name: str, array: Array) -> tuple[Array, Array]:
    """UTF-8 bytes of all strings, concatenated, and the start of each, followed by the end."""
    if array.ndim != 1:
        raise TypeError(f"{name}: arrays of strings are saved in one dimension only, not {array.ndim}")
    encoded = []
    for text in array.tolist():
        if not isinstance(text, str):
            raise TypeError(f"{name}: holds {text!r}; object arrays can be saved when all are strings")
        # surrogatepass: ids may hold lone surrogates, and are stored unchanged
        encoded.append(text.encode("utf-8", "surrogatepass"))
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


def _decode(name: str, dtype: str, tensors: dict[str, Array]) -> Array:
    """An array of the file, taken out of `tensors`."""
    if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
        raise ValueError(f"{name}: dtype {dtype!r}")
    wanted = np.dtype(dtype).newbyteorder("=")
    if wanted.kind not in "UO":
        array = tensors.pop(name)
        if array.dtype != wanted:
            raise ValueError(f"{name}: dtype {dtype!r}, but an array of {array.dtype}")
        return array
    strings = _decode_strings(name, tensors.pop(name + BYTES), tensors.pop(name + OFFSETS))
    if wanted.kind == "U":
        # Of no more than this width, to be bounded by the size of the file; longer ids are objects.
        longest = max(map(len, strings), default=0)
        if longest * 4 > wanted.itemsize:
            raise ValueError(f"{name}: strings of {longest} characters, but dtype {dtype!r}")
        wanted = np.dtype(object if longest > _WIDTH else f"U{min(wanted.itemsize // 4, _WIDTH)}")
    held = np.empty(len(strings), dtype=wanted)
    held[:] = strings
    return held


def _decode_strings(name: str, data: Array, offsets: Array) -> list[str]:
    if data.dtype != np.uint8 or data.ndim != 1 or offsets.dtype != np.int64 or offsets.ndim != 1:
        raise ValueError(f"{name}: strings are bytes and int64 offsets")
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(data) or (offsets[1:] < offsets[:-1]).any():
        raise ValueError(f"{name}: offsets of strings must ascend from 0 to {len(data)}")
    text = data.tobytes()
    return [text[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise(offsets.tolist())]


def to_json(value: Any, name: str = "") -> Any:
    """Convert a value to JSON types, from which `from_json` restores it.

    Supports None, booleans, numbers, strings, lists, tuples, dicts with string keys, NumPy scalars (as
    Python's), dtypes and SeedSequences. A Generator, BitGenerator or RandomState becomes None: its
    state is not part of a file.

    Raises
    ------
    TypeError
        For any other value; the message names the entry.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list):
        return [to_json(entry, name) for entry in value]
    if isinstance(value, tuple):
        return {"$tuple": [to_json(entry, name) for entry in value]}
    if isinstance(value, dict) and all(isinstance(key, str) and key[:1] != "$" for key in value):
        return {key: to_json(entry, key) for key, entry in value.items()}
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return {"$dtype": np.dtype(value).str}
    if isinstance(value, np.random.SeedSequence):
        return {
            "$seed_sequence": {
                "entropy": to_json(value.entropy),
                "spawn_key": list(value.spawn_key),
                "pool_size": value.pool_size,
            }
        }
    if isinstance(value, (np.random.Generator, np.random.BitGenerator, np.random.RandomState)):
        return None
    raise TypeError(f"{name or 'value'}: {value!r} cannot be saved to a file")


def from_json(value: Any, name: str = "") -> Any:
    """Restore the value that `to_json` converted.

    Raises
    ------
    ValueError
        It is not such a value; the message names the entry.
    """
    if isinstance(value, list):
        return [from_json(entry, name) for entry in value]
    if not isinstance(value, dict):
        return value
    form = next(iter(value)) if len(value) == 1 else ""
    if form not in _FORMS:
        return {key: from_json(entry, key) for key, entry in value.items()}
    try:
        return _FORMS[form](value[form], name)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{name or 'value'} is no valid {form[1:]}: {error}") from error


def _tuple(kept: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(kept, list):
        raise ValueError(f"{kept!r}")
    return tuple(from_json(entry, name) for entry in kept)


def _dtype(kept: Any, name: str) -> np.dtype[Any]:
    if not (isinstance(kept, str) and _DTYPE.fullmatch(kept)):
        raise ValueError(f"{kept!r}")
    return np.dtype(kept)


def _seed_sequence(kept: Any, name: str) -> np.random.SeedSequence:
    """The SeedSequence; ValueError for a large pool, whose mixing takes time by the square of its size."""
    size, entropy, key = kept["pool_size"], kept["entropy"], kept["spawn_key"]
    if type(size) is not int or not 4 <= size <= _LARGEST_POOL:
        raise ValueError(f"pool_size must be between 4 and {_LARGEST_POOL}, not {size!r}")
    return np.random.SeedSequence(entropy, spawn_key=tuple(key), pool_size=size)


#: How values of other types than JSON's are restored: each is an object with this one entry.
_FORMS = {"$tuple": _tuple, "$dtype": _dtype, "$seed_sequence": _seed_sequence}
