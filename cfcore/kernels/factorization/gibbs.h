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

/* gram[i][j] += sum over t of scaled[t][i] z[t][j], for CF_GRAM_ROWS rows and `groups` groups of 16 columns. */
CF_INLINE void cf_add_block(double *CF_RESTRICT gram, const float *scaled, const float *z, ptrdiff_t n,
                            ptrdiff_t width, int groups) {
    cf_f32_vector sum[CF_GRAM_ROWS * CF_GRAM_GROUPS * cf_parts_f32];
    const int parts = groups * cf_parts_f32;
    for (int a = 0; a < CF_GRAM_ROWS * parts; ++a) sum[a] = (cf_f32_vector){0};
    for (ptrdiff_t t = 0; t < n; ++t) {
        const float *times = scaled + t * width;
        const cf_f32_vector *row = (const cf_f32_vector *)(z + t * width);
        for (int a = 0; a < CF_GRAM_ROWS; ++a)
            for (int part = 0; part < parts; ++part)
                sum[a * parts + part] += times[a] * row[part];
    }
    for (int a = 0; a < CF_GRAM_ROWS; ++a)
        for (int group = 0; group < groups; ++group)
            cf_add_lanes(gram + a * width + group * CF_F32_LANES, sum + a * parts + group * cf_parts_f32);
}

/* The same for all rows, and columns from the group of 16 of a row on. */
CF_INLINE void cf_add_products(double *CF_RESTRICT gram, const float *scaled, const float *z, ptrdiff_t n,
                               ptrdiff_t width) {
    for (ptrdiff_t i = 0; i < width; i += CF_GRAM_ROWS) {
        ptrdiff_t j = i - i % CF_F32_LANES;
        for (; j + (CF_GRAM_GROUPS - 1) * CF_F32_LANES < width; j += CF_GRAM_GROUPS * CF_F32_LANES)
            cf_add_block(gram + i * width + j, scaled + i, z + j, n, width, CF_GRAM_GROUPS);
        for (; j < width; j += CF_F32_LANES)
            cf_add_block(gram + i * width + j, scaled + i, z + j, n, width, 1);
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

/* sum += weight row, 8 doubles */
CF_INLINE void cf_add_eight(double *CF_RESTRICT sum, const double *CF_RESTRICT row, double weight) {
    for (int lane = 0; lane < CF_F64_LANES; ++lane)
        sum[lane] += weight * row[lane];
}
#endif
