/* Rows added to rows: each number is a sum of its own, so that the bits are those of a plain loop at any vector
   width. Compilers vectorize these loops where they know that the rows do not overlap. */
#ifndef CFCORE_RIDGE_H
#define CFCORE_RIDGE_H

#include "common/lanes.h"

/* to += times row */
CF_INLINE void cf_add_times(double *CF_RESTRICT to, const double *CF_RESTRICT row, double times, ptrdiff_t n) {
    for (ptrdiff_t k = 0; k < n; ++k) to[k] += times * row[k];
}

/* The same for four rows, `stride` apart: `row` is loaded once. */
CF_INLINE void cf_add_four_times(double *CF_RESTRICT to, const double *CF_RESTRICT row, const double *times,
                                 ptrdiff_t n, ptrdiff_t stride) {
    double *CF_RESTRICT second = to + stride, *CF_RESTRICT third = second + stride;
    double *CF_RESTRICT fourth = third + stride;
    const double a = times[0], b = times[1], c = times[2], d = times[3];
    for (ptrdiff_t k = 0; k < n; ++k) {
        const double one = row[k];
        to[k] += a * one;
        second[k] += b * one;
        third[k] += c * one;
        fourth[k] += d * one;
    }
}

/* to += times[k] rows[k] for four rows, `stride` apart, in their order: `to` is loaded and stored once. */
CF_INLINE void cf_add_of_four(double *CF_RESTRICT to, const double *CF_RESTRICT rows, const double *times,
                              ptrdiff_t n, ptrdiff_t stride) {
    const double *second = rows + stride, *third = second + stride, *fourth = third + stride;
    const double a = times[0], b = times[1], c = times[2], d = times[3];
    for (ptrdiff_t k = 0; k < n; ++k)
        to[k] = (((to[k] + a * rows[k]) + b * second[k]) + c * third[k]) + d * fourth[k];
}
#endif
