"""Twin of `cfcore.kernels.factorization.ordinal` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import (
    DrawKey,
    OrdinalRatings,
    check_apart,
    check_cut_points,
    check_span,
)
from cfcore.reference.common.checks import check_array, check_record, check_threads
from cfcore.reference.common.rng import philox

Float64 = NDArray[np.float64]

#: Cut points further from a prediction count as this, in standard deviations.
BOUND = 1e8


def sum_likelihood(
    ratings: OrdinalRatings, cut_points: Float64, sums: Float64, span: tuple[int, int], n_threads: int
) -> None:
    """Log-likelihood of cut points and its derivatives, by pieces; see the kernel."""
    _check("sum_likelihood", ratings, cut_points, sums)
    check_apart("sum_likelihood", {"sums": sums}, dict(_arrays_of(ratings), cut_points=cut_points))
    begin, end = check_span("sum_likelihood", span, ratings.n_pieces, "pieces")
    check_threads(n_threads)
    for piece in range(begin, end):
        _sum_piece(ratings, cut_points, sums, piece)


def draw_latents(
    ratings: OrdinalRatings,
    cut_points: Float64,
    latents: Float64,
    sums: Float64,
    key: DrawKey,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """Latent ratings from their truncated normal distributions; see the kernel."""
    _check("draw_latents", ratings, cut_points, sums)
    check_record(key, DrawKey, "draw_latents: key")
    check_array(latents, np.float64, 1, True, "draw_latents: latents")
    if len(latents) != ratings.n:
        raise ValueError(f"draw_latents: there must be {ratings.n} latents, not {len(latents)}")
    read = dict(_arrays_of(ratings), cut_points=cut_points)
    check_apart("draw_latents", {"latents": latents, "sums": sums}, read)
    begin, end = check_span("draw_latents", span, ratings.n_pieces, "pieces")
    check_threads(n_threads)
    for piece in range(begin, end):
        _sum_piece(ratings, cut_points, sums, piece)
        own, first, last, scale, (low, high) = _piece(ratings, cut_points, piece)
        x = _truncated(first, last, _uniform(key, own)) / scale
        latents[own] = np.clip(ratings.predictions[own] + x, low, high)


def _check(function: str, ratings: OrdinalRatings, cut_points: Float64, sums: Float64) -> None:
    check_record(ratings, OrdinalRatings, f"{function}: ratings")
    check_array(cut_points, np.float64, 1, False, f"{function}: cut_points")
    check_array(sums, np.float64, 2, True, f"{function}: sums")
    check_cut_points(function, cut_points, ratings.n_levels)
    if sums.shape != (ratings.n_pieces, 6):
        raise ValueError(f"{function}: sums must be of shape ({ratings.n_pieces}, 6), not {sums.shape}")


def _arrays_of(ratings: OrdinalRatings) -> dict[str, NDArray[Any]]:
    return {name: held for name, held, _ in ratings.arrays()}


def _piece(ratings: OrdinalRatings, cut_points: Float64, piece: int) -> tuple[Any, ...]:
    """Ratings of a piece, ends of their level in standard deviations, 1 over these, and the cut points."""
    own = ratings.ratings[ratings.indptr[piece] : ratings.indptr[piece + 1]]
    ends = np.concatenate([[-np.inf], cut_points, [np.inf]])[ratings.levels[piece] :][:2]
    scale = np.ones(len(own)) if ratings.weights is None else np.sqrt(ratings.weights[own].astype(np.float64))
    first, last = (np.clip((end - ratings.predictions[own]) * scale, -BOUND, BOUND) for end in ends)
    return own, first, last, scale, ends


def _sum_piece(ratings: OrdinalRatings, cut_points: Float64, sums: Float64, piece: int) -> None:
    _, first, last, scale, _ = _piece(ratings, cut_points, piece)
    logs = _log_mass(first, last)
    low, high = (scale * np.exp(_log_density(end) - logs) for end in (first, last))
    sums[piece] = (
        logs.sum(), -low.sum(), high.sum(), (low * (first * scale - low)).sum(), (low * high).sum(),
        (-high * (last * scale + high)).sum(),
    )  # fmt: skip


def _log_density(x: Float64) -> Float64:
    return -0.5 * x * x - 0.5 * np.log(2 * np.pi)


def _reflected(first: Float64, last: Float64) -> tuple[NDArray[np.bool_], Float64, Float64]:
    """Whether intervals are reflected, so that their middle is not below 0, and their ends."""
    turned = first + last < 0
    return turned, np.where(turned, -last, first), np.where(turned, -first, last)


def _log_mass(first: Float64, last: Float64) -> Float64:
    """Logarithms of the probabilities of intervals."""
    from scipy.special import log_ndtr, ndtr

    _, a, b = _reflected(first, last)
    above_a, above_b = log_ndtr(-a), log_ndtr(-b)
    tail = above_a + np.log1p(-np.minimum(np.exp(above_b - above_a), 1 - 1e-16))
    whole = np.log1p(-np.minimum(ndtr(a) + ndtr(-b), 1 - 1e-16))
    found: Float64 = np.where(a < 0, whole, tail)
    return found


def _truncated(first: Float64, last: Float64, uniform: Float64) -> Float64:
    """Standard normal numbers in intervals, by the inverse distribution function on a log scale."""
    from scipy.special import log_ndtr, ndtri_exp

    turned, a, b = _reflected(first, last)
    mass = _log_mass(first, last)
    above = np.logaddexp(log_ndtr(-b), np.log(uniform) + mass)
    below = np.logaddexp(log_ndtr(a), np.log1p(-uniform) + mass)
    x = np.where(above < np.log(0.5), -ndtri_exp(np.minimum(above, -1e-300)), ndtri_exp(below))
    return np.where(turned, -x, x)


def _uniform(key: DrawKey, rows: NDArray[np.int32]) -> Float64:
    """A number in (0, 1) of each row, from 52 bits."""
    counters = np.zeros((len(rows), 4), dtype=np.uint32)
    counters[:, 1] = rows
    counters[:, 2:] = key.sweep, key.kind
    words = np.empty_like(counters)
    philox(counters, words, key.seed)
    pairs = (words[:, 0].astype(np.uint64) << np.uint64(32)) | words[:, 1]
    found: Float64 = (pairs >> np.uint64(12)).astype(np.float64) / 2.0**52 + 2.0**-53
    return found
