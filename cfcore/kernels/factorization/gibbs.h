/* Sums of a Gibbs sampler: each number is a sum of its own, in the order of the ratings or members, so that the
   bits are those of a plain loop at any vector width. */
#ifndef CFCORE_GIBBS_H
#define CFCORE_GIBBS_H

#include "common/lanes.h"

#define CF_TILE 64 /* ratings whose products are summed in float32, before the sum is added to one of doubles */

/* Rows and groups of 16 columns of a matrix of sums that are kept in registers at a time: as many as fit. */
#if defined(CF_BYTES) && CF_BYTES == 64
  #define CF_GRAM_ROWS 8
  #define CF_GRAM_GROUPS 2
#else
  #define CF_GRAM_ROWS 4
  #define CF_GRAM_GROUPS 1
#endif

/* sums[lane] += lanes[lane], 16 numbers */
CF_INLINE void cf_add_lanes(double *CF_RESTRICT sums, const cf_f32_vector *lanes) {
#if defined(__GNUC__)
    typedef float half __attribute__((vector_size(CF_BYTES / 2), aligned(4), may_alias));
    for (int part = 0; part < 2 * cf_parts_f32; ++part)
        ((cf_f64_vector *)sums)[part] += __builtin_convertvector(((const half *)lanes)[part], cf_f64_vector);
#else
    for (int lane = 0; lane < CF_F32_LANES; ++lane)
        sums[lane] += (double)lanes[lane];
#endif
}

/* gram[i][j] += sum over t of scaled[t][i] z[t][j], for CF_GRAM_ROWS rows and `groups` groups of 16 columns, and
   rest[j] += sum over t of right[t][j] targets[t] where there are targets. */
CF_INLINE void cf_add_block(double *CF_RESTRICT gram, const float *scaled, const float *z, ptrdiff_t n,
                            ptrdiff_t width, int groups, double *CF_RESTRICT rest, const float *right,
                            const float *targets) {
    cf_f32_vector sum[CF_GRAM_ROWS * CF_GRAM_GROUPS * cf_parts_f32], of_targets[CF_GRAM_GROUPS * cf_parts_f32];
    const int parts = groups * cf_parts_f32;
    for (int a = 0; a < CF_GRAM_ROWS * parts; ++a) sum[a] = (cf_f32_vector){0};
    for (int part = 0; part < parts; ++part) of_targets[part] = (cf_f32_vector){0};
    for (ptrdiff_t t = 0; t < n; ++t) {
        const float *times = scaled + t * width;
        const cf_f32_vector *row = (const cf_f32_vector *)(z + t * width);
        for (int a = 0; a < CF_GRAM_ROWS; ++a)
            for (int part = 0; part < parts; ++part)
                sum[a * parts + part] += times[a] * row[part];
        if (targets)
            for (int part = 0; part < parts; ++part)
                of_targets[part] += ((const cf_f32_vector *)(right + t * width))[part] * targets[t];
    }
    for (int a = 0; a < CF_GRAM_ROWS; ++a)
        for (int group = 0; group < groups; ++group)
            cf_add_lanes(gram + a * width + group * CF_F32_LANES, sum + a * parts + group * cf_parts_f32);
    for (int group = 0; targets && group < groups; ++group)
        cf_add_lanes(rest + group * CF_F32_LANES, of_targets + group * cf_parts_f32);
}

/* The same for all rows, and columns from the group of 16 of a row on. Targets are summed with the first rows. */
CF_INLINE void cf_add_products(double *CF_RESTRICT gram, const float *scaled, const float *z, ptrdiff_t n,
                               ptrdiff_t width, double *CF_RESTRICT rest, const float *targets) {
    for (ptrdiff_t i = 0; i < width; i += CF_GRAM_ROWS) {
        ptrdiff_t j = i - i % CF_F32_LANES;
        for (; j + (CF_GRAM_GROUPS - 1) * CF_F32_LANES < width; j += CF_GRAM_GROUPS * CF_F32_LANES)
            if (i == 0)
                cf_add_block(gram + j, scaled, z + j, n, width, CF_GRAM_GROUPS, rest + j, scaled + j, targets);
            else
                cf_add_block(gram + i * width + j, scaled + i, z + j, n, width, CF_GRAM_GROUPS, NULL, NULL, NULL);
        for (; j < width; j += CF_F32_LANES)
            if (i == 0)
                cf_add_block(gram + j, scaled, z + j, n, width, 1, rest + j, scaled + j, targets);
            else
                cf_add_block(gram + i * width + j, scaled + i, z + j, n, width, 1, NULL, NULL, NULL);
    }
}

/* rest[i] += sum over t of scaled[t][i] targets[t] */
CF_INLINE void cf_add_targets(double *CF_RESTRICT rest, const float *scaled, const float *targets, ptrdiff_t n,
                              ptrdiff_t width) {
    for (ptrdiff_t j = 0; j < width; j += CF_F32_LANES) {
        cf_f32_vector sum[cf_parts_f32];
        for (int part = 0; part < cf_parts_f32; ++part) sum[part] = (cf_f32_vector){0};
        for (ptrdiff_t t = 0; t < n; ++t)
            for (int part = 0; part < cf_parts_f32; ++part)
                sum[part] += ((const cf_f32_vector *)(scaled + t * width + j))[part] * targets[t];
        cf_add_lanes(rest + j, sum);
    }
}

/* Sums of the squares of targets, of their products with `products`, and of the squares of these, each times the
   weight of the rating: rating k of a tile in lane k % 8. */
CF_INLINE void cf_add_squares(double (*sums)[8], const float *targets, const float *products, const float *weights,
                              ptrdiff_t n) {
    double both[2][8];
    ptrdiff_t k = 0;
    for (; k < n; k += 8) {
        const ptrdiff_t more = n - k < 8 ? n - k : 8;
        if (more == 8)
            for (int lane = 0; lane < 8; ++lane) {
                both[0][lane] = targets[k + lane];
                both[1][lane] = products[k + lane];
            }
        else {
            memset(both, 0, sizeof(both));
            for (int lane = 0; lane < more; ++lane) {
                both[0][lane] = targets[k + lane];
                both[1][lane] = products[k + lane];
            }
        }
        for (int lane = 0; lane < 8; ++lane) {
            const double weight = !weights ? 1.0 : lane < more ? (double)weights[k + lane] : 0.0;
            const double target = both[0][lane] * weight;
            sums[0][lane] += target * both[0][lane];
            sums[1][lane] += target * both[1][lane];
            sums[2][lane] += both[1][lane] * weight * both[1][lane];
        }
    }
}

/* to += times row, n doubles */
CF_INLINE void cf_add_times(double *CF_RESTRICT to, const double *CF_RESTRICT row, double times, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; ++i)
        to[i] += times * row[i];
}

/* sum += weight row, 8 doubles */
CF_INLINE void cf_add_eight(double *CF_RESTRICT sum, const double *CF_RESTRICT row, double weight) {
    for (int lane = 0; lane < CF_F64_LANES; ++lane)
        sum[lane] += weight * row[lane];
}
#endif
