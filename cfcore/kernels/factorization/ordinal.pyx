"""Ordered probit: sums of the log-likelihood of cut points and its derivatives, and draws of latent ratings.

The twin is `cfcore.reference.factorization.ordinal`, the inner loops are in `ordinal_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t

from cfcore.kernels.common.arrays cimport check_array, check_record, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.factorization.ordinal_loops cimport (
    DRAWN,
    SUMS,
    LatentArrays,
    OrdinalArrays,
    OrdinalLoops,
)

from cfcore.kernels import simd
from cfcore.kernels.records import (
    DrawKey,
    LatentDraws,
    OrdinalRatings,
    check_apart,
    check_cut_points,
    check_span,
    check_written,
)

cnp.import_array()

cdef const OrdinalLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const OrdinalLoops *>table_in(capsule)


simd.register("factorization.ordinal_loops", _use)


def sum_likelihood(ratings, cut_points, sums, span, n_threads):
    r"""Sum the log-likelihood of cut points over the ratings of each piece, latent ratings integrated out.

    A rating is of level l where its latent rating, normal around the prediction f with precision w, is
    between the cut points c_(l-1) and c_l: :math:`P(l) = \Phi(\sqrt{w} (c_l - f)) - \Phi(\sqrt{w} (c_{l-1} -
    f))`.

    Parameters
    ----------
    ratings : OrdinalRatings
    cut_points : float64[n_levels - 1]
        Ascending.
    sums : float64[n_pieces, 6], overwritten
        Of each piece: the sum of log P(l), its derivatives by the cut point below the level and by that
        above it, and the second derivatives: twice by that below, by both, twice by that above.
    span : (begin, end)
        The pieces to sum.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When dimensions differ, cut points are not ascending, or `sums` is read-only or shares memory with
        another array.

    Notes
    -----
    O(n). Probabilities are differences of upper tails, from Mills' ratio relative to the nearer cut point:
    relative error 1e-13 at any distance from the prediction, up to 1e8 standard deviations. The same bits for
    any number of threads, spans and SIMD levels: lanes of 8 ratings, added at the end of a piece.
    """
    check_record(ratings, OrdinalRatings, "sum_likelihood: ratings")
    check_array(cut_points, cnp.NPY_FLOAT64, 1, False, "sum_likelihood: cut_points")
    check_array(sums, cnp.NPY_FLOAT64, 2, True, "sum_likelihood: sums")
    check_cut_points("sum_likelihood", cut_points, ratings.n_levels)
    if sums.shape[0] != ratings.n_pieces or sums.shape[1] != SUMS:
        raise ValueError(
            f"sum_likelihood: sums must be of shape ({ratings.n_pieces}, {SUMS}), not {sums.shape}"
        )
    read = {name: held for name, held, _ in ratings.arrays()}
    check_apart("sum_likelihood", {"sums": sums}, dict(read, cut_points=cut_points))
    cdef OrdinalArrays given = OrdinalArrays(
        indptr=<const int64_t *>pointer(ratings.indptr), ratings=<const int32_t *>pointer(ratings.ratings),
        levels=<const int32_t *>pointer(ratings.levels),
        predictions=<const double *>pointer(ratings.predictions), weights=NULL,
        cut_points=<const double *>pointer(cut_points), sums=<double *>pointer(sums),
        n_levels=ratings.n_levels,
    )
    if ratings.weights is not None:
        given.weights = <const float *>pointer(ratings.weights)
    cdef Py_ssize_t begin, end, piece
    begin, end = check_span("sum_likelihood", span, ratings.n_pieces, "pieces")
    cdef int workers = 0, team = team_size(n_threads)
    for piece in prange(begin, end, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        loops.sum_piece(&given, piece)
    report_workers(workers)


def n_blocks(n):
    """Blocks of 4096 that `draw_latents` draws n latents in; ValueError unless 0 <= n < 2^48."""
    if not 0 <= n < 2**48:
        raise ValueError(f"n_blocks: n must be at least 0 and below 2^48, not {n}")
    return (int(n) + DRAWN - 1) // DRAWN


def draw_latents(draws, cut_points, sums, key, span, n_threads):
    """Draw latent ratings from their truncated normal distributions; targets follow them.

    The latent rating of a rating of level l is normal around the prediction f, latent - target + product, and
    between the cut points c_(l-1) and c_l.

    Parameters
    ----------
    draws : LatentDraws
        `latents` and `targets` are changed in place.
    cut_points : float64[n_levels - 1]
        Ascending.
    sums : float64[n_blocks(n)], overwritten
        For the blocks drawn: the sum of log P(l), as in `sum_likelihood`.
    key : DrawKey
        The ratings of a tile of 64 take words of the numbers of (seed, kind, sweep, rating // 4).
    span : (begin, end)
        The blocks of 4096 ratings to draw.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When dimensions differ, cut points are not ascending, or an array that is written is read-only or
        shares memory with another.

    Notes
    -----
    O(n). By the inverse distribution function (Devroye, "Non-uniform random variate generation", 1986), on
    the side where the mass beyond the draw is at most a half, so that nothing cancels; one uniform number of
    32 bits a rating, no rejection. A tile of 64 ratings is drawn in float32, with errors of about 1e-6 of the
    probability, if each interval begins within 4 standard deviations of the prediction, holds a thousandth
    of the mass beyond its nearer end, and the draw is not among the outermost 5e-10. All other tiles are
    drawn in double: Wichura's AS 241 down to a mass of 2e-11, and beyond it Newton's method on the logarithm
    of the tail, exact to about 1e-14 of the probability at any distance of the interval from the prediction.
    The same bits for any number of threads, spans and SIMD levels.
    """
    check_record(draws, LatentDraws, "draw_latents: draws")
    check_array(cut_points, cnp.NPY_FLOAT64, 1, False, "draw_latents: cut_points")
    check_array(sums, cnp.NPY_FLOAT64, 1, True, "draw_latents: sums")
    check_record(key, DrawKey, "draw_latents: key")
    check_cut_points("draw_latents", cut_points, draws.n_levels)
    cdef Py_ssize_t begin, end, block, level, n = draws.n
    if sums.shape[0] != n_blocks(n):
        raise ValueError(f"draw_latents: there must be {n_blocks(n)} sums, not {sums.shape[0]}")
    check_written((draws,))
    read = {name: held for name, held, _ in draws.arrays()}
    check_apart("draw_latents", {"sums": sums}, dict(read, cut_points=cut_points))
    written = {"latents": draws.latents, "targets": draws.targets}
    check_apart("draw_latents", written, {"cut_points": cut_points})
    begin, end = check_span("draw_latents", span, n_blocks(n), "blocks")
    cdef LatentArrays given
    given.levels = <const uint8_t *>pointer(draws.levels)
    given.latents = <double *>pointer(draws.latents)
    given.targets = <float *>pointer(draws.targets)
    given.products = <const float *>pointer(draws.products)
    given.weights = NULL
    given.seed, given.kind, given.sweep = key.seed, key.kind, key.sweep
    if draws.weights is not None:
        given.weights = <const float *>pointer(draws.weights)
    cdef const double *cuts = <const double *>pointer(cut_points)
    cdef double *found = <double *>pointer(sums)
    given.ends[0], given.ends[<Py_ssize_t>draws.n_levels] = -INFINITY, INFINITY
    for level in range(1, draws.n_levels):
        given.ends[level] = cuts[level - 1]
    cdef int workers = 0, team = team_size(n_threads)
    for block in prange(begin, end, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        found[block] = loops.draw_block(&given, block * DRAWN, min((block + 1) * DRAWN, n))
    report_workers(workers)


def level_chances(means, scales, cut_points, chances, n_threads):
    r"""Chances of less than each cut point, for mixtures of normals that have cut points of their own.

    .. math:: P_{nl} = \frac{1}{m} \sum_{j=1}^m \Phi(s_{nj} (c_{lj} - f_{nj}))

    Parameters
    ----------
    means, scales : float64[n, m]
        Means f of the components of each pair, and 1 over their standard deviations s.
    cut_points : float64[n_cuts, m]
        Of each component.
    chances : float64[n, n_cuts], overwritten
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not an array.
    ValueError
        When dimensions differ, there are no components, or `chances` is read-only or shares memory with
        another array.

    Notes
    -----
    O(n m n_cuts). Components are summed in lanes of 8, 64 at a time: the same bits for any number of threads
    and SIMD levels.
    """
    check_array(means, cnp.NPY_FLOAT64, 2, False, "level_chances: means")
    check_array(scales, cnp.NPY_FLOAT64, 2, False, "level_chances: scales")
    check_array(cut_points, cnp.NPY_FLOAT64, 2, False, "level_chances: cut_points")
    check_array(chances, cnp.NPY_FLOAT64, 2, True, "level_chances: chances")
    cdef Py_ssize_t pair, n = means.shape[0], m = means.shape[1], n_cuts = cut_points.shape[0]
    if m < 1 or scales.shape != means.shape or cut_points.shape[1] != m or chances.shape != (n, n_cuts):
        raise ValueError(
            "level_chances: means and scales must be of one shape (n, m), m > 0, cut_points of (n_cuts, m) "
            f"and chances of (n, n_cuts), not {means.shape}, {scales.shape}, {cut_points.shape} and "
            f"{chances.shape}"
        )
    read = {"means": means, "scales": scales, "cut_points": cut_points}
    check_apart("level_chances", {"chances": chances}, read)
    cdef const double *f = <const double *>pointer(means)
    cdef const double *s = <const double *>pointer(scales)
    cdef const double *cuts = <const double *>pointer(cut_points)
    cdef double *out = <double *>pointer(chances)
    cdef int workers = 0, team = team_size(n_threads)
    for pair in prange(n, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        loops.mean_chances(f + pair * m, s + pair * m, cuts, m, n_cuts, out + pair * n_cuts)
    report_workers(workers)
