"""The cache folder, the only one that cfcore writes to unasked; several processes may share it."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "cache_folder", "has_digest", "is_as_recorded", "put", "record", "recorded", "remove", "scratch_folder",
]  # fmt: skip

#: Suffix of the file beside a file that holds its digest when it was put there.
RECORD = ".sha256"


def cache_folder() -> Path:
    """Folder for downloads: CFCORE_CACHE, or cfcore in the platform's cache folder; not created here."""
    chosen = os.environ.get("CFCORE_CACHE", "").strip()
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "cfcore" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/cfcore"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cfcore"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder inside the cache, for this process alone."""
    import tempfile

    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder, ignore_cleanup_errors=True) as own:
        yield Path(own)


def put(complete: Path, target: Path, digest: str | None = None) -> None:
    """Rename a complete file of a scratch folder to `target`: no process ever sees a part of it.

    Parameters
    ----------
    complete, target : Path
    digest : str, optional
        The sha256 of the file, recorded beside it.

    Raises
    ------
    OSError
        The target is not inside the cache: a link leads out of it.
    """
    folder = target.parent
    root = cache_folder().resolve()
    if not folder.resolve().is_relative_to(root):
        raise OSError(f"{folder} leads out of the cache {root}")
    folder.mkdir(parents=True, exist_ok=True)
    if digest is not None:
        record(target, digest)
    os.replace(complete, target)


def record(path: Path, digest: str) -> None:
    """Write a digest beside the place of a file."""
    note = path.with_name(path.name + RECORD)
    part = note.with_name(f".{note.name}.{os.getpid()}.tmp")
    part.write_text(f"{digest}  {path.name}\n", encoding="utf-8")
    os.replace(part, note)


def recorded(path: Path) -> str | None:
    """The digest that was recorded for a file, or None."""
    try:
        words = path.with_name(path.name + RECORD).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return None
    return words[0] if words else None


def is_as_recorded(path: Path) -> bool:
    """True if the file has the digest that was recorded when it was put there."""
    digest = recorded(path)
    return digest is not None and has_digest(path, "sha256", digest)


def remove(path: Path) -> None:
    """Remove a file and its record."""
    path.unlink(missing_ok=True)
    path.with_name(path.name + RECORD).unlink(missing_ok=True)


def has_digest(path: Path, algorithm: str, expected: str) -> bool:
    """True if the file has that digest."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == expected
