"""Text files, compressed or not, read in blocks of whole lines."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cfcore.errors import DataError

__all__ = ["head", "line_blocks", "n_lines", "open_binary"]

# First bytes of a compressed file -> the module that reads it, imported on first use.
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ": "lzma"}

BLOCK = 1 << 25


@contextmanager
def open_binary(path: Path) -> Iterator[IO[bytes]]:
    """The file, decompressed while it is read if its first bytes are those of gzip, bzip2 or xz.

    Raises
    ------
    DataError
        From the ``with`` block, when the compressed data are damaged or truncated.
    """
    with open(path, "rb") as file:
        start = file.read(5)
    module = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)
    with importlib.import_module(module).open(path) if module else open(path, "rb") as file:
        try:
            yield file
        except Exception as error:
            if not _is_damage(error):
                raise
            raise DataError(f"{path}: the compressed file is damaged or truncated ({error})") from error


def _is_damage(error: Exception) -> bool:
    # lzma is imported only when needed, hence its exception by name. bz2 and gzip raise OSErrors without an
    # errno.
    of_data = isinstance(error, (EOFError, zlib.error)) or type(error).__name__ == "LZMAError"
    return of_data or (isinstance(error, OSError) and error.errno is None)


def head(path: Path, size: int = 1 << 16) -> bytes:
    """The first bytes, extended to the end of a line."""
    with open_binary(path) as file:
        return file.read(size) + file.readline()


def line_blocks(path: Path, begin: int) -> Iterator[bytes]:
    """Blocks of whole lines, from byte `begin` of the decompressed text on.

    Only the last may lack a line end. The whole text is never in memory.
    """
    with open_binary(path) as file:
        file.read(begin)
        rest = b""
        while block := file.read(BLOCK):
            cut = block.rfind(b"\n") + 1
            if cut == 0:
                rest += block
                continue
            yield rest + block[:cut] if rest else block[:cut]
            rest = block[cut:]
        if rest:
            yield rest


def n_lines(block: bytes) -> int:
    """Number of lines in a block, a last one without a line end included."""
    bytes_of: NDArray[Any] = np.frombuffer(block, dtype=np.uint8)
    return sum(
        int(np.count_nonzero(bytes_of[start : start + (1 << 20)] == 10))
        for start in range(0, len(block), 1 << 20)
    ) + (not block.endswith(b"\n"))
