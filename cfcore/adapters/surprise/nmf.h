/* Steps of NMF in float64, as `_nmf.pyx` calls them. */

#ifndef CFCORE_SURPRISE_NMF_H
#define CFCORE_SURPRISE_NMF_H

#include "factorization.h"

/* Sums over factors of q p for some ratings. */
static void cf_nmf_dots(const double *pu, const double *qi, const int32_t *users, const int32_t *items, ptrdiff_t n,
                        ptrdiff_t k, double *out)
{
    const double *p[CF_WIDTH], *q[CF_WIDTH];
    ptrdiff_t first, r;
    for (first = 0; first < n; first += CF_WIDTH) {
        ptrdiff_t m = n - first < CF_WIDTH ? n - first : CF_WIDTH;
        for (r = 0; r < m; r++) {
            p[r] = pu + users[first + r] * k;
            q[r] = qi + items[first + r] * k;
        }
        cf_dots(p, q, m, k, out + first);
    }
}

/* rows: p, q; sums: numerators and denominators of the user, and of the item. */
CF_INLINE void cf_nmf_accumulate_body(const double *const *rows, ptrdiff_t k, double rating, double est,
                                      double *const *sums)
{
    const double *CF_RESTRICT p = rows[0], *CF_RESTRICT q = rows[1];
    double *CF_RESTRICT num_u = sums[0], *CF_RESTRICT den_u = sums[1];
    double *CF_RESTRICT num_i = sums[2], *CF_RESTRICT den_i = sums[3];
    ptrdiff_t f;
    for (f = 0; f < k; f++) {
        num_u[f] += q[f] * rating;
        den_u[f] += q[f] * est;
        num_i[f] += p[f] * rating;
        den_i[f] += p[f] * est;
    }
}

#if CF_HAS_AVX2
CF_AVX2 static void cf_nmf_accumulate_avx2(const double *const *rows, ptrdiff_t k, double rating, double est,
                                           double *const *sums)
{
    cf_nmf_accumulate_body(rows, k, rating, est, sums);
}
#endif

static void cf_nmf_accumulate(const double *const *rows, ptrdiff_t k, double rating, double est, double *const *sums,
                              int avx2)
{
#if CF_HAS_AVX2
    if (avx2) {
        cf_nmf_accumulate_avx2(rows, k, rating, est, sums);
        return;
    }
#endif
    cf_nmf_accumulate_body(rows, k, rating, est, sums);
}

#endif
