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

/* A tile of ratings: d = target - z . p - bias, or z . p + bias where there are no targets. `groups` of 16 numbers is a
   constant for which the sums stay in registers. Errors and weights are summed where there are targets. */
CF_INLINE void cf_add_step(cf_step_sums *sums, const float *p, float bias, const float *columns, const int32_t *indices,
                           const float *targets, const float *weights, ptrdiff_t n, int groups) {
    cf_f32_vector sum[4 * cf_parts_f32], square[4 * cf_parts_f32];
    const ptrdiff_t width = groups * CF_F32_LANES;
    float d[CF_TILE], times[CF_TILE];
    double ones = 0, errors = 0, all = 0;
    for (int part = 0; part < groups * cf_parts_f32; ++part) sum[part] = square[part] = (cf_f32_vector){0};
    for (ptrdiff_t k = 0; k < n; ++k) { /* by itself, so that the sums of several products are formed at a time */
        if (targets && k + CF_STEP_AHEAD < n)
            cf_prefetch_read(columns + (ptrdiff_t)indices[k + CF_STEP_AHEAD] * width, width * sizeof(float));
        d[k] = cf_dot_f32(p, columns + (ptrdiff_t)indices[k] * width, width);
    }
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
