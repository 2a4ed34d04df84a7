/* Products of tiles of matrices in double, subtracted: C <- C - V W', one term after the other.

   Each entry of C takes its terms in ascending order of k, whatever the size of tiles and the width of vectors,
   and no product is contracted with a difference: the bits are those of three plain loops. */
#ifndef CFCORE_TILES_H
#define CFCORE_TILES_H

#include "common/lanes.h"

/* Columns of W that are packed side by side, and the most terms of an entry; a multiple of TILE_ROWS. */
#define CF_GROUP 16
#define CF_DEPTH 128

/* Sums that are held in registers: CF_TALL rows of two vectors. With fewer, each would wait for the one before. */
#if defined(__AVX512F__)
  #define CF_TALL 8
#else
  #define CF_TALL 4
#endif

#define CF_VECTOR ((ptrdiff_t)(sizeof(cf_f64_vector) / sizeof(double)))

CF_INLINE cf_f64_vector cf_load_f64(const double *from) {
    cf_f64_vector x;
    memcpy(&x, from, sizeof(x));
    return x;
}

/* c: 16 rows of `stride`, of which 16 columns change; v: 16 rows of `v_stride`; w: [depth][16]. */
static inline void cf_subtract_products(double *c, ptrdiff_t stride, const double *v, ptrdiff_t v_stride,
                                        const double *w, ptrdiff_t depth) {
    for (ptrdiff_t top = 0; top < CF_GROUP; top += CF_TALL) {
        for (ptrdiff_t left = 0; left < CF_GROUP; left += 2 * CF_VECTOR) {
            double *out = c + top * stride + left;
            const double *row = v + top * v_stride, *columns = w + left;
            cf_f64_vector sums[CF_TALL][2];
            for (int r = 0; r < CF_TALL; r++) {
                sums[r][0] = cf_load_f64(out + r * stride);
                sums[r][1] = cf_load_f64(out + r * stride + CF_VECTOR);
            }
            for (ptrdiff_t k = 0; k < depth; k++) {
                cf_f64_vector first = cf_load_f64(columns + k * CF_GROUP);
                cf_f64_vector second = cf_load_f64(columns + k * CF_GROUP + CF_VECTOR);
                for (int r = 0; r < CF_TALL; r++) {
                    double x = row[r * v_stride + k];
                    sums[r][0] -= x * first;
                    sums[r][1] -= x * second;
                }
            }
            for (int r = 0; r < CF_TALL; r++) {
                memcpy(out + r * stride, &sums[r][0], sizeof(cf_f64_vector));
                memcpy(out + r * stride + CF_VECTOR, &sums[r][1], sizeof(cf_f64_vector));
            }
        }
    }
}

#endif
