"""Bytes of a file with a look ahead, decompressed and in UTF-8, whatever it holds."""

from __future__ import annotations

import codecs
import importlib
import importlib.util
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cfcore.errors import CfcoreError, DataError

__all__ = ["Stream", "decompressed", "in_utf8"]

Read = Callable[[int], bytes]

# First bytes of a compressed file, as patterns -> its format. "BZh9" could be an id.
_MAGIC = {
    rb"\x1f\x8b": "gzip",
    rb"BZh[1-9](?![,;|:\t])": "bz2",
    rb"\xfd7zXZ\x00|\x5d\x00\x00": "lzma",
    rb"\x28\xb5\x2f\xfd": "zstd",
}

_MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


class Stream:
    """Bytes that are read once, from the beginning to the end, with a look ahead.

    Parameters
    ----------
    read : callable
        ``read(n)`` returns up to n bytes, none at the end.
    where : str
        Name of the file in errors.
    path : Path, optional
        The file that holds exactly these bytes.
    """

    def __init__(self, read: Read, where: str, path: Path | None = None) -> None:
        self._read, self.where, self.path, self._ahead = read, where, path, b""

    def _next(self, size: int) -> bytes:
        try:
            return self._read(size)
        except CfcoreError:
            raise
        except UnicodeError as error:
            wrong = f"{error}; "
            if isinstance(error, UnicodeDecodeError):
                wrong = f"{error.object[error.start : error.start + 8]!r} is not {error.encoding}; "
            raise DataError(
                f"{self.where}: {wrong}pass the encoding of the file, such as encoding='latin-1'"
            ) from None
        except Exception as error:
            if not _is_damage(error):
                raise
            raise DataError(f"{self.where}: the compressed file is damaged or truncated ({error})") from error

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, all that are left by default; fewer only at the end."""
        parts, n = [self._ahead] if self._ahead else [], len(self._ahead)
        self._ahead = b""
        while size < 0 or n < size:
            part = self._next(size - n if size >= 0 else 1 << 22)
            if not part:
                break
            parts.append(part)
            n += len(part)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if 0 <= size < n:
            data, self._ahead = data[:size], data[size:]
        return data

    def read_block(self, size: int) -> bytes:
        """As `read`, but what a look ahead has read comes first, alone, so that blocks are not copied."""
        if 0 < len(self._ahead) <= size:
            data, self._ahead = self._ahead, b""
            return data
        return self.read(size)

    def peek(self, size: int) -> bytes:
        """The next bytes, at least `size` unless the end comes before, which `read` returns again."""
        if len(self._ahead) < size:
            data = self.read(size)  # which may put back what is more
            self._ahead = data + self._ahead
        return self._ahead

    closed = False  # decompressors ask for it, and for the following

    def readable(self) -> bool:
        """True."""
        return True

    def close(self) -> None:
        """Nothing: the file is closed where it was opened."""


def _is_damage(error: Exception) -> bool:
    # Modules are imported only when needed, hence their exceptions by name. bz2 and gzip raise OSErrors
    # without an errno.
    name = type(error).__name__
    of_data = isinstance(error, (EOFError, zlib.error)) or name in ("LZMAError", "ZstdError", "BadZipFile")
    return of_data or (isinstance(error, OSError) and error.errno is None)


def decompressed(stream: Stream) -> Stream:
    """The stream itself, or its decompressed content if it begins as gzip, bzip2, xz or zstd do."""
    for _ in range(3):  # a compressed file may be compressed again, on its way
        start = stream.peek(6)
        kind = next((kind for magic, kind in _MAGIC.items() if re.match(magic, start)), None)
        if kind is None:
            return stream
        where, file = stream.where, _zstd(stream) if kind == "zstd" else _opened(kind, stream)
        stream = Stream(file.read, where)
    return stream


def _opened(kind: str, stream: Stream) -> Any:
    module = importlib.import_module(kind)
    if kind == "gzip":
        return module.GzipFile(fileobj=stream, mode="rb")
    return module.open(stream, "rb")


def _zstd(stream: Stream) -> Any:
    for name in ("compression.zstd", "backports.zstd"):  # in the standard library from Python 3.14 on
        if importlib.util.find_spec(name.partition(".")[0]) and importlib.util.find_spec(name):
            return importlib.import_module(name).open(stream, "rb")
    if importlib.util.find_spec("zstandard"):
        return _Zstandard(stream)
    if importlib.util.find_spec("pyarrow"):
        import pyarrow

        return pyarrow.CompressedInputStream(pyarrow.PythonFile(stream, mode="r"), "zstd")
    raise ImportError(f"{stream.where}: reading zstd needs zstandard: pip install 'cfcore[zstd]'")


class _Zstandard:
    """Frames of zstd; unlike the package's own reader it notices a file that ends within one."""

    def __init__(self, stream: Stream) -> None:
        import zstandard

        self._stream, self._new = stream, zstandard.ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._rest = b""

    def read(self, size: int) -> bytes:
        while True:
            data, self._rest = self._rest or self._stream.read(1 << 16), b""
            if not data:
                if self._frame is not None:
                    raise EOFError("it ends within a frame")
                return b""
            self._frame = self._frame or self._new()
            found: bytes = self._frame.decompress(data)
            if self._frame.eof:
                self._rest, self._frame = self._frame.unused_data, None
            if found:
                return found


def in_utf8(stream: Stream, encoding: str) -> tuple[Stream, str]:
    """The text without its byte order mark and with LF at line ends, and the encoding of its bytes.

    Encodings that extend ASCII by bytes are kept: fields are decoded one by one, later. All others become
    UTF-8.

    Raises
    ------
    ValueError
        When Python knows no such encoding.
    DataError
        When the bytes are no text.
    """
    try:
        info = codecs.lookup(encoding)
        if not getattr(info, "_is_text_encoding", True):
            raise LookupError
    except (LookupError, TypeError, ValueError):
        raise ValueError(
            f"encoding={encoding!r} is unknown; use a name such as 'utf-8' or 'latin-1'"
        ) from None
    known = info.name
    start = stream.peek(4096)
    mark = next((mark for mark in _MARKS if start.startswith(mark)), b"")
    if mark:
        known = _MARKS[mark]
    elif known in ("utf-8", "ascii", "utf-8-sig") and b"\0" in start[:200]:
        known = _wide(start[:200]) or known
    if known in ("utf-8", "utf-8-sig"):
        stream.read(len(mark) if mark == b"\xef\xbb\xbf" else 0)
        known = "utf-8"
    elif not _extends_ascii(known):
        stream, known = Stream(_transcoded(stream, known), stream.where), "utf-8"
    start = stream.peek(1 << 16)
    if b"\0" in start:
        raise DataError(f"{stream.where} is not a text file: it holds zero bytes")
    if b"\r" in start and b"\n" not in start:  # line ends of old Macs
        read = stream.read
        stream = Stream(lambda size: read(size).replace(b"\r", b"\n"), stream.where)
    return stream, known


def _wide(start: bytes) -> str | None:
    """UTF-16 without a byte order mark is told by the zero bytes of its ASCII characters."""
    low, high = start[0::2].count(0), start[1::2].count(0)
    if high > len(start) // 4 and low == 0:
        return "utf-16-le"
    return "utf-16-be" if low > len(start) // 4 and high == 0 else None


def _extends_ascii(encoding: str) -> bool:
    """Whether each byte is a character, and those of ASCII are the same."""
    every = bytes(range(256))
    try:
        text = every.decode(encoding, errors="replace")
    except (LookupError, UnicodeError):
        return False
    return len(text) == 256 and text[:128] == every[:128].decode("ascii")


def _transcoded(stream: Stream, encoding: str) -> Read:
    try:
        decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    except LookupError:
        raise ValueError(
            f"encoding={encoding!r} cannot be read in parts; convert the file to UTF-8"
        ) from None

    def read(size: int) -> bytes:
        while data := stream.read(min(max(size, 4), 1 << 22)):
            text = decoder.decode(data)
            if text:
                return text.encode("utf-8", errors="surrogatepass")
        return decoder.decode(b"", final=True).encode()

    return read
