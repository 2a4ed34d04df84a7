/* Products of rows of kept samples. The sums have the lanes of lanes.h, of one kind of groups: the same bits at
   any vector width. */
#ifndef CFCORE_SAMPLES_H
#define CFCORE_SAMPLES_H

#include "common/lanes.h"

/* means . row and draws . row, of `n` numbers: number f of the rows is added to lane f % 16. */
CF_INLINE void cf_two_products(const float *means, const float *draws, const float *row, ptrdiff_t n,
                               float *mean, float *draw) {
    cf_f32_vector of_means[CF_F32_LANES * sizeof(float) / sizeof(cf_f32_vector)];
    cf_f32_vector of_draws[CF_F32_LANES * sizeof(float) / sizeof(cf_f32_vector)];
    float a[CF_F32_LANES] = {0}, b[CF_F32_LANES] = {0};
    ptrdiff_t f = 0, lane;
    for (; f + CF_F32_LANES <= n; f += CF_F32_LANES)
        for (lane = 0; lane < CF_F32_LANES; ++lane) {
            a[lane] += means[f + lane] * row[f + lane];
            b[lane] += draws[f + lane] * row[f + lane];
        }
    for (lane = 0; lane < n - f; ++lane) {
        a[lane] += means[f + lane] * row[f + lane];
        b[lane] += draws[f + lane] * row[f + lane];
    }
    memcpy(of_means, a, sizeof(a));
    memcpy(of_draws, b, sizeof(b));
    *mean = cf_sum_f32(of_means);
    *draw = cf_sum_f32(of_draws);
}
#endif
