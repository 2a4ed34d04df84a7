"""The container of ratings, its readers, data sets and splits."""

from __future__ import annotations

from cfcore.data.build import Duplicates
from cfcore.data.convert import as_pairs, as_ratings, needs_times, pair_columns
from cfcore.data.ratings import Ratings, from_fields

__all__ = ["Duplicates", "Ratings", "as_pairs", "as_ratings", "from_fields", "needs_times", "pair_columns"]
