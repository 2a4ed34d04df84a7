"""Loops of `cfcore.kernels.factorization.ordinal`."""
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.factorization.ordinal_loops cimport SUMS, LatentArrays, OrdinalArrays, OrdinalLoops

cdef extern from "factorization/ordinal.h" nogil:
    enum:
        TILE "CF_ORDINAL_TILE"
    ctypedef struct OrdinalTile "cf_ordinal_tile":
        double *prediction
        double *scale
    void level_masses "cf_level_masses"(const OrdinalTile *tile, Py_ssize_t n, double low, double high,
                                        double (*sums)[8], bint is_open) noexcept
    double sum_chances "cf_sum_chances"(const double *means, const double *scales, const double *cut_points,
                                        Py_ssize_t n) noexcept

cdef extern from "factorization/latent_draws.h" nogil:
    ctypedef struct LatentTile "cf_latent_tile":
        double *prediction
        double *scale
        double *low
        double *high
        double *latent
        uint32_t *words
    void draw_words "cf_draw_words"(uint32_t *out, uint32_t first, uint32_t sweep, uint32_t kind,
                                    uint64_t seed) noexcept
    void draw_tile "cf_draw_tile"(LatentTile *tile, Py_ssize_t n, double *sums) noexcept


cdef inline double sum_of(const double *lanes) noexcept nogil:
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))


cdef void sum_piece(const OrdinalArrays *given, Py_ssize_t piece) noexcept nogil:
    cdef Py_ssize_t begin = given.indptr[piece], end = given.indptr[piece + 1], first, k, n, rating
    cdef Py_ssize_t level = given.levels[piece]
    cdef double low = given.cut_points[level - 1] if level > 0 else -INFINITY
    cdef double high = given.cut_points[level] if level + 1 < given.n_levels else INFINITY
    cdef OrdinalTile tile
    cdef double[6][8] sums
    memset(sums, 0, sizeof(sums))
    for first in range(begin, end, 64):
        n = min(<Py_ssize_t>TILE, end - first)
        for k in range(64):  # a tile that is not full ends in copies of a rating
            rating = given.ratings[first + min(k, n - 1)]
            tile.prediction[k] = given.predictions[rating]
            tile.scale[k] = 1 if given.weights == NULL else sqrt(<double>given.weights[rating])
        if given.n_levels > 1 and (level == 0 or level + 1 == given.n_levels):
            level_masses(&tile, n, low, high, sums, True)
        else:
            level_masses(&tile, n, low, high, sums, False)
    for k in range(6):
        given.sums[piece * SUMS + k] = sum_of(sums[k])


cdef inline void fill_tile(const LatentArrays *given, Py_ssize_t first, Py_ssize_t n, bint weighted,
                           LatentTile *tile) noexcept nogil:
    """Predictions are latents less errors, which are targets less products."""
    cdef Py_ssize_t k
    for k in range(n):
        tile.prediction[k] = given.latents[first + k] - given.targets[first + k] + given.products[first + k]
    for k in range(n):
        tile.low[k] = given.ends[given.levels[first + k]]
        tile.high[k] = given.ends[given.levels[first + k] + 1]
    for k in range(n):
        tile.scale[k] = sqrt(<double>given.weights[first + k]) if weighted else 1


cdef inline double draw_tiles(const LatentArrays *given, Py_ssize_t begin, Py_ssize_t end,
                              bint weighted) noexcept nogil:
    cdef Py_ssize_t first, k, n
    cdef LatentTile tile
    cdef double[8] sums
    memset(sums, 0, sizeof(sums))
    memset(&tile, 0, sizeof(tile))
    for first in range(begin, end, 64):
        n = end - first
        if n >= 64:
            n = 64
            fill_tile(given, first, 64, weighted, &tile)
        else:
            fill_tile(given, first, n, weighted, &tile)
            for k in range(n, 64):
                tile.scale[k] = 1
                tile.low[k], tile.high[k] = -1, 1
        draw_words(tile.words, <uint32_t>(first // 4), given.sweep, given.kind, given.seed)
        draw_tile(&tile, n, sums)
        for k in range(n):
            given.latents[first + k] = tile.latent[k]
        for k in range(n):
            given.targets[first + k] = <float>(
                tile.latent[k] - tile.prediction[k] + given.products[first + k]
            )
    return sum_of(sums)


cdef double draw_block(const LatentArrays *given, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    if given.weights == NULL:
        return draw_tiles(given, begin, end, False)
    return draw_tiles(given, begin, end, True)


cdef void mean_chances(const double *means, const double *scales, const double *cut_points, Py_ssize_t n,
                       Py_ssize_t n_cuts, double *chances) noexcept nogil:
    cdef Py_ssize_t first, cut
    memset(chances, 0, n_cuts * sizeof(double))
    for first in range(0, n, 64):
        for cut in range(n_cuts):
            chances[cut] += sum_chances(means + first, scales + first, cut_points + cut * n + first,
                                        min(<Py_ssize_t>TILE, n - first))
    for cut in range(n_cuts):
        chances[cut] /= n


cdef OrdinalLoops loops = OrdinalLoops(sum_piece=sum_piece, draw_block=draw_block, mean_chances=mean_chances)
table = capsule_of(&loops)
