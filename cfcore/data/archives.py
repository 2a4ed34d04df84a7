"""Single members of zip archives, read up to a bound; nothing is unpacked by the names in an archive."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cfcore.errors import first_line

__all__ = ["ArchiveError", "copy_member", "member_blocks", "names"]

BLOCK = 1 << 22


class ArchiveError(Exception):
    """The archive is damaged, lacks the member, or the member is larger than allowed."""


def names(archive: Path) -> list[str]:
    """Paths of the members."""
    import zipfile

    try:
        with zipfile.ZipFile(archive) as zipped:
            return zipped.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ArchiveError(first_line(error)) from None


def member_blocks(archive: Path, member: str, most: int) -> Iterator[bytes]:
    """Content of a member, in blocks of at most 4 MB.

    Parameters
    ----------
    archive : Path
    member : str
        Its exact path in the archive. It is only looked up, and no file is written under it.
    most : int
        Bytes that the member may have; neither what the archive claims nor what is unpacked may exceed it.

    Raises
    ------
    ArchiveError
    """
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(archive) as zipped:
            info = zipped.getinfo(member)
            if info.file_size > most:
                raise ArchiveError(
                    f"{member} has {info.file_size:,} bytes, more than the {most:,} it may have"
                )
            with zipped.open(info) as source:
                yield from _bounded(source, info.file_size)
    except KeyError:
        raise ArchiveError(f"there is no {member} in it") from None
    # RuntimeError: encrypted; NotImplementedError: an unknown compression; ValueError: a damaged directory.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise ArchiveError(f"{member}: {first_line(error)}") from None


def _bounded(source: IO[bytes], size: int) -> Iterator[bytes]:
    left = size
    while block := source.read(BLOCK):
        left -= len(block)
        if left < 0:
            raise ArchiveError(f"a member has more than the {size:,} bytes that it claims")
        yield block


def copy_member(archive: Path, member: str, part: Path, most: int, *, drop_header: bool = False) -> str:
    """Write a member, without its first line if asked for, to the file `part`; return the sha256 of that."""
    digest = hashlib.sha256()
    with open(part, "wb") as out:
        for block in member_blocks(archive, member, most):
            if drop_header:
                _, end, block = block.partition(b"\n")
                drop_header = not end
            out.write(block)
            digest.update(block)
    return digest.hexdigest()
