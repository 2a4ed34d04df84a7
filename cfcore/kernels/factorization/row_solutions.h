/* Factors and solutions of symmetric matrices whose upper triangle is held in rows of `width` doubles. Sizes are
   multiples of 8. Each number is a sum of its own, in the order of the rows, so that the bits are those of a
   plain loop at any vector width. */
#ifndef CFCORE_ROW_SOLUTIONS_H
#define CFCORE_ROW_SOLUTIONS_H

#include <math.h>

#include "common/lanes.h"

#define CF_BLOCK CF_F64_LANES /* rows and columns that are kept in registers at a time */

/* A lane of a row of a block in registers; an element, where compilers have no vectors. */
#if defined(__GNUC__)
  #define CF_ROW_LANES (CF_F64_LANES / cf_parts_f64)
  #define CF_LANE(block, row, lane) (block)[(row) * cf_parts_f64 + (lane) / CF_ROW_LANES][(lane) % CF_ROW_LANES]
  #define CF_UNROLL _Pragma("GCC unroll 8")
#else
  #define CF_LANE(block, row, lane) (block)[(row) * cf_parts_f64 + (lane)]
  #define CF_UNROLL
#endif

/* to += the sum of times[i] rows[i], for n rows of n numbers. */
CF_INLINE void cf_add_combination(double *CF_RESTRICT to, const double *rows, const double *times, ptrdiff_t n) {
    ptrdiff_t j = 0;
    for (; j + CF_F64_LANES <= n; j += CF_F64_LANES)
        for (int part = 0; part < cf_parts_f64; ++part) {
            cf_f64_vector sum = ((const cf_f64_vector *)(to + j))[part];
            for (ptrdiff_t i = 0; i < n; ++i)
                sum += ((const cf_f64_vector *)(rows + i * n + j))[part] * times[i];
            ((cf_f64_vector *)(to + j))[part] = sum;
        }
    for (; j < n; ++j)
        for (ptrdiff_t i = 0; i < n; ++i) to[j] += rows[i * n + j] * times[i];
}

/* Eliminate the columns of a block on the diagonal: its rows become those of D U, and `inverse` has those of the
   diagonal D. 0 if a pivot is not positive. The reciprocals are all that a pivot waits for. */
CF_INLINE int cf_eliminate(double *diagonal, double *inverse, ptrdiff_t width) {
    cf_f64_vector rows[CF_BLOCK * cf_parts_f64];
    int positive = 1;
    CF_UNROLL
    for (int i = 0; i < CF_BLOCK; ++i)
        for (int part = 0; part < cf_parts_f64; ++part)
            rows[i * cf_parts_f64 + part] = ((const cf_f64_vector *)(diagonal + i * width))[part];
    CF_UNROLL
    for (int i = 0; i < CF_BLOCK; ++i) {
        const double pivot = CF_LANE(rows, i, i), reciprocal = 1 / pivot;
        positive &= 0 < pivot && pivot < INFINITY;
        inverse[i] = reciprocal;
        CF_UNROLL
        for (int below = i + 1; below < CF_BLOCK; ++below) {
            const double times = CF_LANE(rows, i, below) * reciprocal;
            for (int part = 0; part < cf_parts_f64; ++part)
                rows[below * cf_parts_f64 + part] -= rows[i * cf_parts_f64 + part] * times;
        }
    }
    CF_UNROLL
    for (int i = 0; i < CF_BLOCK; ++i)
        for (int part = 0; part < cf_parts_f64; ++part)
            ((cf_f64_vector *)(diagonal + i * width))[part] = rows[i * cf_parts_f64 + part];
    return positive;
}

/* Subtract times[p * width + i] rows[p] from row i of 8 rows of a block, for the 8 rows p; in a triangle for those
   before i, which are rows of the block itself. */
CF_INLINE void cf_subtract_block(double *to, const double *times, const double *rows, int triangle,
                                 ptrdiff_t width) {
    for (int part = 0; part < cf_parts_f64; ++part) {
        cf_f64_vector held[CF_BLOCK];
        CF_UNROLL
        for (int i = 0; i < CF_BLOCK; ++i) held[i] = ((const cf_f64_vector *)(to + i * width))[part];
        CF_UNROLL
        for (int p = 0; p < CF_BLOCK; ++p) {
            const cf_f64_vector row = triangle ? held[p] : ((const cf_f64_vector *)(rows + p * width))[part];
            CF_UNROLL
            for (int i = triangle ? p + 1 : 0; i < CF_BLOCK; ++i) held[i] -= row * times[p * width + i];
        }
        CF_UNROLL
        for (int i = 0; i < CF_BLOCK; ++i) ((cf_f64_vector *)(to + i * width))[part] = held[i];
    }
}

/* Rows times factors, from one place to another. */
CF_INLINE void cf_scale_block(double *to, const double *rows, const double *factors, ptrdiff_t n,
                              ptrdiff_t width) {
    for (int i = 0; i < CF_BLOCK; ++i)
        for (ptrdiff_t j = 0; j < n; j += CF_F64_LANES)
            for (int part = 0; part < cf_parts_f64; ++part)
                ((cf_f64_vector *)(to + i * width + j))[part] =
                    ((const cf_f64_vector *)(rows + i * width + j))[part] * factors[i];
}

/* The factors of U'D U, the diagonal of U being 1: U above the diagonal in place of the first n rows, the inverses
   of D beside it. What is left of the diagonal in its blocks is overwritten, as is `scaled`, of 8 rows. 0 if the
   matrix is not positive definite. */
CF_INLINE int cf_factorise(double *gram, double *inverse, double *scaled, ptrdiff_t n, ptrdiff_t width) {
    for (ptrdiff_t at = 0; at < n; at += CF_BLOCK) {
        double *rows = gram + at * width; /* of D U, until they are scaled */
        if (!cf_eliminate(rows + at, inverse + at, width)) return 0;
        cf_scale_block(scaled + at, rows + at, inverse + at, CF_BLOCK, width);
        for (ptrdiff_t j = at + CF_BLOCK; j < n; j += CF_BLOCK)
            cf_subtract_block(rows + j, scaled + at, 0, 1, width);
        cf_scale_block(scaled + at, rows + at, inverse + at, n - at, width);
        for (ptrdiff_t i = at + CF_BLOCK; i < n; i += CF_BLOCK)
            for (ptrdiff_t j = i; j < n; j += CF_BLOCK)
                cf_subtract_block(gram + i * width + j, scaled + i, rows + j, 0, width);
        for (ptrdiff_t i = 0; i < CF_BLOCK; ++i)
            memcpy(rows + i * width + at, scaled + i * width + at, (n - at) * sizeof(double));
    }
    return 1;
}

/* The solution of U'x = rest in place of `rest`. */
CF_INLINE void cf_solve_lower(const double *factor, double *rest, ptrdiff_t n, ptrdiff_t width) {
    for (ptrdiff_t at = 0; at < n; at += CF_BLOCK) {
        const double *rows = factor + at * width;
        double x[CF_BLOCK];
        CF_UNROLL
        for (int a = 0; a < CF_BLOCK; ++a) {
            double sum = rest[at + a];
            CF_UNROLL
            for (int b = 0; b < a; ++b) sum -= rows[b * width + at + a] * x[b];
            x[a] = sum;
        }
        for (int a = 0; a < CF_BLOCK; ++a) rest[at + a] = x[a];
        for (ptrdiff_t j = at + CF_BLOCK; j < n; j += CF_BLOCK)
            for (int part = 0; part < cf_parts_f64; ++part) {
                cf_f64_vector sum = ((const cf_f64_vector *)(rest + j))[part];
                CF_UNROLL
                for (int b = 0; b < CF_BLOCK; ++b)
                    sum -= ((const cf_f64_vector *)(rows + b * width + j))[part] * x[b];
                ((cf_f64_vector *)(rest + j))[part] = sum;
            }
    }
}

/* The solution of U x = rest in place of `rest`. */
CF_INLINE void cf_solve_upper(const double *factor, double *rest, ptrdiff_t n, ptrdiff_t width) {
    for (ptrdiff_t at = n - CF_BLOCK; at >= 0; at -= CF_BLOCK) {
        double x[CF_BLOCK];
        CF_UNROLL
        for (int a = CF_BLOCK - 1; a >= 0; --a) {
            const double *row = factor + (at + a) * width + at;
            double sum = rest[at + a];
            CF_UNROLL
            for (int b = CF_BLOCK - 1; b > a; --b) sum -= row[b] * x[b];
            x[a] = sum;
        }
        for (int a = 0; a < CF_BLOCK; ++a) rest[at + a] = x[a];
        for (ptrdiff_t i = 0; i < at; ++i) {
            const double *row = factor + i * width + at;
            double sum = rest[i];
            CF_UNROLL
            for (int b = 0; b < CF_BLOCK; ++b) sum -= row[b] * x[b];
            rest[i] = sum;
        }
    }
}
#endif
