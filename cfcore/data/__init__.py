"""Ratings and where they come from: the container, readers, data sets, splits."""

from __future__ import annotations

from cfcore.data.convert import as_pairs, as_ratings
from cfcore.data.ratings import Ratings

__all__ = ["Ratings", "as_pairs", "as_ratings"]
