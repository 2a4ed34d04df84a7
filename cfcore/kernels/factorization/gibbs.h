/* Sums of a Gibbs sampler: each number is a sum of its own, in the order of the ratings or members, so that the
   bits are those of a plain loop at any vector width. */
#ifndef CFCORE_GIBBS_H
#define CFCORE_GIBBS_H

#include "common/lanes.h"

#define CF_TILE 64 /* ratings whose products are summed in float32, before the sum is added to one of doubles */

/* Rows of a matrix of sums that are kept in registers at a time, with 16 columns: as many as fit. */
#if defined(CF_BYTES) && CF_BYTES == 64
  #define CF_GRAM_ROWS 8
#else
  #define CF_GRAM_ROWS 4
#endif

/* gram[i][j] += sum over t of scaled[t][i] z[t][j], for j from the group of 16 of i on: rows of `width`. */
CF_INLINE void cf_add_products(double *CF_RESTRICT gram, const float *scaled, const float *z, ptrdiff_t n,
                               ptrdiff_t width) {
    for (ptrdiff_t i = 0; i < width; i += CF_GRAM_ROWS)
        for (ptrdiff_t j = i - i % CF_F32_LANES; j < width; j += CF_F32_LANES) {
            cf_f32_vector sum[CF_GRAM_ROWS * cf_parts_f32];
            memset(sum, 0, sizeof(sum));
            for (ptrdiff_t t = 0; t < n; ++t) {
                const float *times = scaled + t * width + i;
                const cf_f32_vector *row = (const cf_f32_vector *)(z + t * width + j);
                for (int a = 0; a < CF_GRAM_ROWS; ++a)
                    for (int part = 0; part < cf_parts_f32; ++part)
                        sum[a * cf_parts_f32 + part] += times[a] * row[part];
            }
            for (int a = 0; a < CF_GRAM_ROWS; ++a) {
                float lanes[CF_F32_LANES];
                memcpy(lanes, sum + a * cf_parts_f32, sizeof(lanes));
                for (int lane = 0; lane < CF_F32_LANES; ++lane)
                    gram[(i + a) * width + j + lane] += (double)lanes[lane];
            }
        }
}

/* rest[i] += sum over t of scaled[t][i] targets[t] */
CF_INLINE void cf_add_targets(double *CF_RESTRICT rest, const float *scaled, const float *targets, ptrdiff_t n,
                              ptrdiff_t width) {
    for (ptrdiff_t j = 0; j < width; j += CF_F32_LANES) {
        float sum[CF_F32_LANES] = {0};
        for (ptrdiff_t t = 0; t < n; ++t)
            for (int lane = 0; lane < CF_F32_LANES; ++lane)
                sum[lane] += scaled[t * width + j + lane] * targets[t];
        for (int lane = 0; lane < CF_F32_LANES; ++lane)
            rest[j + lane] += (double)sum[lane];
    }
}

/* sum += weight row, 8 doubles */
CF_INLINE void cf_add_eight(double *CF_RESTRICT sum, const double *CF_RESTRICT row, double weight) {
    for (int lane = 0; lane < CF_F64_LANES; ++lane)
        sum[lane] += weight * row[lane];
}
#endif
