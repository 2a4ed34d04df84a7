"""Twin of `cfcore.kernels.factorization.ordinal` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import (
    DrawKey,
    LatentDraws,
    OrdinalRatings,
    check_apart,
    check_cut_points,
    check_span,
    check_written,
)
from cfcore.reference.common.checks import check_array, check_record, check_threads
from cfcore.reference.common.rng import philox

Float64 = NDArray[np.float64]

#: Cut points further from a prediction count as this, in standard deviations.
BOUND = 1e8
#: Ratings of a block of draws.
DRAWN = 4096


def sum_likelihood(
    ratings: OrdinalRatings, cut_points: Float64, sums: Float64, span: tuple[int, int], n_threads: int
) -> None:
    """Log-likelihood of cut points and its derivatives, by pieces; see the kernel."""
    check_record(ratings, OrdinalRatings, "sum_likelihood: ratings")
    check_array(cut_points, np.float64, 1, False, "sum_likelihood: cut_points")
    check_array(sums, np.float64, 2, True, "sum_likelihood: sums")
    check_cut_points("sum_likelihood", cut_points, ratings.n_levels)
    if sums.shape != (ratings.n_pieces, 6):
        raise ValueError(f"sum_likelihood: sums must be of shape ({ratings.n_pieces}, 6), not {sums.shape}")
    read = {name: held for name, held, _ in ratings.arrays()}
    check_apart("sum_likelihood", {"sums": sums}, dict(read, cut_points=cut_points))
    begin, end = check_span("sum_likelihood", span, ratings.n_pieces, "pieces")
    check_threads(n_threads)
    for piece in range(begin, end):
        _sum_piece(ratings, cut_points, sums, piece)


def n_blocks(n: int) -> int:
    """The number of blocks in which `draw_latents` draws; see the kernel."""
    if not 0 <= n < 2**48:
        raise ValueError(f"n_blocks: n must be at least 0 and below 2^48, not {n}")
    return (int(n) + DRAWN - 1) // DRAWN


def draw_latents(
    draws: LatentDraws,
    cut_points: Float64,
    sums: Float64,
    key: DrawKey,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """Latent ratings from their truncated normal distributions; see the kernel."""
    check_record(draws, LatentDraws, "draw_latents: draws")
    check_array(cut_points, np.float64, 1, False, "draw_latents: cut_points")
    check_array(sums, np.float64, 1, True, "draw_latents: sums")
    check_record(key, DrawKey, "draw_latents: key")
    check_cut_points("draw_latents", cut_points, draws.n_levels)
    if len(sums) != n_blocks(draws.n):
        raise ValueError(f"draw_latents: there must be {n_blocks(draws.n)} sums, not {len(sums)}")
    check_written((draws,))
    read = {name: held for name, held, _ in draws.arrays()}
    check_apart("draw_latents", {"sums": sums}, dict(read, cut_points=cut_points))
    written = {"latents": draws.latents, "targets": draws.targets}
    check_apart("draw_latents", written, {"cut_points": cut_points})
    begin, end = check_span("draw_latents", span, n_blocks(draws.n), "blocks")
    check_threads(n_threads)
    ends = np.concatenate([[-np.inf], cut_points, [np.inf]])
    for block in range(begin, end):
        own = np.arange(block * DRAWN, min((block + 1) * DRAWN, draws.n))
        predictions = draws.latents[own] - draws.targets[own] + draws.products[own]
        low, high = ends[draws.levels[own]], ends[draws.levels[own] + np.intp(1)]
        scale = _scale(draws.weights, own)
        first, last = (np.clip((end - predictions) * scale, -BOUND, BOUND) for end in (low, high))
        sums[block] = _log_mass(first, last).sum()
        x = predictions + _truncated(first, last, _uniform(key, own)) / scale
        draws.latents[own] = np.clip(x, low, high)
        draws.targets[own] = draws.latents[own] - predictions + draws.products[own]


def level_chances(
    means: Float64, scales: Float64, cut_points: Float64, chances: Float64, n_threads: int
) -> None:
    """Chances of less than each cut point for mixtures; see the kernel."""
    from scipy.special import ndtr

    read = {"means": means, "scales": scales, "cut_points": cut_points}
    for name, held in read.items():
        check_array(held, np.float64, 2, False, f"level_chances: {name}")
    check_array(chances, np.float64, 2, True, "level_chances: chances")
    (n, m), n_cuts = means.shape, len(cut_points)
    if m < 1 or scales.shape != means.shape or cut_points.shape[1] != m or chances.shape != (n, n_cuts):
        raise ValueError(
            "level_chances: means and scales must be of one shape (n, m), m > 0, cut_points of (n_cuts, m) "
            f"and chances of (n, n_cuts), not {means.shape}, {scales.shape}, {cut_points.shape} and "
            f"{chances.shape}"
        )
    check_apart("level_chances", {"chances": chances}, read)
    check_threads(n_threads)
    for cut, points in enumerate(cut_points):
        chances[:, cut] = ndtr(scales * (points - means)).mean(axis=1)


def _scale(weights: NDArray[np.float32] | None, own: NDArray[Any]) -> Float64:
    """Square roots of the precisions of some of the ratings."""
    return np.ones(len(own)) if weights is None else np.sqrt(weights[own].astype(np.float64))


def _piece(ratings: OrdinalRatings, cut_points: Float64, piece: int) -> tuple[Any, ...]:
    """Ends of the level of a piece in the ratings' standard deviations, and 1 over these."""
    own = ratings.ratings[ratings.indptr[piece] : ratings.indptr[piece + 1]]
    ends = np.concatenate([[-np.inf], cut_points, [np.inf]])[ratings.levels[piece] :][:2]
    scale = _scale(ratings.weights, own)
    first, last = (np.clip((end - ratings.predictions[own]) * scale, -BOUND, BOUND) for end in ends)
    return first, last, scale


def _sum_piece(ratings: OrdinalRatings, cut_points: Float64, sums: Float64, piece: int) -> None:
    first, last, scale = _piece(ratings, cut_points, piece)
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


def _uniform(key: DrawKey, ratings: NDArray[np.intp]) -> Float64:
    """A number in (0, 1) of each rating, from 32 bits; four ratings of a tile of 64 share a counter."""
    counters = np.zeros((len(ratings), 4), dtype=np.uint32)
    counters[:, 1] = ratings // 64 * 16 + ratings % 16
    counters[:, 2:] = key.sweep, key.kind
    words = np.empty_like(counters)
    philox(counters, words, key.seed)
    own = words[np.arange(len(ratings)), ratings % 64 // 16].astype(np.float64)
    found: Float64 = (own + 0.5) / 2.0**32
    return found
