/* Similarities by a table of all ratings of y, a few x of it at a time; see `_dense.pyx`.

   For x and one of its ratings of y, what that adds to the sums with all the others is a vector: of bytes, looked
   up by the others' ratings of y, or of products of residuals. The sums stay in registers. */

#ifndef CFCORE_SURPRISE_DENSE_H
#define CFCORE_SURPRISE_DENSE_H

#include "similarities.h"

enum {
    CF_BYTE_LANES = 128,  /* others at a time, of ratings of few values */
    CF_DOUBLE_LANES = 32, /* of residuals */
    CF_CODES = 16,        /* of ratings; 0 is none */
    CF_ROWS = 16          /* x whose similarities are copied to the other half together */
};

typedef struct {
    const int64_t *starts;       /* of each x in the next three, which are in the order of y */
    const int32_t *ys;
    const uint8_t *codes;        /* exact */
    const double *ratings;       /* in order */
    const uint8_t *tables;       /* of a code of x, a quantity and a code of the other: what is added */
    uint8_t *codes_of_y;         /* of each y: codes of the others */
    double *ratings_of_y;        /* of each y: residuals of the others, -0.0 for none */
    double *sim;
    ptrdiff_t n_x, first, lanes; /* the others are `first` and those after it */
    int ascending;               /* whether the others of x are above it, or below */
    int64_t period, long_period; /* ratings whose sums fit into a byte, and into two */
} cf_dense;

typedef struct {
    ptrdiff_t first, end;
} cf_span;

/* Count and products or squared differences; own and other squares; own and other ratings. */
CF_INLINE int cf_quantities(int measure)
{
    return measure == CF_MSD ? 2 : measure == CF_COSINE ? 4 : 6;
}

/* Where in the bytes of a y the lane is. */
CF_INLINE ptrdiff_t cf_place(ptrdiff_t lane, int wide)
{
    const ptrdiff_t width = wide ? 64 : 32, at = lane % width, half = width / 2;
    return lane - at + (at < half ? 2 * at : 2 * (at - half) + 1);
}

/* Codes of ratings; 0 if one has none. */
CF_INLINE int cf_encode_body(const double *ratings, ptrdiff_t n, double least, double step,
                             uint8_t *CF_RESTRICT codes)
{
    int32_t wrong = 0;
    ptrdiff_t at;
    for (at = 0; at < n; at++) {
        const double steps = (ratings[at] - least) * step;
        const int32_t inside = (steps >= 0) & (steps < CF_CODES - 1);
        const int32_t code = (int32_t)(inside ? steps : 0);
        wrong |= !inside | ((double)code != steps);
        codes[at] = (uint8_t)(code + 1);
    }
    return !wrong;
}

#if CF_HAS_AVX2
CF_AVX2 static int cf_encode_avx2(const double *ratings, ptrdiff_t n, double least, double step, uint8_t *codes)
{
    return cf_encode_body(ratings, n, least, step, codes);
}
#endif

static int cf_encode(const double *ratings, ptrdiff_t n, double least, double step, uint8_t *codes)
{
#if CF_HAS_AVX2
    if (__builtin_cpu_supports("avx2"))
        return cf_encode_avx2(ratings, n, least, step, codes);
#endif
    return cf_encode_body(ratings, n, least, step, codes);
}

/* Tables of codes 1 to n, which stand for the numbers from `least` on; returns the greatest number in them. */
static int64_t cf_dense_tables(int measure, uint8_t *tables, int64_t n, int64_t least)
{
    const int quantities = cf_quantities(measure);
    int64_t own, other, greatest = 1;
    int q;
    memset(tables, 0, CF_CODES * CF_CODES * 6);
    for (own = 1; own <= n; own++)
        for (other = 1; other <= n; other++) {
            const int64_t r = own - 1 + least, s = other - 1 + least;
            const int64_t numbers[6] = {1, measure == CF_MSD ? (r - s) * (r - s) : r * s, r * r, s * s, r, s};
            for (q = 0; q < quantities; q++) {
                tables[(own * quantities + q) * CF_CODES + other] = (uint8_t)numbers[q];
                greatest = numbers[q] > greatest ? numbers[q] : greatest;
            }
        }
    return greatest;
}

/* Bring a matrix of x in another order back into that of ids, in place: row and column r are those of x order[r],
   whose rank is r. `rows` has room for two rows. */
static void cf_reorder(double *sim, ptrdiff_t n, const int32_t *order, const int32_t *ranks, double *rows,
                       uint8_t *CF_RESTRICT done)
{
    double *held = rows, *other = rows + n, *kept;
    ptrdiff_t first, row, j;
    memset(done, 0, n);
    for (first = 0; first < n; first++) {
        if (done[first])
            continue;
        memcpy(held, sim + first * n, n * sizeof *sim);
        done[first] = 1;
        for (row = first;;) { /* each row takes the place of one that is held before */
            const ptrdiff_t place = order[row];
            const int last = done[place];
            double *CF_RESTRICT to = sim + place * n;
            const double *CF_RESTRICT from = held;
            if (!last)
                memcpy(other, to, n * sizeof *sim);
            for (j = 0; j < n; j++)
                to[j] = from[ranks[j]];
            if (last)
                break;
            done[place] = 1;
            row = place;
            kept = held, held = other, other = kept;
        }
    }
}

#if CF_HAS_AVX2
#include <immintrin.h>

#define CF_WIDTH 32
#define CF_TARGET __attribute__((target("avx2,fma,prfchw")))
#define CF_NAME(name) cf_avx2_##name
#define CF_REPEAT(from) (cf_avx2_bytes) _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(from)))
#define CF_LOOK_UP(table, codes) (cf_avx2_bytes) _mm256_shuffle_epi8((__m256i)(table), (__m256i)(codes))
#define CF_WHERE_RATED(s, missing, sum, value, count)                                  \
    do {                                                                               \
        const cf_avx2_integers there = (cf_avx2_integers)(s) != (missing);             \
        (sum) += (cf_avx2_doubles)((cf_avx2_integers)(value) & there);                 \
        (count) -= there;                                                              \
    } while (0)
#include "dense_loops.h"

#define CF_WIDTH 64
#define CF_TARGET __attribute__((target("avx2,fma,prfchw,avx512f,avx512bw,avx512dq,avx512vl")))
#define CF_NAME(name) cf_avx512_##name
#define CF_REPEAT(from) (cf_avx512_bytes) _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(from)))
#define CF_LOOK_UP(table, codes) (cf_avx512_bytes) _mm512_shuffle_epi8((__m512i)(table), (__m512i)(codes))
#define CF_WHERE_RATED(s, missing, sum, value, count)                                                        \
    do {                                                                                                     \
        const __mmask8 there = _mm512_cmpneq_epi64_mask((__m512i)(s), (__m512i)(missing));                   \
        (sum) = (cf_avx512_doubles)_mm512_mask_add_pd((__m512d)(sum), there, (__m512d)(sum),                 \
                                                      (__m512d)(value));                                     \
        (count) = (cf_avx512_integers)_mm512_mask_add_epi64((__m512i)(count), there, (__m512i)(count),       \
                                                            _mm512_set1_epi64(1));                           \
    } while (0)
#include "dense_loops.h"

static int cf_dense_tile(const cf_dense *d, const cf_rule *rule, ptrdiff_t first, ptrdiff_t end, int wide)
{
    return wide ? cf_avx512_tile(d, rule, first, end) : cf_avx2_tile(d, rule, first, end);
}
#else
static int cf_dense_tile(const cf_dense *d, const cf_rule *rule, ptrdiff_t first, ptrdiff_t end, int wide)
{
    (void)d, (void)rule, (void)first, (void)end, (void)wide;
    return 0; /* not called: `available` is false */
}
#endif

#endif
