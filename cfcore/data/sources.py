"""Where the file of a data set comes from: a folder of the user's, the cache, its publisher, an index."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from cfcore.data.cache import cache_folder
from cfcore.data.catalog import CATALOG
from cfcore.errors import CfcoreError

__all__ = ["DatasetUnavailable", "locate"]

logger = logging.getLogger("cfcore")


class DatasetUnavailable(CfcoreError, FileNotFoundError):
    """No source has the data set; the message says what was tried and what to do."""


def locate(name: str) -> Path:
    """Path of the ratings file of a data set."""
    entry = CATALOG[name]
    tried = []
    for folder in (os.environ.get("CFCORE_DATA", ""), str(cache_folder())):
        path = Path(folder) / entry.folder / entry.file
        if folder and path.is_file():
            logger.info("%s: read from %s", name, path)
            return path
        tried.append(str(path))
    raise DatasetUnavailable(f"{name}: not found; tried {tried}")
