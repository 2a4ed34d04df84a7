"""Splits of ratings by time; they are functions of ``cfcore.data.split``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cfcore.data import parts
from cfcore.data.convert import as_ratings

__all__ = ["by_time", "time_folds"]


def time_folds(ratings: Any, k: int = 5, *, return_rows: bool = False) -> Iterator[tuple[Any, ...]]:
    """Splits by time, into k + 1 consecutive parts; each but the first is the test part once.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
        With timestamps.
    k : int
    return_rows : bool, default False
        Yield the numbers of the rows of the parts, too.

    Yields
    ------
    train, test : Ratings
        All parts before a part, and that part. Parts have numbers of ratings as equal as is possible without
        dividing ratings of one timestamp.
    train_rows, test_rows : ndarray of int64
        Only with `return_rows`.

    Raises
    ------
    ValueError
        Without timestamps, or with too few different ones for k + 1 parts.
    """
    ratings = as_ratings(ratings)
    k = parts.number("k", k)
    times = ratings.timestamps
    if times is None:
        raise ValueError("time_folds needs ratings with timestamps")
    moments, counts = np.unique(times, return_counts=True)
    before = np.cumsum(counts)[:-1]
    wanted = len(ratings) * np.arange(1, k + 1) / (k + 1)
    cuts = [int(np.abs(before - want).argmin()) for want in wanted] if len(before) else []
    if len(set(cuts)) < k:
        raise ValueError(f"time_folds: the timestamps cannot be cut into {k + 1} parts; try a smaller k")
    ends = [*moments[cuts[1:]], moments[-1]]
    return (
        parts.taken(ratings, [times <= moments[cut], (times > moments[cut]) & (times <= end)], return_rows)
        for cut, end in zip(cuts, ends, strict=True)
    )


def by_time(
    ratings: Any, test: parts.Fractions | None = None, *, at: Any = None, return_rows: bool = False
) -> tuple[Any, ...]:
    """The latest ratings as the test part.

    Ratings of one timestamp are never divided: the cut is at the change of the timestamp that gives a
    fraction nearest to `test`.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
        With timestamps.
    test : float or sequence of float, default 0.2
        Fraction of the rows that should become the test part; or several, as for `holdout`, of parts that
        follow each other in time.
    at : str, date, datetime, datetime64 or int, or sequence of them, optional
        In place of `test`: the moment at which the test part begins, such as "1998-03-01" or
        "1998-03-01T12:00+01:00" (UTC where it names no zone); a number is compared to the timestamps as it
        is. Several moments, ascending, are those at which parts begin.
    return_rows : bool, default False
        Return the numbers of the rows of the parts, too.

    Returns
    -------
    train, test : Ratings
        Subsets, rows in input order; with several fractions or moments train, then a part for each.
    train_rows, test_rows : ndarray of int64
        Only with `return_rows`.

    Raises
    ------
    ValueError
        Without timestamps, with a single one, for fractions outside (0, 1), for what is no moment, and where
        a part would be empty.
    """
    ratings = as_ratings(ratings)
    times = ratings.timestamps
    if times is None:
        raise ValueError("by_time needs ratings with timestamps")
    if at is not None:
        if test is not None:
            raise ValueError("by_time takes test or at, not both")
        begins = parts.moments(at, times)
        part = np.searchsorted(np.array(begins), times, side="right")
        if min(np.bincount(part, minlength=len(begins) + 1)) == 0:
            raise ValueError(
                f"by_time: at={at!r} leaves a part empty: the ratings are from "
                f"{parts.shown(times.min(), times)} to {parts.shown(times.max(), times)}"
            )
        return parts.cut(ratings, part, len(begins) + 1, return_rows)
    test = 0.2 if test is None else test
    n, sizes = len(ratings), parts.sizes(len(ratings), test)
    moments, counts = np.unique(times, return_counts=True)
    if len(moments) < 2:
        raise ValueError("by_time needs at least two different timestamps")
    before = np.cumsum(counts)[:-1]
    wanted = n - np.cumsum(sizes[::-1])[::-1]
    cuts = [int(np.abs(before - one).argmin()) for one in wanted]
    if len(set(cuts)) < len(cuts):
        raise ValueError(
            f"by_time: test={test} leaves a part empty: too many ratings have the same timestamp"
        )
    part = np.searchsorted(moments[cuts], times, side="left")
    return parts.cut(ratings, part, len(sizes) + 1, return_rows)
