"""Files of ratings: paths, patterns, folders, archives, open files and standard input."""

from __future__ import annotations

import glob
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cfcore.data.columns import listed
from cfcore.data.formats import refuse_archive, refuse_folder
from cfcore.data.stream import Stream, decompressed
from cfcore.errors import DataError

__all__ = ["Place", "opened", "places"]

#: Endings of the files that a folder may hold beside its data.
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst", ".lzma", ".zip")
_TABLES = (".parquet", ".parq", ".pq", ".feather", ".arrow", ".ipc")


@dataclass(frozen=True)
class Place:
    """One file to read.

    Attributes
    ----------
    where : str
        Its name in errors.
    path : Path or None
    file : object or None
        An open file, where there is no path; None for standard input.
    constants : dict
        Values of columns that are written in the names of folders: ``year=2020``.
    """

    where: str
    path: Path | None = None
    file: Any = None
    constants: dict[str, str] = field(default_factory=dict)


def places(source: Any) -> list[Place]:
    """The files that an argument stands for, in the order in which they are read.

    Parameters
    ----------
    source : path, file object, or sequence of them
        A path may be a pattern (``ratings_*.csv``), a folder, or ``-`` for standard input.

    Raises
    ------
    FileNotFoundError
        When there is no such file, or none that fits the pattern.
    DataError
        For a URL, and for folders that hold other things than files of ratings.
    TypeError
        For any other argument.
    """
    if isinstance(source, (list, tuple)):
        found = [place for one in source for place in places(one)]
        if not found:
            raise ValueError("there is no file to read: the list of paths is empty")
        return found
    if hasattr(source, "read"):
        return [Place(_name_of(source), file=source)]
    if isinstance(source, bytes) or not isinstance(source, (str, os.PathLike)):
        advice = "wrap it in io.BytesIO" if isinstance(source, bytes) else "frames go to Ratings.from_frame"
        raise TypeError(
            f"a path, an open file or a list of them is needed, not {type(source).__name__}; {advice}"
        )
    path = os.fspath(source)
    if not isinstance(path, str):
        raise TypeError("a path must be text, not bytes")
    if path == "-":
        return [Place("standard input", file=_standard_input())]
    if "\n" in path or "\0" in path:
        raise DataError(f"{path[:40]!r}... is no path; text that is in memory is read from io.StringIO(text)")
    if match := re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+):/+", path):
        if match[1].lower() != "file":
            raise DataError(
                f"{path} is a URL: download the file first, or pass an open file, such as "
                "urllib.request.urlopen(url)"
            )
        path = unquote(path[match.end() - 1 :])
    return _on_disk(Path(path).expanduser())


def _on_disk(path: Path) -> list[Place]:
    if path.is_dir():
        return _in_folder(path)
    if not path.exists() and glob.has_magic(str(path)):
        names = sorted(glob.glob(str(path), recursive=True))
        if not names:
            raise FileNotFoundError(f"no file fits the pattern {str(path)!r}")
        return [place for name in names for place in _on_disk(Path(name))]
    return [Place(str(path), path)]


def _in_folder(folder: Path) -> list[Place]:
    """The data files in a folder and those below it; names that begin with "_" or "." are not data."""
    refuse_folder(folder)
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] not in "_.")
        found += [Path(parent, name) for name in sorted(names) if name[0] not in "_."]
    found = [path for path in found if path.suffix in _TABLES] or found
    endings = {_ending(path) for path in found}
    if not found:
        raise DataError(f"{folder} is a folder without data files")
    if len(endings) > 1:
        names = [str(path.relative_to(folder)) for path in found]
        raise DataError(
            f"{folder} is a folder of different files: {listed(names)}; name one of them, or a pattern such "
            f"as {str(folder / '*.csv')!r}"
        )
    return [
        Place(str(path), path, constants=_constants(path.relative_to(folder).parts[:-1])) for path in found
    ]


def _ending(path: Path) -> str:
    suffixes = [suffix for suffix in path.suffixes[-2:] if suffix not in _COMPRESSED]
    return suffixes[-1] if suffixes else ""


def _constants(folders: Sequence[str]) -> dict[str, str]:
    pairs = (folder.partition("=") for folder in folders)
    return {key: unquote(value) for key, equals, value in pairs if equals}


def _name_of(file: Any) -> str:
    name = getattr(file, "name", None)
    return name if isinstance(name, str) and name else "the file"


def _standard_input() -> Any:
    if sys.stdin is None or sys.stdin.closed:
        raise DataError("standard input is closed: there is nothing to read")
    return getattr(sys.stdin, "buffer", sys.stdin)


@contextmanager
def opened(place: Place) -> Iterator[Stream]:
    """The content of a file, unpacked."""
    with ExitStack() as stack:
        file = place.file
        if file is None:
            assert place.path is not None
            file = stack.enter_context(open(place.path, "rb"))
        stream = decompressed(Stream(_reader(file, place.where), place.where, place.path))
        start = stream.peek(4)
        if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            stream = decompressed(_only_member(stack, stream, place))
        yield stream


def _reader(file: Any, where: str) -> Any:
    """``read(n)`` of a file that is open in binary or in text mode."""

    def read(size: int) -> bytes:
        try:
            data = file.read(size)
        except UnicodeDecodeError as error:
            raise DataError(f"{where}: {error}; open it in binary mode, and pass encoding=") from None
        except ValueError as error:  # it is closed
            raise DataError(f"{where}: {error}") from None
        if isinstance(data, str):
            return data.encode("utf-8", errors="surrogatepass")
        if data is None:
            raise DataError(f"{where}: the file is in non-blocking mode, and has nothing to read")
        return bytes(data)

    return read


def _only_member(stack: ExitStack, stream: Stream, place: Place) -> Stream:
    """The content of an archive that holds one file."""
    import zipfile

    where = place.where
    # An archive is read from its end.
    whole: Any = place.path if place.path is not None else io.BytesIO(stream.read())
    try:
        archive = stack.enter_context(zipfile.ZipFile(whole))
    except zipfile.BadZipFile as error:
        if place.path is not None:  # it may be a compressed one
            with suppress(zipfile.BadZipFile):
                archive = stack.enter_context(zipfile.ZipFile(io.BytesIO(stream.read())))
                return _member(stack, archive, where)
        raise DataError(f"{where} is a zip archive that is damaged or truncated ({error})") from None
    return _member(stack, archive, where)


def _member(stack: ExitStack, archive: Any, where: str) -> Stream:
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    names = [name for name in names if not name.startswith("__MACOSX/") and not name.endswith(".DS_Store")]
    refuse_archive(names, where)
    if len(names) != 1:
        example = max(names, key=lambda name: archive.getinfo(name).file_size, default="ratings.csv")
        raise DataError(
            f"{where} is a zip archive with {len(names)} files: {listed(names)}; unpack it, or pass one that "
            f"is open: zipfile.ZipFile({where!r}).open({example!r})"
        )
    try:
        member = stack.enter_context(archive.open(names[0]))
    except (RuntimeError, NotImplementedError) as error:  # a password, or an unusual compression
        raise DataError(f"{where}: {error}; unpack it first") from None
    except Exception as error:
        raise DataError(f"{where} is a zip archive that is damaged or truncated ({error})") from None
    return Stream(member.read, f"{where}: {names[0]}")
