/* Steps of SVD and SVD++ in float64, as `_factorization.pyx` calls them.

   Each sum over factors, and each sum over the items of a user, is one chain of additions in ascending order, which
   defines its rounding. What is independent runs side by side: sums of several ratings, and factors. */

#ifndef CFCORE_SURPRISE_FACTORIZATION_H
#define CFCORE_SURPRISE_FACTORIZATION_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "targets.h"

#if defined(__aarch64__)
#define CF_FUSED 1 /* every processor has a fused multiply-add */
#else
#define CF_FUSED 0
#endif

#define CF_WIDTH 8 /* ratings side by side, and factors of a block */

typedef struct {
    double *pu, *qi, *yj, *bu, *bi;
    ptrdiff_t n_factors;
    double mean;
    double lr_bu, lr_bi, lr_pu, lr_qi, lr_yj;
    double reg_bu, reg_bi, reg_pu, reg_qi, reg_yj;
    int biased;
} cf_model;

/* ------------------------------------------------------------------ SVD */

/* Sums over factors of q p for n <= CF_WIDTH pairs of rows. */
CF_INLINE void cf_dots(const double *const *p, const double *const *q, ptrdiff_t n, ptrdiff_t k, double *out)
{
    ptrdiff_t r = 0, f;
    if (n == CF_WIDTH) {
        double a = 0, b = 0, c = 0, d = 0, e = 0, g = 0, h = 0, i = 0;
        for (f = 0; f < k; f++) {
            a += q[0][f] * p[0][f];
            b += q[1][f] * p[1][f];
            c += q[2][f] * p[2][f];
            d += q[3][f] * p[3][f];
            e += q[4][f] * p[4][f];
            g += q[5][f] * p[5][f];
            h += q[6][f] * p[6][f];
            i += q[7][f] * p[7][f];
        }
        out[0] = a, out[1] = b, out[2] = c, out[3] = d, out[4] = e, out[5] = g, out[6] = h, out[7] = i;
        return;
    }
    for (; r + 4 <= n; r += 4) {
        double a = 0, b = 0, c = 0, d = 0;
        for (f = 0; f < k; f++) {
            a += q[r][f] * p[r][f];
            b += q[r + 1][f] * p[r + 1][f];
            c += q[r + 2][f] * p[r + 2][f];
            d += q[r + 3][f] * p[r + 3][f];
        }
        out[r] = a, out[r + 1] = b, out[r + 2] = c, out[r + 3] = d;
    }
    for (; r + 2 <= n; r += 2) {
        double a = 0, b = 0;
        for (f = 0; f < k; f++) {
            a += q[r][f] * p[r][f];
            b += q[r + 1][f] * p[r + 1][f];
        }
        out[r] = a, out[r + 1] = b;
    }
    for (; r < n; r++) {
        double a = 0;
        for (f = 0; f < k; f++)
            a += q[r][f] * p[r][f];
        out[r] = a;
    }
}

CF_INLINE void cf_step(const cf_model *m, double *CF_RESTRICT p, double *CF_RESTRICT q, double error)
{
    const double lr_pu = m->lr_pu, lr_qi = m->lr_qi, reg_pu = m->reg_pu, reg_qi = m->reg_qi;
    ptrdiff_t f, k = m->n_factors;
    for (f = 0; f < k; f++) {
        double of_user = p[f], of_item = q[f];
        p[f] = of_user + lr_pu * (error * of_item - reg_pu * of_user);
        q[f] = of_item + lr_qi * (error * of_user - reg_qi * of_item);
    }
}

CF_INLINE double cf_error(const cf_model *m, ptrdiff_t u, ptrdiff_t i, double rating, double dot)
{
    double error;
    if (!m->biased)
        return rating - (0.0 + dot);
    error = rating - (m->mean + m->bu[u] + m->bi[i] + dot);
    m->bu[u] += m->lr_bu * (error - m->reg_bu * m->bu[u]);
    m->bi[i] += m->lr_bi * (error - m->reg_bi * m->bi[i]);
    return error;
}

/* An epoch of SVD. Group g is of ratings order[starts[g]:starts[g + 1]], at most CF_WIDTH, no two of a user or of
   an item. */
CF_INLINE void cf_svd_body(const cf_model *m, const int32_t *users, const int32_t *items, const double *ratings,
                           const int32_t *order, const int64_t *starts, ptrdiff_t n_groups)
{
    const double *p[CF_WIDTH], *q[CF_WIDTH];
    double dots[CF_WIDTH];
    ptrdiff_t g, r, k = m->n_factors;
    for (g = 0; g < n_groups; g++) {
        const int32_t *at = order + starts[g];
        ptrdiff_t n = starts[g + 1] - starts[g];
        for (r = 0; r < n; r++) {
            p[r] = m->pu + users[at[r]] * k;
            q[r] = m->qi + items[at[r]] * k;
        }
        cf_dots(p, q, n, k, dots);
        for (r = 0; r < n; r++) {
            double error = cf_error(m, users[at[r]], items[at[r]], ratings[at[r]], dots[r]);
            cf_step(m, (double *)p[r], (double *)q[r], error);
        }
    }
}

/* ------------------------------------------------------------------ SVD++ */

/* y / root, correctly rounded: two corrections of y * inverse, where inverse is 1 / root correctly rounded
   (Markstein 1990). Not for infinities, which become NaN. */
CF_INLINE double cf_quotient(double y, double root, double inverse)
{
    double quotient = y * inverse;
    quotient = fma(fma(-quotient, root, y), inverse, quotient);
    return fma(fma(-quotient, root, y), inverse, quotient);
}

/* Sum over rows y of y / root, for a block of factors. */
CF_INLINE void cf_sum(const double *block, ptrdiff_t n, double root, double *total)
{
    ptrdiff_t j, l;
    for (l = 0; l < CF_WIDTH; l++)
        total[l] = 0;
    for (j = 0; j < n; j++)
        for (l = 0; l < CF_WIDTH; l++)
            total[l] += block[j * CF_WIDTH + l] / root;
}

/* y += lr (step - reg y) for the rows of a block, and the sum of y / root after it. */
CF_INLINE void cf_step_of_items(double *CF_RESTRICT block, ptrdiff_t n, const double *CF_RESTRICT step,
                                double lr, double reg, double root, double *CF_RESTRICT total, int fused)
{
    double sums[CF_WIDTH] = {0}, steps[CF_WIDTH];
    double inverse = 1 / root;
    ptrdiff_t j, l;
    int finite = 1;
    memcpy(steps, step, sizeof steps);
    for (j = 0; j < n; j++) {
        double *CF_RESTRICT row = block + j * CF_WIDTH;
        for (l = 0; l < CF_WIDTH; l++) {
            double y = row[l];
            y += lr * (steps[l] - reg * y);
            row[l] = y;
            sums[l] += fused ? cf_quotient(y, root, inverse) : y / root;
        }
    }
    for (l = 0; l < CF_WIDTH; l++) {
        total[l] = sums[l];
        finite &= isfinite(sums[l]) != 0;
    }
    if (fused && !finite)
        cf_sum(block, n, root, total);
}

/* The ratings of one user, whose items are distinct. `blocks` holds the rows of yj of the items, CF_WIDTH factors
   of all rows one after the other; `rows` has room for two rows of factors. */
CF_INLINE void cf_svdpp_body(const cf_model *m, ptrdiff_t u, const int32_t *items, const double *ratings,
                             ptrdiff_t n, double *CF_RESTRICT blocks, double *CF_RESTRICT rows, int fused)
{
    ptrdiff_t k = m->n_factors, n_blocks = (k + CF_WIDTH - 1) / CF_WIDTH, padded = n_blocks * CF_WIDTH;
    double *CF_RESTRICT total = rows, *CF_RESTRICT step = rows + padded, *CF_RESTRICT p = m->pu + u * k;
    double root = sqrt((double)n);
    ptrdiff_t b, f, j, t;
    memset(rows, 0, 2 * padded * sizeof *rows);
    for (j = 0; j < n; j++) {
        const double *y = m->yj + items[j] * k;
        for (f = 0; f < padded; f++)
            blocks[(f / CF_WIDTH * n + j) * CF_WIDTH + f % CF_WIDTH] = f < k ? y[f] : 0;
    }
    for (b = 0; b < n_blocks; b++)
        cf_sum(blocks + b * n * CF_WIDTH, n, root, total + b * CF_WIDTH);
    for (t = 0; t < n; t++) {
        double *CF_RESTRICT q = m->qi + items[t] * k;
        double dot = 0, error;
        for (f = 0; f < k; f++)
            dot += q[f] * (p[f] + total[f]);
        error = cf_error(m, u, items[t], ratings[t], dot);
        for (f = 0; f < k; f++) {
            double of_user = p[f], of_item = q[f];
            p[f] = of_user + m->lr_pu * (error * of_item - m->reg_pu * of_user);
            q[f] = of_item + m->lr_qi * (error * (of_user + total[f]) - m->reg_qi * of_item);
            step[f] = error * of_item / root;
        }
        for (b = 0; b < n_blocks; b++)
            cf_step_of_items(blocks + b * n * CF_WIDTH, n, step + b * CF_WIDTH, m->lr_yj, m->reg_yj, root,
                             total + b * CF_WIDTH, fused);
    }
    for (j = 0; j < n; j++) {
        double *y = m->yj + items[j] * k;
        for (f = 0; f < k; f++)
            y[f] = blocks[(f / CF_WIDTH * n + j) * CF_WIDTH + f % CF_WIDTH];
    }
}

/* As cf_svdpp_body, for a user who rated an item more than once, whose row then moves more than once a rating. */
static void cf_svdpp_repeated(const cf_model *m, ptrdiff_t u, const int32_t *items, const double *ratings, ptrdiff_t n,
                              double *rows)
{
    ptrdiff_t k = m->n_factors, f, j, t;
    double *total = rows, *p = m->pu + u * k;
    double root = sqrt((double)n);
    for (t = 0; t < n; t++) {
        double *q = m->qi + items[t] * k;
        double dot = 0, error;
        for (f = 0; f < k; f++) {
            total[f] = 0;
            for (j = 0; j < n; j++)
                total[f] += m->yj[items[j] * k + f] / root;
        }
        for (f = 0; f < k; f++)
            dot += q[f] * (p[f] + total[f]);
        error = cf_error(m, u, items[t], ratings[t], dot);
        for (f = 0; f < k; f++) {
            double of_user = p[f], of_item = q[f], step = error * of_item / root;
            p[f] = of_user + m->lr_pu * (error * of_item - m->reg_pu * of_user);
            q[f] = of_item + m->lr_qi * (error * (of_user + total[f]) - m->reg_qi * of_item);
            for (j = 0; j < n; j++) {
                double *y = m->yj + items[j] * k + f;
                *y += m->lr_yj * (step - m->reg_yj * *y);
            }
        }
    }
}

/* ------------------------------------------------------------------ per instruction set */

#if CF_HAS_AVX2
CF_AVX2 static void cf_svd_avx2(const cf_model *m, const int32_t *users, const int32_t *items, const double *ratings,
                                const int32_t *order, const int64_t *starts, ptrdiff_t n_groups)
{
    cf_svd_body(m, users, items, ratings, order, starts, n_groups);
}

CF_AVX2 static void cf_svdpp_avx2(const cf_model *m, ptrdiff_t u, const int32_t *items, const double *ratings,
                                  ptrdiff_t n, double *blocks, double *rows)
{
    cf_svdpp_body(m, u, items, ratings, n, blocks, rows, 1);
}
#endif

static void cf_svd(const cf_model *m, const int32_t *users, const int32_t *items, const double *ratings,
                   const int32_t *order, const int64_t *starts, ptrdiff_t n_groups, int avx2)
{
#if CF_HAS_AVX2
    if (avx2) {
        cf_svd_avx2(m, users, items, ratings, order, starts, n_groups);
        return;
    }
#endif
    cf_svd_body(m, users, items, ratings, order, starts, n_groups);
}

static void cf_svdpp(const cf_model *m, ptrdiff_t u, const int32_t *items, const double *ratings, ptrdiff_t n,
                     double *blocks, double *rows, int avx2)
{
#if CF_HAS_AVX2
    if (avx2) {
        cf_svdpp_avx2(m, u, items, ratings, n, blocks, rows);
        return;
    }
#endif
    cf_svdpp_body(m, u, items, ratings, n, blocks, rows, CF_FUSED);
}

#endif
