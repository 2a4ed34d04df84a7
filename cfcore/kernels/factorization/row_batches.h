/* Factors and solutions of 8 symmetric matrices at a time, one in each lane of 8 doubles: the pivots of one matrix
   wait for each other, those of 8 do not. Number (i, j) of the matrices is at batch[(i * stride + j) * 8 + lane], in
   rows of `n` columns and those of one or two right-hand sides; `n` is a multiple of 8. Each number is computed by the same
   operations in the same order at any vector width, and does not depend on the other lanes. */
#ifndef CFCORE_ROW_BATCHES_H
#define CFCORE_ROW_BATCHES_H

#include <math.h>

#include "common/lanes.h"

#define CF_BATCH 8 /* matrices */

#if defined(__GNUC__)
  #define CF_BATCH_LANES ((ptrdiff_t)(sizeof(cf_f64_vector) / sizeof(double)))
  #define CF_BATCH_UNROLL _Pragma("GCC unroll 4")
#else
  #define CF_BATCH_LANES 1
  #define CF_BATCH_UNROLL
#endif

/* Rows and columns of a tile that is kept in registers: as many as fit. */
#define CF_TALL 4
#if defined(CF_BYTES) && CF_BYTES == 64
  #define CF_BROAD 4
#else
  #define CF_BROAD 2
#endif

#define CF_AT(batch, stride, i, j) (*(cf_f64_vector *)((batch) + ((i) * (stride) + (j)) * CF_BATCH))

/* Numbers [at, at + n) of 8 rows, each times a factor of its row, plus numbers of `added`, lane by lane. */
CF_INLINE void cf_to_lanes(double *CF_RESTRICT out, const double *const *rows, ptrdiff_t at, const double *factors,
                           const double *added, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j += 8) {
#if defined(__AVX512F__)
        __m512d r[8], s[8], t[8];
        const __m512d more = _mm512_loadu_pd(added + j);
        for (int lane = 0; lane < 8; ++lane)
            r[lane] = _mm512_add_pd(_mm512_mul_pd(_mm512_loadu_pd(rows[lane] + at + j),
                                                  _mm512_set1_pd(factors[lane])), more);
        for (int a = 0; a < 8; a += 2) {
            s[a] = _mm512_unpacklo_pd(r[a], r[a + 1]);
            s[a + 1] = _mm512_unpackhi_pd(r[a], r[a + 1]);
        }
        for (int a = 0; a < 8; a += 4)
            for (int b = 0; b < 2; ++b) { /* columns b, b + 4 and b + 2, b + 6 of four rows */
                t[a + b] = _mm512_shuffle_f64x2(s[a + b], s[a + b + 2], 0x88);
                t[a + b + 2] = _mm512_shuffle_f64x2(s[a + b], s[a + b + 2], 0xdd);
            }
        for (int b = 0; b < 4; ++b) {
            _mm512_storeu_pd(out + (j + b) * 8, _mm512_shuffle_f64x2(t[b], t[b + 4], 0x88));
            _mm512_storeu_pd(out + (j + b + 4) * 8, _mm512_shuffle_f64x2(t[b], t[b + 4], 0xdd));
        }
#else
        for (int b = 0; b < 8; ++b)
            for (int lane = 0; lane < 8; ++lane)
                out[(j + b) * 8 + lane] = rows[lane][at + j + b] * factors[lane] + added[j + b];
#endif
    }
}

CF_INLINE cf_f64_vector cf_inverse_root(cf_f64_vector x) {
#if defined(__AVX512F__)
    return (cf_f64_vector)_mm512_div_pd(_mm512_set1_pd(1.0), _mm512_sqrt_pd((__m512d)x));
#elif defined(__AVX__)
    return (cf_f64_vector)_mm256_div_pd(_mm256_set1_pd(1.0), _mm256_sqrt_pd((__m256d)x));
#elif defined(__GNUC__)
    for (int lane = 0; lane < CF_BATCH_LANES; ++lane) x[lane] = 1.0 / sqrt(x[lane]);
    return x;
#else
    return 1.0 / sqrt(x);
#endif
}

/* tile = rows [i, i + CF_TALL), columns [j, j + wide), less the products of the rows above: `wide` is a constant. */
CF_INLINE void cf_reduce_tile(cf_f64_vector (*tile)[4], const double *batch, ptrdiff_t stride, ptrdiff_t i,
                              ptrdiff_t j, int wide) {
    for (int a = 0; a < CF_TALL; ++a)
        for (int b = 0; b < wide; ++b) tile[a][b] = CF_AT(batch, stride, i + a, j + b);
    for (ptrdiff_t p = 0; p < i; ++p) {
        cf_f64_vector column[4];
        for (int b = 0; b < wide; ++b) column[b] = CF_AT(batch, stride, p, j + b);
        for (int a = 0; a < CF_TALL; ++a) {
            const cf_f64_vector times = CF_AT(batch, stride, p, i + a);
            for (int b = 0; b < wide; ++b) tile[a][b] -= times * column[b];
        }
    }
}

/* A tile beside the diagonal: its rows in the factor. */
CF_INLINE void cf_finish_tile(double *batch, const double *inverses, ptrdiff_t stride, ptrdiff_t i, ptrdiff_t j,
                              int wide) {
    cf_f64_vector tile[CF_TALL][4];
    cf_reduce_tile(tile, batch, stride, i, j, wide);
    for (int a = 0; a < CF_TALL; ++a) {
        const cf_f64_vector inverse = *(const cf_f64_vector *)(inverses + (i + a) * CF_BATCH);
        for (int b = 0; b < wide; ++b) CF_AT(batch, stride, i + a, j + b) = tile[a][b] *= inverse;
        for (int below = a + 1; below < CF_TALL; ++below) {
            const cf_f64_vector times = CF_AT(batch, stride, i + a, i + below);
            for (int b = 0; b < wide; ++b) tile[below][b] -= times * tile[a][b];
        }
    }
}

/* The upper factors U of U'U in place of the upper triangles, the inverses of their diagonals, and the solutions of
   U'x = right in place of the `rights` right-hand sides, a constant: x is one more column of the factor. Where a matrix is not positive
   definite, an inverse is not in (0, inf). */
CF_INLINE void cf_factorise_batch(double *batch, double *inverses, ptrdiff_t n, ptrdiff_t stride, int rights) {
    for (ptrdiff_t part = 0; part < CF_BATCH; part += CF_BATCH_LANES) {
        double *at = batch + part, *inverse = inverses + part;
        for (ptrdiff_t i = 0; i < n; i += CF_TALL) {
            cf_f64_vector tile[CF_TALL][4];
            for (int j = 0; j < CF_TALL; j += CF_BROAD) {
                cf_f64_vector half[CF_TALL][4];
                cf_reduce_tile(half, at, stride, i, i + j, CF_BROAD);
                for (int a = 0; a < CF_TALL; ++a)
                    for (int b = 0; b < CF_BROAD; ++b) tile[a][j + b] = half[a][b];
            }
            for (int a = 0; a < CF_TALL; ++a) {
                const cf_f64_vector root = cf_inverse_root(tile[a][a]);
                *(cf_f64_vector *)(inverse + (i + a) * CF_BATCH) = root;
                for (int b = a + 1; b < CF_TALL; ++b) CF_AT(at, stride, i + a, i + b) = tile[a][b] *= root;
                for (int below = a + 1; below < CF_TALL; ++below)
                    for (int b = below; b < CF_TALL; ++b) tile[below][b] -= tile[a][below] * tile[a][b];
            }
            ptrdiff_t j = i + CF_TALL;
            for (; j < n; j += CF_BROAD) cf_finish_tile(at, inverse, stride, i, j, CF_BROAD);
            cf_finish_tile(at, inverse, stride, i, n, rights);
        }
    }
}

/* The solutions of U x = right in place of `right`, of n vectors of 8 lanes. */
CF_INLINE void cf_solve_batch(const double *batch, const double *inverses, double *right, ptrdiff_t n,
                              ptrdiff_t stride) {
    for (ptrdiff_t part = 0; part < CF_BATCH; part += CF_BATCH_LANES) {
        double *at = (double *)batch + part, *x = right + part;
        for (ptrdiff_t i = n - CF_TALL; i >= 0; i -= CF_TALL) {
            cf_f64_vector sum[CF_TALL];
            for (int a = 0; a < CF_TALL; ++a) sum[a] = CF_AT(x, 1, i + a, 0);
            for (ptrdiff_t j = n - 1; j >= i + CF_TALL; --j) {
                const cf_f64_vector known = CF_AT(x, 1, j, 0);
                for (int a = 0; a < CF_TALL; ++a) sum[a] -= CF_AT(at, stride, i + a, j) * known;
            }
            for (int a = CF_TALL - 1; a >= 0; --a) {
                for (int b = CF_TALL - 1; b > a; --b) sum[a] -= CF_AT(at, stride, i + a, i + b) * sum[b];
                sum[a] *= *(const cf_f64_vector *)(inverses + part + (i + a) * CF_BATCH);
                CF_AT(x, 1, i + a, 0) = sum[a];
            }
        }
    }
}
#endif
