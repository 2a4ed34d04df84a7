"""Loops of `cfcore.kernels.factorization.ordinal`."""
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset

from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.factorization.ordinal_loops cimport SUMS, OrdinalArrays, OrdinalLoops

cdef extern from "factorization/ordinal.h" nogil:
    enum:
        TILE "CF_ORDINAL_TILE"
    ctypedef struct OrdinalTile "cf_ordinal_tile":
        double *prediction
        double *scale
        double *uniform
        double *latent
    ctypedef struct LevelTails "cf_level_tails":
        pass
    ctypedef double[8] Lanes
    void fill_uniform "cf_uniforms"(double *out, const int32_t *rows, uint32_t sweep, uint32_t kind,
                                    uint64_t seed) noexcept
    void level_masses "cf_level_masses"(const OrdinalTile *tile, Py_ssize_t n, double low, double high,
                                        LevelTails *tails, double (*sums)[8], bint is_open) noexcept
    void draw_level "cf_draw_level"(OrdinalTile *tile, Py_ssize_t n, double low, double high,
                                    const LevelTails *tails) noexcept
    double sum_chances "cf_sum_chances"(const double *means, const double *scales, const double *cut_points,
                                        Py_ssize_t n) noexcept


cdef inline void take_piece(const OrdinalArrays *given, Py_ssize_t piece, bint draws) noexcept nogil:
    cdef Py_ssize_t begin = given.indptr[piece], end = given.indptr[piece + 1], first, k, n
    cdef Py_ssize_t level = given.levels[piece]
    cdef double low = given.cut_points[level - 1] if level > 0 else -INFINITY
    cdef double high = given.cut_points[level] if level + 1 < given.n_levels else INFINITY
    cdef OrdinalTile tile
    cdef LevelTails tails
    cdef int32_t[64] rows  # TILE, as a literal
    cdef double[6][8] sums
    cdef double *out = given.sums + piece * SUMS
    memset(sums, 0, sizeof(sums))
    for first in range(begin, end, 64):
        n = min(<Py_ssize_t>TILE, end - first)
        for k in range(64):  # a tile that is not full ends in copies of a rating
            rows[k] = given.ratings[first + min(k, n - 1)]
        for k in range(64):
            tile.prediction[k] = given.predictions[rows[k]]
        if given.weights == NULL:
            for k in range(64):
                tile.scale[k] = 1
        else:
            for k in range(64):
                tile.scale[k] = sqrt(<double>given.weights[rows[k]])
        if given.n_levels > 1 and (level == 0 or level + 1 == given.n_levels):
            level_masses(&tile, n, low, high, &tails, sums, True)
        else:
            level_masses(&tile, n, low, high, &tails, sums, False)
        if draws:
            fill_uniform(tile.uniform, rows, given.sweep, given.kind, given.seed)
            draw_level(&tile, n, low, high, &tails)
            for k in range(n):
                given.latents[rows[k]] = tile.latent[k]
    for k in range(6):
        out[k] = (((sums[k][0] + sums[k][4]) + (sums[k][2] + sums[k][6]))
                  + ((sums[k][1] + sums[k][5]) + (sums[k][3] + sums[k][7])))


cdef void sum_piece(const OrdinalArrays *given, Py_ssize_t piece) noexcept nogil:
    take_piece(given, piece, False)


cdef void draw_piece(const OrdinalArrays *given, Py_ssize_t piece) noexcept nogil:
    take_piece(given, piece, True)


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


cdef OrdinalLoops loops = OrdinalLoops(sum_piece=sum_piece, draw_piece=draw_piece, mean_chances=mean_chances)
table = capsule_of(&loops)
