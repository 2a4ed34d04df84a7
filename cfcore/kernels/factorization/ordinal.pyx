"""Ordered probit: sums of the log-likelihood of cut points and its derivatives, and draws of latent ratings.

The twin is `cfcore.reference.factorization.ordinal`, the inner loops are in `ordinal_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.common.arrays cimport check_array, check_record, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.factorization.ordinal_loops cimport SUMS, OrdinalArrays, OrdinalLoops

from cfcore.kernels import simd
from cfcore.kernels.records import (
    DrawKey,
    OrdinalRatings,
    check_apart,
    check_cut_points,
    check_span,
)

cnp.import_array()

cdef const OrdinalLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const OrdinalLoops *>table_in(capsule)


simd.register("factorization.ordinal_loops", _use)


cdef OrdinalArrays _checked(function, ratings, cut_points, sums) except *:
    check_record(ratings, OrdinalRatings, f"{function}: ratings")
    check_array(cut_points, cnp.NPY_FLOAT64, 1, False, f"{function}: cut_points")
    check_array(sums, cnp.NPY_FLOAT64, 2, True, f"{function}: sums")
    check_cut_points(function, cut_points, ratings.n_levels)
    if sums.shape[0] != ratings.n_pieces or sums.shape[1] != SUMS:
        raise ValueError(f"{function}: sums must be of shape ({ratings.n_pieces}, {SUMS}), not {sums.shape}")
    cdef OrdinalArrays given = OrdinalArrays(
        indptr=<const int64_t *>pointer(ratings.indptr), ratings=<const int32_t *>pointer(ratings.ratings),
        levels=<const int32_t *>pointer(ratings.levels),
        predictions=<const double *>pointer(ratings.predictions), weights=NULL,
        cut_points=<const double *>pointer(cut_points), latents=NULL, sums=<double *>pointer(sums),
        n_levels=ratings.n_levels, seed=0, kind=0, sweep=0,
    )
    if ratings.weights is not None:
        given.weights = <const float *>pointer(ratings.weights)
    return given


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
    cdef OrdinalArrays given = _checked("sum_likelihood", ratings, cut_points, sums)
    read = dict(_arrays_of(ratings), cut_points=cut_points)
    check_apart("sum_likelihood", {"sums": sums}, read)
    cdef Py_ssize_t begin, end, piece
    begin, end = check_span("sum_likelihood", span, ratings.n_pieces, "pieces")
    cdef int workers = 0, team = team_size(n_threads)
    for piece in prange(begin, end, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        loops.sum_piece(&given, piece)
    report_workers(workers)


def draw_latents(ratings, cut_points, latents, sums, key, span, n_threads):
    """Draw the latent ratings of pieces from their truncated normal distributions.

    Parameters
    ----------
    ratings : OrdinalRatings
    cut_points : float64[n_levels - 1]
        Ascending.
    latents : float64[n], overwritten
        For the ratings of the pieces drawn.
    sums : float64[n_pieces, 6], overwritten
        As by `sum_likelihood`, at these cut points: they cost little more here.
    key : DrawKey
        A rating's number is that of (seed, kind, sweep, rating).
    span : (begin, end)
        The pieces to draw.
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
    the side where the mass beyond the draw is at most a half, so that nothing cancels: Wichura's AS 241 down
    to a mass of 2e-11, and beyond it Newton's method on the logarithm of the tail. Exact to about 1e-14 of
    the probability at any distance of the interval from the prediction; one uniform number of 52 bits a
    rating, no rejection. The same bits for any number of threads, spans and SIMD levels.
    """
    cdef OrdinalArrays given = _checked("draw_latents", ratings, cut_points, sums)
    check_record(key, DrawKey, "draw_latents: key")
    check_array(latents, cnp.NPY_FLOAT64, 1, True, "draw_latents: latents")
    if latents.shape[0] != ratings.n:
        raise ValueError(f"draw_latents: there must be {ratings.n} latents, not {latents.shape[0]}")
    read = dict(_arrays_of(ratings), cut_points=cut_points)
    check_apart("draw_latents", {"latents": latents, "sums": sums}, read)
    given.latents = <double *>pointer(latents)
    given.seed, given.kind, given.sweep = key.seed, key.kind, key.sweep
    cdef Py_ssize_t begin, end, piece
    begin, end = check_span("draw_latents", span, ratings.n_pieces, "pieces")
    cdef int workers = 0, team = team_size(n_threads)
    for piece in prange(begin, end, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        loops.draw_piece(&given, piece)
    report_workers(workers)


def _arrays_of(ratings):
    return {name: held for name, held, _ in ratings.arrays()}
