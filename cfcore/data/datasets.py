"""Public data sets, found or fetched, and synthetic ones."""

from __future__ import annotations

import numpy as np

from cfcore.data import readers, sources, split as splits
from cfcore.data.catalog import CATALOG, ML100K_SPLITS
from cfcore.data.ratings import Ratings
from cfcore.random import RandomState

__all__ = ["load"]


def load(
    name: str, split: str | float | None = None, *, random_state: RandomState = 0
) -> Ratings | tuple[Ratings, Ratings]:
    """A public data set, whole or as training and test part."""
    if name not in CATALOG:
        raise ValueError(f"unknown data set {name!r}; known: {', '.join(CATALOG)}")
    if isinstance(split, str) and (name != "ml-100k" or split not in ML100K_SPLITS):
        raise ValueError(f"unknown split {split!r} of {name}; ml-100k has {', '.join(ML100K_SPLITS)}")
    entry = CATALOG[name]
    ratings = readers.read(
        sources.locate(name), separator=entry.separator, header=entry.header, scale=entry.scale
    )
    if split is None:
        return ratings
    if isinstance(split, str):
        return predefined(ratings, split)
    return splits.holdout(ratings, test=split, random_state=random_state)


def predefined(ratings: Ratings, split: str) -> tuple[Ratings, Ratings]:
    """One of the splits that come with ml-100k, rebuilt from the order of its rows."""
    n = len(ratings)
    if split in ("ua", "ub"):
        # Each user's rows in input order: the first ten are the test part of ua, the next ten of ub.
        order = np.argsort(ratings.user_codes, kind="stable")
        starts = np.cumsum(ratings.user_counts) - ratings.user_counts
        rank = np.empty(n, dtype=np.int64)
        rank[order] = np.arange(n) - np.repeat(starts, ratings.user_counts)
        first = 10 * ("ua", "ub").index(split)
        held = (rank >= first) & (rank < first + 10)
    else:
        held = np.arange(n) // 20_000 == int(split[1]) - 1
    by_pair = ratings.by_user.order
    ratings.drop_index()
    return ratings.subset(by_pair[~held[by_pair]]), ratings.subset(by_pair[held[by_pair]])
