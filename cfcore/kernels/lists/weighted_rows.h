/* Sums of weighted rows for a panel of columns, held in registers; terms are added one after the other, and no
   product is contracted with a sum: the same bits at every vector width, and as by plain loops. */
#ifndef CFCORE_WEIGHTED_ROWS_H
#define CFCORE_WEIGHTED_ROWS_H

#include "common/lanes.h"

#define CF_COLUMNS 64
/* Sums that are held at once: fewer than there are registers. */
#if defined(__GNUC__) && !defined(__AVX__)
  #define CF_HELD 8
#elif defined(__GNUC__)
  #define CF_HELD (CF_COLUMNS / (int)(sizeof(cf_f32_vector) / sizeof(float)))
#else
  #define CF_HELD 1
#endif
#define CF_WIDTH ((int)(sizeof(cf_f32_vector) / sizeof(float)))

CF_INLINE cf_f32_vector cf_load_f32(const float *from) {
    cf_f32_vector x;
    memcpy(&x, from, sizeof(x));
    return x;
}

/* out[j] = sum_e x[e] panel[items[e]][j] for 64 columns; whether one of them is at least `least`. */
static inline int cf_sums_reach(const float *panel, const int32_t *items, const float *x, ptrdiff_t n,
                                float least, float *out) {
    int reached = 0;
    for (int left = 0; left < CF_COLUMNS; left += CF_HELD * CF_WIDTH) {
        cf_f32_vector sums[CF_HELD];
        memset(sums, 0, sizeof(sums));
        for (ptrdiff_t e = 0; e < n; e++) {
            const float *row = panel + (ptrdiff_t)items[e] * CF_COLUMNS + left;
            for (int h = 0; h < CF_HELD; h++) sums[h] += x[e] * cf_load_f32(row + h * CF_WIDTH);
        }
        memcpy(out + left, sums, sizeof(sums));
    }
    for (int j = 0; j < CF_COLUMNS; j++) reached |= out[j] >= least;
    return reached;
}

#endif
