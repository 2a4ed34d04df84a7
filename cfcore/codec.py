"""Files of arrays with a JSON header; this module knows nothing of models.

A file is in the safetensors format: a JSON table of contents, then raw little-endian arrays. Reading executes
nothing from the file. Strings are stored as UTF-8 bytes with offsets; the header and a checksum of everything
are in the metadata of the format.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cfcore.errors import FileFormatError

__all__ = ["FORMAT", "checksum", "from_json", "read", "to_json", "write"]

#: Version of the format. A file with a higher one is refused.
FORMAT = 1

Array = np.ndarray[Any, Any]

# Errors of reading content that `write` did not write: wrong types, missing entries, endless nesting ...
_DAMAGE = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError
)  # fmt: skip

# Tensor names: a string array `x` is stored as two tensors.
BYTES, OFFSETS = ".utf8", ".offsets"


def write(path: str | os.PathLike[str], header: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Write `header` and `arrays` to a file, which appears complete or not at all.

    Parameters
    ----------
    path : path-like
        Replaced if it exists.
    header : dict
        JSON-able.
    arrays : dict of str to ndarray
        Booleans, integers, floats, and strings (fixed-width or objects).

    Raises
    ------
    TypeError
        An array of another kind, or a header that is not JSON-able.
    OSError
        The file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    import cfcore
    from cfcore import kernels

    tensors: dict[str, Array] = {}
    dtypes: dict[str, str] = {}
    for name, array in arrays.items():
        if array.dtype.kind in "UO":
            tensors[name + BYTES], tensors[name + OFFSETS] = _encode_strings(name, array)
        elif array.dtype.kind in "biuf":
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
    # One entry: safetensors writes several in any order, and equal content should give equal files.
    metadata = {"cfcore": f"{checksum(text, tensors)} {text}"}
    path = Path(path)
    # In the same folder, because os.replace is atomic only within a file system.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:  # for the usual OSError, and the permissions of a new file
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        save_file(tensors, temporary, metadata)
        os.chmod(temporary, mode)  # safetensors may have replaced it by a private file
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except SafetensorError as error:  # for example, a full disk
        raise OSError(f"{path}: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read the header and the arrays of a file that `write` wrote.

    Raises
    ------
    FileFormatError
        The file is damaged, truncated, was not written by cfcore, or has a later version.
    OSError
        There is no such file, or it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    with open(path, "rb"):  # for the usual OSError, with the path
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if "cfcore" not in metadata:
                raise FileFormatError(f"{path}: a safetensors file, but not one that cfcore wrote")
            written, _, text = metadata["cfcore"].partition(" ")
            content = json.loads(text)
            version = content["format"]
            if version > FORMAT:
                raise FileFormatError(
                    f"{path}: written by cfcore {content['cfcore']} in format {version}; "
                    f"this cfcore reads formats up to {FORMAT}"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if written != checksum(text, tensors):
            raise FileFormatError(f"{path}: damaged, its checksum does not match its content")
        arrays = {name: _decode(name, dtype, tensors) for name, dtype in content["dtypes"].items()}
        return dict(content["header"]), arrays
    except FileFormatError:
        raise
    except (SafetensorError, *_DAMAGE) as error:
        raise FileFormatError(f"{path}: damaged, or not a file that cfcore wrote ({error})") from error


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
    wanted = np.dtype(dtype)
    if wanted.kind not in "biufUO":
        raise ValueError(f"{name}: dtype {dtype!r}")
    if wanted.kind not in "UO":
        # safetensors returns little-endian arrays; they are converted to native byte order
        return tensors[name].astype(wanted.newbyteorder("="), copy=False)
    data, offsets = tensors[name + BYTES].tobytes(), tensors[name + OFFSETS].tolist()
    strings = [data[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise(offsets)]
    array = np.empty(len(strings), dtype=wanted)
    array[:] = strings
    return array


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


def from_json(value: Any) -> Any:
    """Restore the value that `to_json` converted."""
    if isinstance(value, list):
        return [from_json(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if "$tuple" in value:
        return tuple(from_json(entry) for entry in value["$tuple"])
    if "$dtype" in value:
        return np.dtype(value["$dtype"])
    if "$seed_sequence" in value:
        kept = value["$seed_sequence"]
        return np.random.SeedSequence(
            kept["entropy"], spawn_key=tuple(kept["spawn_key"]), pool_size=kept["pool_size"]
        )
    return {key: from_json(entry) for key, entry in value.items()}
