/* Products of a row's ratings with a vector, from which steps of conjugate gradients are made: each number is a sum of
   its own, in the order of the ratings, in float32 over a tile and then in double. */
#ifndef CFCORE_ALS_STEPS_H
#define CFCORE_ALS_STEPS_H

#include "factorization/gibbs.h"

#define CF_STEP_AHEAD 12 /* ratings between asking for the row of a column and reading it */

/* What a pass adds to: sums of weight d z, of weight z z (or NULL), of weight d, of weight d d, and of weights. */
typedef struct {
    double *of_columns, *of_squares;
    double of_ones, of_errors, weights;
} cf_step_sums;

#if defined(__GNUC__)
  #if defined(__clang__)
    #define CF_MIX(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
  #else
    #define CF_MIX(a, b, i, j, k, l) __builtin_shuffle(a, b, (cf_i32_quarter){i, j, k, l})
typedef int32_t cf_i32_quarter __attribute__((vector_size(16)));
  #endif

/* `cf_dot_f32` but for the sum of the last four lanes. */
CF_INLINE cf_f32_quarter cf_dot_quarter(const float *p, const float *q, int groups) {
    cf_f32_vector sum[2][cf_parts_f32]; /* of even and odd groups */
    for (int group = 0; group < groups; ++group)
        for (int part = 0; part < cf_parts_f32; ++part) {
            const cf_f32_vector product = ((const cf_f32_vector *)(p + group * CF_F32_LANES))[part] *
                                          ((const cf_f32_vector *)(q + group * CF_F32_LANES))[part];
            if (group < 2)
                sum[group][part] = product;
            else
                sum[group % 2][part] += product;
        }
    for (int part = 0; groups > 1 && part < cf_parts_f32; ++part) sum[0][part] += sum[1][part];
    const cf_f32_quarter even = CF_F32_QUARTER(sum[0], 0) + CF_F32_QUARTER(sum[0], 2);
    const cf_f32_quarter odd = CF_F32_QUARTER(sum[0], 1) + CF_F32_QUARTER(sum[0], 3);
    return even + odd;
}

/* d[k] = z . p for n rows z of `columns`: four sums of lanes at a time, as `cf_dot_f32` adds them. */
CF_INLINE void cf_dots(float *d, const float *p, const float *columns, const int32_t *indices, ptrdiff_t n,
                       ptrdiff_t ahead, int groups) {
    const ptrdiff_t width = groups * CF_F32_LANES;
    ptrdiff_t k = 0;
    for (; k + 4 <= n; k += 4) {
        cf_f32_quarter dot[4], first, last;
        for (int a = 0; a < 4; ++a) {
            if (k + a + CF_STEP_AHEAD < ahead)
                cf_prefetch_read(columns + (ptrdiff_t)indices[k + a + CF_STEP_AHEAD] * width, width * sizeof(float));
            dot[a] = cf_dot_quarter(p, columns + (ptrdiff_t)indices[k + a] * width, groups);
        }
        first = CF_MIX(dot[0], dot[1], 0, 1, 4, 5) + CF_MIX(dot[0], dot[1], 2, 3, 6, 7);
        last = CF_MIX(dot[2], dot[3], 0, 1, 4, 5) + CF_MIX(dot[2], dot[3], 2, 3, 6, 7);
        first = CF_MIX(first, last, 0, 2, 4, 6) + CF_MIX(first, last, 1, 3, 5, 7);
        memcpy(d + k, &first, sizeof(first));
    }
    for (; k < n; ++k) d[k] = cf_dot_f32(p, columns + (ptrdiff_t)indices[k] * width, width);
}
#else
CF_INLINE void cf_dots(float *d, const float *p, const float *columns, const int32_t *indices, ptrdiff_t n,
                       ptrdiff_t ahead, int groups) {
    for (ptrdiff_t k = 0; k < n; ++k)
        d[k] = cf_dot_f32(p, columns + (ptrdiff_t)indices[k] * groups * CF_F32_LANES, groups * CF_F32_LANES);
}
#endif

/* A tile of ratings: d = target - z . p - bias, or z . p + bias where there are no targets. `groups` of 16 numbers is a
   constant for which the sums stay in registers. Errors and weights are summed where there are targets. */
CF_INLINE void cf_add_step(cf_step_sums *sums, const float *p, float bias, const float *columns, const int32_t *indices,
                           const float *targets, const float *weights, ptrdiff_t n, int groups) {
    cf_f32_vector sum[4 * cf_parts_f32], square[4 * cf_parts_f32];
    const ptrdiff_t width = groups * CF_F32_LANES;
    float d[CF_TILE], times[CF_TILE];
    double ones = 0, errors = 0, all = 0;
    for (int part = 0; part < groups * cf_parts_f32; ++part) sum[part] = square[part] = (cf_f32_vector){0};
    cf_dots(d, p, columns, indices, n, targets ? n : 0, groups);
    for (ptrdiff_t k = 0; k < n; ++k) d[k] = targets ? targets[k] - (d[k] + bias) : d[k] + bias;
    for (ptrdiff_t k = 0; k < n; ++k) times[k] = weights ? weights[k] * d[k] : d[k];
    for (ptrdiff_t k = 0; k < n; ++k) {
        const cf_f32_vector *row = (const cf_f32_vector *)(columns + (ptrdiff_t)indices[k] * width);
        const float weight = weights ? weights[k] : 1.0f;
        for (int part = 0; part < groups * cf_parts_f32; ++part) {
            sum[part] += row[part] * times[k];
            if (targets) square[part] += row[part] * row[part] * weight;
        }
        ones += times[k];
        if (targets) {
            errors += (double)times[k] * d[k];
            all += weight;
        }
    }
    sums->of_ones += ones;
    sums->of_errors += errors;
    sums->weights += all;
    for (int group = 0; group < groups; ++group) {
        cf_add_lanes(sums->of_columns + group * CF_F32_LANES, sum + group * cf_parts_f32);
        if (targets) cf_add_lanes(sums->of_squares + group * CF_F32_LANES, square + group * cf_parts_f32);
    }
}

/* The same for rows of any `width`, with the sums of the tile in `room`, of 2 width numbers. */
CF_INLINE void cf_add_wide_step(cf_step_sums *sums, const float *p, float bias, const float *columns,
                                const int32_t *indices, const float *targets, const float *weights, ptrdiff_t n,
                                ptrdiff_t width, float *CF_RESTRICT room) {
    memset(room, 0, 2 * width * sizeof(float));
    for (ptrdiff_t k = 0; k < n; ++k) {
        const float *z = columns + (ptrdiff_t)indices[k] * width;
        const float weight = weights ? weights[k] : 1.0f;
        float d = cf_dot_f32(p, z, width) + bias, times;
        d = targets ? targets[k] - d : d;
        times = weight * d;
        for (ptrdiff_t f = 0; f < width; ++f) room[f] += z[f] * times;
        for (ptrdiff_t f = 0; targets && f < width; ++f) room[width + f] += z[f] * z[f] * weight;
        sums->of_ones += times;
        sums->of_errors += (double)times * d;
        sums->weights += weight;
    }
    for (ptrdiff_t f = 0; f < width; ++f) {
        sums->of_columns[f] += room[f];
        if (targets) sums->of_squares[f] += room[width + f];
    }
}
#endif
