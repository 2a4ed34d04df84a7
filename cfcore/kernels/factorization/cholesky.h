/* The Cholesky factor of a matrix of whole groups of 8 rows, and the solution of its triangles. Each number is
   computed by the same operations in the same order at any vector width. */
#ifndef CFCORE_CHOLESKY_H
#define CFCORE_CHOLESKY_H

#include <math.h>

#include "common/lanes.h"

#define CF_GROUP CF_F64_LANES /* rows that are kept in registers at a time, with a vector of columns each */

enum { cf_vector_f64 = sizeof(cf_f64_vector) / sizeof(double) };

/* held[i] = a[begin + i][column ...] less the sum over rows r < begin of a[r][begin + i] a[r][column ...],
   subtracted in the order of r. */
CF_INLINE void cf_subtract_products(const double *a, ptrdiff_t stride, ptrdiff_t begin, ptrdiff_t column,
                                    cf_f64_vector *held) {
    for (int i = 0; i < CF_GROUP; ++i) held[i] = *(const cf_f64_vector *)(a + (begin + i) * stride + column);
    for (ptrdiff_t r = 0; r < begin; ++r) {
        const double *times = a + r * stride + begin;
        const cf_f64_vector row = *(const cf_f64_vector *)(a + r * stride + column);
        for (int i = 0; i < CF_GROUP; ++i) held[i] -= times[i] * row;
    }
}

/* The factor of the 8 rows and columns from `diagonal` on, in their place. */
CF_INLINE int cf_factorise_group(double *diagonal, double *inverses, ptrdiff_t stride) {
    for (int i = 0; i < CF_GROUP; ++i) {
        const cf_f64_vector *row = (const cf_f64_vector *)(diagonal + i * stride);
        const double pivot = diagonal[i * stride + i];
        if (!(pivot > 0 && pivot < INFINITY)) return 0;
        inverses[i] = 1 / sqrt(pivot);
        for (int part = 0; part < cf_parts_f64; ++part)
            ((cf_f64_vector *)(diagonal + i * stride))[part] = row[part] * inverses[i];
        for (int below = i + 1; below < CF_GROUP; ++below) {
            cf_f64_vector *to = (cf_f64_vector *)(diagonal + below * stride);
            const double times = diagonal[i * stride + below];
            for (int part = 0; part < cf_parts_f64; ++part) to[part] -= times * row[part];
        }
    }
    return 1;
}

/* The upper factor U of U'U in place of the upper triangle, n being a multiple of 8; `inverses` are those of its
   diagonal. What is below the diagonal is overwritten. 0 if the matrix is not positive definite. */
CF_INLINE int cf_factorise_groups(double *a, double *inverses, ptrdiff_t n, ptrdiff_t stride) {
    cf_f64_vector held[CF_GROUP];
    for (ptrdiff_t begin = 0; begin < n; begin += CF_GROUP) {
        double *diagonal = a + begin * stride + begin;
        for (int column = 0; column < CF_GROUP; column += cf_vector_f64) {
            cf_subtract_products(a, stride, begin, begin + column, held);
            for (int i = 0; i < CF_GROUP; ++i) *(cf_f64_vector *)(diagonal + i * stride + column) = held[i];
        }
        if (!cf_factorise_group(diagonal, inverses + begin, stride)) return 0;
        for (ptrdiff_t column = begin + CF_GROUP; column < n; column += cf_vector_f64) {
            cf_subtract_products(a, stride, begin, column, held);
            for (int i = 0; i < CF_GROUP; ++i) {
                for (int r = 0; r < i; ++r) held[i] -= diagonal[r * stride + i] * held[r];
                held[i] *= inverses[begin + i];
            }
            for (int i = 0; i < CF_GROUP; ++i) *(cf_f64_vector *)(a + (begin + i) * stride + column) = held[i];
        }
    }
    return 1;
}

/* The solutions of U'x = right for two right-hand sides, in their place. */
CF_INLINE void cf_solve_lower_two(const double *a, const double *inverses, double *CF_RESTRICT first,
                                  double *CF_RESTRICT second, ptrdiff_t n, ptrdiff_t stride) {
    for (ptrdiff_t begin = 0; begin < n; begin += CF_GROUP) {
        for (int i = 0; i < CF_GROUP; ++i) {
            const double *row = a + (begin + i) * stride + begin;
            const double one = first[begin + i] *= inverses[begin + i];
            const double two = second[begin + i] *= inverses[begin + i];
            for (int j = i + 1; j < CF_GROUP; ++j) {
                first[begin + j] -= one * row[j];
                second[begin + j] -= two * row[j];
            }
        }
        for (ptrdiff_t column = begin + CF_GROUP; column < n; column += CF_GROUP)
            for (int i = 0; i < CF_GROUP; ++i) {
                const double *row = a + (begin + i) * stride + column;
                const double one = first[begin + i], two = second[begin + i];
                for (int j = 0; j < CF_GROUP; ++j) {
                    first[column + j] -= one * row[j];
                    second[column + j] -= two * row[j];
                }
            }
    }
}

/* The solution of U x = right in its place: products of whole groups are sums of 8 lanes. */
CF_INLINE void cf_solve_upper_groups(const double *a, const double *inverses, double *right, ptrdiff_t n,
                                     ptrdiff_t stride) {
    for (ptrdiff_t begin = n - CF_GROUP; begin >= 0; begin -= CF_GROUP) {
        const ptrdiff_t after = begin + CF_GROUP;
        for (int i = CF_GROUP - 1; i >= 0; --i) {
            const double *row = a + (begin + i) * stride;
            double rest = right[begin + i];
            if (after < n) rest -= cf_dot_f64(row + after, right + after, n - after);
            for (int j = CF_GROUP - 1; j > i; --j) rest -= row[begin + j] * right[begin + j];
            right[begin + i] = rest * inverses[begin + i];
        }
    }
}
#endif
