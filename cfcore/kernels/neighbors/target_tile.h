/* Weighted means of one holder's entries for 16 targets at a time, a lane each.

   Like lanes.h, the same bits at every vector width: lanes are never added to each other. */
#ifndef CFCORE_TARGET_TILE_H
#define CFCORE_TARGET_TILE_H

#include <math.h>
#include "../common/lanes.h"

/* Targets of a tile, and of the tiles that are loaded together; numbers of scratch for each entry. */
enum { CF_TILE = 16, CF_WIDTH = 64, CF_ROOM = CF_WIDTH + CF_TILE };
enum { CF_TILE_F32 = 64 / sizeof(cf_f32_vector), CF_TILE_F64 = 128 / sizeof(cf_f64_vector) };

#if defined(__GNUC__)
  typedef int32_t cf_i32_vector __attribute__((vector_size(CF_BYTES), aligned(4), may_alias));
  typedef float cf_f32_half __attribute__((vector_size(CF_BYTES / 2), aligned(4), may_alias));
  #define CF_TO_F64(x) __builtin_convertvector(*(const cf_f32_half *)(x), cf_f64_vector)
  #define CF_ABOVE(x, y) ((cf_i32_vector)((x) > (y))) /* -1 or 0 in each lane */
  #define CF_EQUAL(x, y) ((cf_i32_vector)((x) == (y)))
  #define CF_IF(mask, x) ((cf_f32_vector)((mask) & (cf_i32_vector)(x))) /* x or 0 */
  #define CF_SIZE(x) ((cf_f32_vector)((cf_i32_vector)(x) & 0x7fffffff)) /* |x| */
#else
  typedef int32_t cf_i32_vector;
  #define CF_TO_F64(x) ((double)*(x))
  #define CF_ABOVE(x, y) (-(int32_t)((x) > (y)))
  #define CF_EQUAL(x, y) (-(int32_t)((x) == (y)))
  #define CF_IF(mask, x) ((mask) ? (x) : 0.0f)
  #define CF_SIZE(x) (fabsf(x))
#endif

/* The entries (codes, values) of a holder, and how they count. */
typedef struct {
    const float *matrix; /* row j: similarities of j with all targets */
    ptrdiff_t n_targets;
    const int32_t *codes;
    const float *values;
    ptrdiff_t n;
    ptrdiff_t n_neighbors; /* 0: all */
    double power, damping;
    int twice_power; /* if that is a whole number up to 16; else 0 */
    int positive_only;
} cfcore_entries;

/* Similarities of neighbours as they are, and 0 for what is none: NaN, and what is negative if only positive ones
   count. `positive_only` is a constant. */
CF_INLINE void cf_load_row(const float *row, int positive_only, float *out) {
    const cf_f32_vector zero = {0};
    for (int j = 0; j < CF_TILE_F32; j++) {
        const cf_f32_vector s = ((const cf_f32_vector *)row)[j];
        ((cf_f32_vector *)out)[j] = CF_IF(positive_only ? CF_ABOVE(s, zero) : CF_EQUAL(s, s), s);
    }
}

/* tiles[16 (n t + q) + j] = the similarity of entry q with target first + 16 t + j where it is a neighbour, else 0.
   Several tiles at a time, because a row of the matrix is far from the next. */
CF_INLINE void cf_load_tiles(const cfcore_entries *e, ptrdiff_t first, ptrdiff_t width, int positive_only,
                             float *tiles) {
    const ptrdiff_t n_tiles = (width + CF_TILE - 1) / CF_TILE, whole = width / CF_TILE;
    for (ptrdiff_t q = 0; q < e->n; q++) {
        const float *row = e->matrix + e->codes[q] * e->n_targets + first;
        const ptrdiff_t own = e->codes[q] - first;
        float part[CF_TILE] = {0};
        if (q + CF_AHEAD < e->n)
            cf_prefetch_read(e->matrix + e->codes[q + CF_AHEAD] * e->n_targets + first, width * sizeof(float));
        for (ptrdiff_t t = 0; t < whole; t++)
            cf_load_row(row + CF_TILE * t, positive_only, tiles + CF_TILE * (e->n * t + q));
        if (whole < n_tiles) {
            memcpy(part, row + CF_TILE * whole, (width - CF_TILE * whole) * sizeof(float));
            cf_load_row(part, positive_only, tiles + CF_TILE * (e->n * whole + q));
        }
        if (own >= 0 && own < width) tiles[CF_TILE * (e->n * (own / CF_TILE) + q) + own % CF_TILE] = 0.0f;
    }
}

/* count[j] = how many of the n entries are nearer to target j than mark[j]. */
CF_INLINE void cf_count_above(const float *near, ptrdiff_t n, const float *mark, int32_t *count) {
    cf_i32_vector sum[CF_TILE_F32];
    cf_f32_vector bound[CF_TILE_F32];
    memset(sum, 0, sizeof(sum));
    memcpy(bound, mark, sizeof(bound));
    for (ptrdiff_t q = 0; q < n; q++)
        for (int j = 0; j < CF_TILE_F32; j++)
            sum[j] -= CF_ABOVE(((const cf_f32_vector *)(near + CF_TILE * q))[j], bound[j]);
    memcpy(count, sum, sizeof(sum));
}

CF_INLINE float cf_float_of(uint32_t bits) { float x; memcpy(&x, &bits, 4); return x; }
CF_INLINE uint32_t cf_bits_of(float x) { uint32_t bits; memcpy(&bits, &x, 4); return bits; }
/* log2(x) to within .1, in units of 2^-23 and from an origin of its own. */
CF_INLINE float cf_rough_log(float x) { return (float)(int32_t)cf_bits_of(x); }

/* How many numbers of each lane are positive, their sum and the largest. */
CF_INLINE void cf_survey(const float *near, ptrdiff_t n, int32_t *count, float *sum, float *largest) {
    cf_f32_vector most[CF_TILE_F32], total[CF_TILE_F32];
    const float zeros[CF_TILE] = {0};
    memset(most, 0, sizeof(most));
    memset(total, 0, sizeof(total));
    for (ptrdiff_t q = 0; q < n; q++)
        for (int j = 0; j < CF_TILE_F32; j++) {
            const cf_f32_vector x = ((const cf_f32_vector *)(near + CF_TILE * q))[j];
            const cf_i32_vector is_larger = CF_ABOVE(x, most[j]);
            most[j] = CF_IF(is_larger, x) + CF_IF(~is_larger, most[j]); /* one of them is 0 */
            total[j] += x;
        }
    memcpy(largest, most, sizeof(most));
    memcpy(sum, total, sizeof(total));
    cf_count_above(near, n, zeros, count);
}

enum { CF_GUESSES = 12 }; /* then by halves of the bits, which end whatever the numbers are */

/* The nearness beyond which entries count, for each lane: those above it, and of those equal to it so many as
   equal[j], the first. `near` holds no negative number. */
CF_INLINE void cf_thresholds(const float *near, ptrdiff_t n, int32_t k, float *threshold, int32_t *equal) {
    /* More than k are above low, fewer than k above high; where both are equal, the threshold is found. */
    float low[CF_TILE], high[CF_TILE], mark[CF_TILE], sum[CF_TILE];
    int32_t above_low[CF_TILE], above_high[CF_TILE], count[CF_TILE], left = 0;
    const float log_k = cf_rough_log((float)k + 0.5f);
    int j, step;
    cf_survey(near, n, above_low, sum, high);
    for (j = 0; j < CF_TILE; j++) {
        const int open = above_low[j] > k; /* elsewhere all neighbours count */
        low[j] = threshold[j] = 0;
        equal[j] = above_high[j] = 0;
        high[j] = open ? high[j] : 0.0f;
        left |= open;
    }
    for (step = 0; left; step++) {
        const int guesses = step < CF_GUESSES;
        /* As if the numbers were exponentially distributed: the logarithm of the count falls linearly. */
        for (j = 0; j < CF_TILE; j++) {
            const float above = cf_rough_log((float)above_low[j] + 0.5f);
            const float below = cf_rough_log((float)above_high[j] + 0.5f);
            const float share = step % 3 == 2 ? 0.5f : (above - log_k) / (above - below);
            const float first = sum[j] / (float)above_low[j] * (above - log_k) * (0.7f / 8388608.0f);
            const float guess = step == 0 ? first : low[j] + (high[j] - low[j]) * share;
            const float middle = cf_float_of((cf_bits_of(low[j]) + cf_bits_of(high[j])) / 2);
            mark[j] = (guess > low[j]) & (guess < high[j]) & guesses ? guess : middle;
        }
        cf_count_above(near, n, mark, count);
        left = 0;
        for (j = 0; j < CF_TILE; j++) {
            const int open = high[j] > low[j], found = open & (count[j] == k);
            const int last = open & !found & (cf_bits_of(high[j]) - cf_bits_of(low[j]) <= 1);
            const int up = open & !found & !last & (count[j] > k), down = open & !found & !last & (count[j] < k);
            threshold[j] = found ? mark[j] : last ? high[j] : threshold[j];
            equal[j] = last ? k - above_high[j] : equal[j]; /* several are equal to the threshold */
            low[j] = found | last ? high[j] : up ? mark[j] : low[j];
            high[j] = down ? mark[j] : high[j];
            above_low[j] = up ? count[j] : above_low[j];
            above_high[j] = down ? count[j] : above_high[j];
            left |= up | down;
        }
    }
}

/* Set to 0 what is not among the nearest: below the threshold, or equal to it but not among the first. */
CF_INLINE void cf_keep_nearest(float *tile, ptrdiff_t n, const float *threshold, int32_t *equal) {
    cf_f32_vector bound[CF_TILE_F32];
    int32_t any = 0;
    int j;
    memcpy(bound, threshold, sizeof(bound));
    for (j = 0; j < CF_TILE; j++) any |= equal[j];
    for (ptrdiff_t q = 0; q < n; q++) {
        if (any) {
            float *row = tile + CF_TILE * q;
            for (j = 0; j < CF_TILE; j++) {
                const int kept = (fabsf(row[j]) == threshold[j]) & (equal[j] > 0);
                equal[j] -= kept;
                row[j] = (fabsf(row[j]) > threshold[j]) | kept ? row[j] : 0.0f;
            }
        } else {
            cf_f32_vector *row = (cf_f32_vector *)(tile + CF_TILE * q);
            for (j = 0; j < CF_TILE_F32; j++) row[j] = CF_IF(CF_ABOVE(CF_SIZE(row[j]), bound[j]), row[j]);
        }
    }
}

/* above and below + sum of weight x value and of weights, in the order of the entries; `halves`, a constant, is
   twice the power, or 0 for any. */
CF_INLINE void cf_sum_tile(const cfcore_entries *e, const float *tile, int halves, double *above, double *below) {
    cf_f64_vector over[CF_TILE_F64], under[CF_TILE_F64];
    enum { lanes = sizeof(cf_f64_vector) / sizeof(double) };
    int i, j;
    memset(over, 0, sizeof(over));
    for (j = 0; j < CF_TILE; j++) below[j] = e->damping;
    memcpy(under, below, sizeof(under));
    for (ptrdiff_t q = 0; q < e->n; q++) {
        const double value = e->values[q];
        for (j = 0; j < CF_TILE_F64; j++) {
            const cf_f64_vector s = CF_TO_F64(tile + CF_TILE * q + lanes * j);
            if (halves == 2 && e->positive_only) {
                over[j] += s * value;
                under[j] += s;
            } else if (halves == 4 && e->positive_only) {
                const cf_f64_vector weight = s * s;
                over[j] += weight * value;
                under[j] += weight;
            } else {
                double size[lanes], with_sign[lanes];
                memcpy(with_sign, &s, sizeof(s));
                for (i = 0; i < lanes; i++) {
                    const double x = fabs(with_sign[i]);
                    double weight = 1.0;
                    if (halves == 2) weight = x;
                    else if (halves == 0) weight = x > 0 ? pow(x, e->power) : 0.0;
                    else {
                        for (int _ = 0; _ < halves >> 1; _++) weight *= x;
                        if (halves & 1) weight *= sqrt(x);
                    }
                    size[i] = weight;
                    with_sign[i] = copysign(weight, with_sign[i]);
                }
                over[j] += *(const cf_f64_vector *)with_sign * value;
                under[j] += *(const cf_f64_vector *)size;
            }
        }
    }
    memcpy(above, over, sizeof(over));
    memcpy(below, under, sizeof(under));
}

/* Weighted means of the nearest entries for the 16 targets of a tile; `sizes` is of 16 n numbers. NaN where weights
   and damping sum to 0. */
CF_INLINE void cf_tile_means(const cfcore_entries *e, float *tile, float *sizes, double *out) {
    float threshold[CF_TILE];
    double below[CF_TILE];
    int32_t equal[CF_TILE];
    if (e->n_neighbors > 0 && e->n > e->n_neighbors) {
        const float *near = tile;
        if (!e->positive_only) {
            for (ptrdiff_t k = 0; k < CF_TILE * e->n; k++) sizes[k] = fabsf(tile[k]);
            near = sizes;
        }
        cf_thresholds(near, e->n, (int32_t)e->n_neighbors, threshold, equal);
        cf_keep_nearest(tile, e->n, threshold, equal);
    }
    if (e->twice_power == 4) cf_sum_tile(e, tile, 4, out, below);
    else if (e->twice_power == 3) cf_sum_tile(e, tile, 3, out, below);
    else if (e->twice_power == 2) cf_sum_tile(e, tile, 2, out, below);
    else cf_sum_tile(e, tile, e->twice_power, out, below);
    for (int j = 0; j < CF_TILE; j++) out[j] = below[j] > 0 ? out[j] / below[j] : (double)NAN;
}

/* Weighted means for the targets [first, first + width), at most CF_WIDTH. tiles: CF_ROOM n numbers. */
CF_INLINE void cfcore_target_means(const cfcore_entries *e, ptrdiff_t first, ptrdiff_t width, float *tiles,
                                   double *out) {
    float *sizes = tiles + CF_WIDTH * e->n;
    if (e->positive_only) cf_load_tiles(e, first, width, 1, tiles);
    else cf_load_tiles(e, first, width, 0, tiles);
    for (ptrdiff_t at = 0; at < width; at += CF_TILE) {
        double means[CF_TILE];
        cf_tile_means(e, tiles + at * e->n, sizes, means);
        memcpy(out + at, means, (width - at < CF_TILE ? width - at : CF_TILE) * sizeof(double));
    }
}

#endif
