"""Contents that tests compare: rows of ratings, rows of csv text, names of files in a folder."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import cfcore as cf


def rows_of(ratings: cf.Ratings) -> list[tuple[Any, ...]]:
    """User, item, rating and timestamp, or None, of each row."""
    times = [None] * len(ratings) if ratings.timestamps is None else ratings.timestamps.tolist()
    return list(
        zip(ratings.users.tolist(), ratings.items.tolist(), ratings.values.tolist(), times, strict=True)
    )


def csv_rows(text: str) -> list[dict[str, str]]:
    """Rows of csv text with a header, by its names."""
    return list(csv.DictReader(io.StringIO(text)))


def names(folder: Path) -> list[str]:
    """Names of all files in a folder."""
    return sorted(entry.name for entry in folder.iterdir())
