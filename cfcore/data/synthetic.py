"""Synthetic ratings that resemble MovieLens: for tests of scale, and where no data set is available."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.data.ratings import Ratings, from_fields
from cfcore.progress import progress_bar
from cfcore.random import RandomState, generator

__all__ = ["synthetic"]

# Standard deviations of the terms, chosen to match MovieLens: ratings have a mean of 3.5 and a standard
# deviation of about 1.05, biases explain about a third of the variance, the best models have an RMSE near .8.
USER_BIAS, ITEM_BIAS, INTERACTION, NOISE = 0.44, 0.50, 0.44, 0.80
USER_DRIFT, ITEM_DRIFT, VISIT_BIAS = 0.15, 0.15, 0.12
ACTIVITY_SPREAD, POPULARITY_SPREAD, NEIGHBOURHOOD_SPREAD = 1.15, 1.6, 0.5

MEAN_SHARE = 0.69  # of the way from the least to the greatest rating
FIRST_SECOND, N_SECONDS = 1_000_000_000, 15 * 365 * 86_400


@dataclass(frozen=True)
class _Parameters:
    """Parameters that the ratings are drawn from."""

    user_bias: NDArray[np.float32]
    item_bias: NDArray[np.float32]
    user_factors: NDArray[np.float32]
    item_factors: NDArray[np.float32]
    user_drift: NDArray[np.float32]
    item_drift: NDArray[np.float32]
    joined: NDArray[np.int64]
    span: NDArray[np.int64]


def synthetic(
    n_users: int = 1000,
    n_items: int = 1000,
    n_ratings: int = 100_000,
    *,
    random_state: RandomState = 0,
    n_factors: int = 10,
    scale: tuple[float, float] = (0.5, 5.0),
    step: float | None = 0.5,
    timestamps: bool = True,
    verbose: int = 0,
) -> Ratings:
    """Low rank + biases + drift + noise, with popularity and activity as in MovieLens.

    Parameters
    ----------
    n_users, n_items, n_ratings : int
        At most half of all pairs can be rated. Ids are 1 ... n_users and 1 ... n_items.
    random_state : None, int, SeedSequence or Generator, default 0
        Equal seeds give equal ratings.
    n_factors : int, default 10
        Rank of the interaction of users and items.
    scale : (min, max), default (0.5, 5.0)
    step : float or None, default 0.5
        Distance of the levels that ratings are rounded to (1 with the scale (1, 5): whole stars). None: not
        rounded.
    timestamps : bool, default True
        Whether ratings have timestamps, which take 8 of 20 bytes a rating.
    verbose : int, default 0
        1 shows a progress bar.

    Returns
    -------
    Ratings
        Sorted by user; each pair at most once. An item may be without ratings if there are few.

    Raises
    ------
    TypeError
        For numbers of users, items, ratings or factors that are not integers.
    ValueError
        For numbers that are not positive, more ratings than half of the pairs, or a scale that is not a
        whole number of steps.

    Notes
    -----
    The rating of user u for item i at time t, a fraction x of the whole period after its middle, is ::

        r = mu + b_u + b_i + p_u . q_i + (d_u + d_i) x + b_uv + noise

    with b_uv a bias of the visit v of user u. Numbers of ratings are log-normal over users. Each user's items
    are a systematic sample without repetition; inclusion probabilities follow a log-normal popularity, which
    varies between blocks of users. O(n_ratings log n_items) time, less than a second for a million; about 200
    MB of memory beside the ratings.

    Examples
    --------
    >>> import cfcore as cf
    >>> len(cf.datasets.synthetic(200, 100, 5000, random_state=1))
    5000
    """
    sizes = {"n_users": n_users, "n_items": n_items, "n_ratings": n_ratings, "n_factors": n_factors}
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)):
            raise TypeError(f"{name} must be an integer, got {size!r}")
    n_users, n_items, n_ratings, n_factors = map(int, sizes.values())  # int8 would overflow
    if min(sizes.values()) < 1:
        raise ValueError("n_users, n_items, n_ratings and n_factors must be at least 1")
    if n_ratings > max(n_users * n_items // 2, 1):
        raise ValueError(f"n_ratings is {n_ratings}, more than half of the {n_users * n_items} pairs")
    low, high = float(scale[0]), float(scale[1])
    if not low < high or (step and abs((high - low) / step - round((high - low) / step)) > 1e-9):
        raise ValueError(f"scale {scale!r} must be an interval of whole steps of {step!r}")
    rng = generator(random_state)
    counts = _activity(rng, n_users, n_items, n_ratings)
    popularity = rng.normal(0, POPULARITY_SPREAD, n_items)
    parameters = _drawn(rng, n_users, n_items, n_factors, popularity)
    # The users of a block share a variation of the popularity, so there must be many. A block fits the cache.
    block = min(max(n_ratings // 64, 1 << 12), 1 << 20)
    ends = np.cumsum(counts)
    user_codes = np.repeat(np.arange(n_users, dtype=np.int32), counts)
    item_codes = np.empty(n_ratings, dtype=np.int32)
    values = np.empty(n_ratings, dtype=np.float32)
    times = np.empty(n_ratings if timestamps else 0, dtype=np.int64)
    first = 0
    with progress_bar(n_ratings, "synthetic ratings", verbose) as bar:
        while first < n_users:
            begin = int(ends[first] - counts[first])
            last = max(int(np.searchsorted(ends, begin + block, side="right")), first + 1)
            rows = slice(begin, int(ends[last - 1]))
            item_codes[rows] = _choose_items(rng, counts[first:last], popularity)
            when, visit_bias = _visits(rng, counts[first:last], parameters, first)
            exact = _continuous(rng, parameters, user_codes[rows], item_codes[rows], when, visit_bias)
            exact = (low + (high - low) * MEAN_SHARE) + exact * ((high - low) / 4.5)
            if step:
                exact = low + step * np.rint((exact - low) / step)
            values[rows] = np.clip(exact, low, high)
            if timestamps:
                times[rows] = when
            bar.update(rows.stop - rows.start)
            first = last
    return from_fields(
        user_codes, item_codes, values, times if timestamps else None,
        np.arange(1, n_users + 1), np.arange(1, n_items + 1), (low, high),
    )  # fmt: skip


def _activity(rng: np.random.Generator, n_users: int, n_items: int, n_ratings: int) -> NDArray[np.int64]:
    """Ratings of each user: log-normal, at least a third of the mean or 20, and n_ratings in all."""
    shape = np.exp(rng.normal(0, ACTIVITY_SPREAD, n_users))
    least, most = min(20, n_ratings // n_users // 3), max(1, int(n_items * 0.9))
    below, above = 0.0, 2.0 * n_ratings / shape.min()
    for _ in range(100):  # the total grows with the factor: bisection
        factor = (below + above) / 2
        if np.clip(shape * factor, least, most).sum() > n_ratings:
            above = factor
        else:
            below = factor
    counts = np.floor(np.clip(shape * below, least, most)).astype(np.int64)
    while (rest := n_ratings - int(counts.sum())) > 0:
        room = np.flatnonzero(counts < most)
        counts[rng.permutation(room)[:rest]] += 1
    return counts


def _drawn(
    rng: np.random.Generator, n_users: int, n_items: int, n_factors: int, popularity: NDArray[np.float64]
) -> _Parameters:
    def normal(deviation: float, *shape: int) -> NDArray[np.float32]:
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(deviation)

    # Standard deviation of each factor, so that that of p . q is INTERACTION.
    deviation = np.sqrt(INTERACTION / np.sqrt(n_factors))
    # Popular items have higher biases.
    weight = np.exp(popularity)
    liked = (0.45 * ITEM_BIAS / POPULARITY_SPREAD) * (popularity - (popularity @ weight) / weight.sum())
    joined = (rng.beta(1.2, 1.0, n_users) * N_SECONDS * 0.9).astype(np.int64)
    # Half of the users rate on a single visit, the others over months.
    span = np.where(rng.random(n_users) < 0.5, 0, rng.exponential(120 * 86_400, n_users)).astype(np.int64)
    return _Parameters(
        user_bias=normal(USER_BIAS, n_users),
        item_bias=normal(0.9 * ITEM_BIAS, n_items) + liked.astype(np.float32),
        user_factors=normal(deviation, n_users, n_factors),
        item_factors=normal(deviation, n_items, n_factors),
        user_drift=normal(USER_DRIFT, n_users),
        item_drift=normal(ITEM_DRIFT, n_items),
        joined=joined,
        span=np.minimum(span, N_SECONDS - 86_400 - joined),
    )


def _choose_items(
    rng: np.random.Generator, counts: NDArray[np.int64], popularity: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Distinct items for each user, the popular ones first.

    Systematic sampling: of consecutive intervals as long as the inclusion probabilities, points at distance 1
    hit each at most once. Items whose probability would exceed 1 are always chosen: the m most popular ones,
    where m depends on the user's count alone.
    """
    weight = np.exp(popularity + rng.normal(0, NEIGHBOURHOOD_SPREAD, len(popularity)))
    by_weight = np.argsort(-weight)
    weight = weight[by_weight]
    line = np.concatenate([[0.0], np.cumsum(weight)])
    # If m items are always chosen, the others share count - m; the m-th is one of them from this count on.
    # The margin excludes two points on one item by rounding.
    certain_from = np.arange(len(weight)) + (line[-1] - line[:-1]) / weight * (1 - 1e-9)
    n_certain = np.searchsorted(np.maximum.accumulate(certain_from), counts, side="right")
    n_certain = np.minimum(n_certain, counts)
    n_points = counts - n_certain
    start = line[n_certain]
    gap = (line[-1] - start) / np.maximum(n_points, 1)
    rank = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    certain = np.repeat(n_certain, counts)
    at = np.repeat(start + rng.random(len(counts)) * gap, counts) + (rank - certain) * np.repeat(gap, counts)
    hit = np.searchsorted(line, at, side="right") - 1
    chosen = np.where(rank < certain, rank, np.minimum(hit, len(weight) - 1))
    return by_weight[chosen].astype(np.int32)


def _visits(
    rng: np.random.Generator, counts: NDArray[np.int64], parameters: _Parameters, first: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Time of each rating, and the bias of the visit on which it was given."""
    users = slice(first, first + len(counts))
    joined, span = parameters.joined[users], parameters.span[users]
    n_visits = np.where(span == 0, 1, 1 + counts // 25)
    starts = np.cumsum(n_visits) - n_visits
    n_all = int(n_visits.sum())
    begin = np.repeat(joined, n_visits) + (rng.random(n_all) * np.repeat(span, n_visits)).astype(np.int64)
    bias = rng.standard_normal(n_all, dtype=np.float32) * np.float32(VISIT_BIAS)
    visit = np.repeat(starts, counts) + (rng.random(int(counts.sum())) * np.repeat(n_visits, counts)).astype(
        np.int64
    )
    return FIRST_SECOND + begin[visit] + rng.integers(0, 5400, len(visit)), bias[visit]


def _continuous(
    rng: np.random.Generator,
    parameters: _Parameters,
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    when: NDArray[np.int64],
    visit_bias: NDArray[np.float32],
) -> NDArray[Any]:
    """Ratings before they are rounded, as deviations from the mean."""
    share = ((when - FIRST_SECOND) / N_SECONDS - 0.5).astype(np.float32)
    exact = rng.standard_normal(len(users), dtype=np.float32) * np.float32(NOISE) + visit_bias
    exact += parameters.user_bias[users] + parameters.item_bias[items]
    exact += (parameters.user_drift[users] + parameters.item_drift[items]) * share
    exact += np.einsum("nk,nk->n", parameters.user_factors[users], parameters.item_factors[items])
    return exact
