/* Cholesky factors and solutions of symmetric matrices whose upper triangle is held in rows of `width` doubles,
   a multiple of 8. Each number is a sum of its own, in the order of the rows, so that the bits are those of a
   plain loop at any vector width. */
#ifndef CFCORE_ROW_SOLUTIONS_H
#define CFCORE_ROW_SOLUTIONS_H

#include <math.h>

#include "common/lanes.h"

#define CF_PIVOTS 4 /* rows that are subtracted from a row at a time: it is loaded and stored once */

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

/* to -= the sum of times[p] rows[p] for `n_rows` rows, from the group of 8 of `begin` on, up to `end`. Rows and
   factors are `width` apart. */
CF_INLINE void cf_subtract_rows(double *CF_RESTRICT to, const double *CF_RESTRICT rows, const double *times,
                                int n_rows, ptrdiff_t width, ptrdiff_t begin, ptrdiff_t end) {
    double by[CF_PIVOTS];
    for (int p = 0; p < n_rows; ++p) by[p] = times[p * width];
    for (ptrdiff_t j = begin - begin % CF_F64_LANES; j < end; j += CF_F64_LANES)
        for (int part = 0; part < cf_parts_f64; ++part) {
            cf_f64_vector sum = ((const cf_f64_vector *)(to + j))[part];
            for (int p = 0; p < n_rows; ++p)
                sum -= ((const cf_f64_vector *)(rows + p * width + j))[part] * by[p];
            ((cf_f64_vector *)(to + j))[part] = sum;
        }
}

/* A row of the factor: the rows of its block before it are subtracted, and it is divided by the root of its
   pivot. 0 if the matrix is not positive definite. */
CF_INLINE int cf_finish_pivot(double *block, double *inverse, int n_before, ptrdiff_t at, ptrdiff_t width,
                              ptrdiff_t end) {
    double *row = block + n_before * width;
    cf_subtract_rows(row, block, block + at, n_before, width, at, end);
    if (!(0 < row[at] && row[at] < INFINITY)) return 0;
    inverse[at] = 1 / sqrt(row[at]);
    for (ptrdiff_t j = at - at % CF_F64_LANES; j < end; j += CF_F64_LANES)
        for (int part = 0; part < cf_parts_f64; ++part) ((cf_f64_vector *)(row + j))[part] *= inverse[at];
    return 1;
}

/* The upper factor U of U'U in place of the upper triangle of the first `n` rows, the inverses of its diagonal
   beside it. What is left of the diagonal in its groups of 8 is overwritten. 0 if the matrix is not positive
   definite. */
CF_INLINE int cf_factorise(double *gram, double *inverse, ptrdiff_t n, ptrdiff_t width) {
    const ptrdiff_t end = (n + CF_F64_LANES - 1) / CF_F64_LANES * CF_F64_LANES;
    for (ptrdiff_t first = 0; first < n; first += CF_PIVOTS) {
        double *block = gram + first * width;
        if (!cf_finish_pivot(block, inverse, 0, first, width, end)) return 0;
        if (first + 1 < n && !cf_finish_pivot(block, inverse, 1, first + 1, width, end)) return 0;
        if (first + 2 < n && !cf_finish_pivot(block, inverse, 2, first + 2, width, end)) return 0;
        if (first + 3 < n && !cf_finish_pivot(block, inverse, 3, first + 3, width, end)) return 0;
        for (ptrdiff_t i = first + CF_PIVOTS; i < n; ++i)
            cf_subtract_rows(gram + i * width, block, block + i, CF_PIVOTS, width, i, end);
    }
    return 1;
}

/* The solution of U'x = rest in place of `rest`, of `width` numbers. */
CF_INLINE void cf_solve_lower(const double *factor, const double *inverse, double *rest, ptrdiff_t n,
                              ptrdiff_t width) {
    for (ptrdiff_t first = 0; first < n; first += CF_F64_LANES) {
        const double *block = factor + first * width;
        double x[CF_F64_LANES] = {0};
        const ptrdiff_t size = n - first < CF_F64_LANES ? n - first : CF_F64_LANES;
        for (ptrdiff_t a = 0; a < size; ++a) {
            double sum = rest[first + a];
            for (ptrdiff_t b = 0; b < a; ++b) sum -= block[b * width + first + a] * x[b];
            x[a] = sum * inverse[first + a];
        }
        for (ptrdiff_t a = 0; a < size; ++a) rest[first + a] = x[a];
        if (size == CF_F64_LANES)
            for (ptrdiff_t j = first + CF_F64_LANES; j < width; j += CF_F64_LANES)
                for (int part = 0; part < cf_parts_f64; ++part) {
                    cf_f64_vector sum = ((const cf_f64_vector *)(rest + j))[part];
                    for (int b = 0; b < CF_F64_LANES; ++b)
                        sum -= ((const cf_f64_vector *)(block + b * width + j))[part] * x[b];
                    ((cf_f64_vector *)(rest + j))[part] = sum;
                }
    }
}

/* The solution of U x = rest in place of `rest`. */
CF_INLINE void cf_solve_upper(const double *factor, const double *inverse, double *rest, ptrdiff_t n,
                              ptrdiff_t width) {
    for (ptrdiff_t first = (n - 1) / CF_F64_LANES * CF_F64_LANES; first >= 0; first -= CF_F64_LANES) {
        double x[CF_F64_LANES] = {0};
        const ptrdiff_t size = n - first < CF_F64_LANES ? n - first : CF_F64_LANES;
        for (ptrdiff_t a = size - 1; a >= 0; --a) {
            const double *row = factor + (first + a) * width + first;
            double sum = rest[first + a];
            for (ptrdiff_t b = size - 1; b > a; --b) sum -= row[b] * x[b];
            x[a] = sum * inverse[first + a];
        }
        for (ptrdiff_t a = 0; a < size; ++a) rest[first + a] = x[a];
        for (ptrdiff_t i = 0; i < first; ++i) {
            const double *row = factor + i * width + first;
            double sum = rest[i];
            for (int b = 0; b < CF_F64_LANES; ++b) sum -= row[b] * x[b];
            rest[i] = sum;
        }
    }
}
#endif
