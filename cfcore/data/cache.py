"""The cache folder, the only one that cfcore writes to unasked; several processes may share it."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cache_folder", "has_digest", "put", "scratch_folder"]


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


def put(complete: Path, target: Path) -> None:
    """Rename a complete file of a scratch folder to `target`: no process ever sees a part of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(complete, target)


def has_digest(path: Path, algorithm: str, expected: str) -> bool:
    """True if the file has that digest."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == expected
