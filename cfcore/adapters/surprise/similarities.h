/* Sums over common ratings and similarities of them, a row of the matrix at a time; see `_similarities.pyx`. */

#ifndef CFCORE_SURPRISE_SIMILARITIES_H
#define CFCORE_SURPRISE_SIMILARITIES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
#define CF_INLINE static __forceinline
#define CF_RESTRICT __restrict
#else
#define CF_INLINE static inline __attribute__((always_inline))
#define CF_RESTRICT restrict
#endif

enum { CF_COSINE, CF_MSD, CF_PEARSON, CF_PEARSON_BASELINE };

/* Ratings by x, in the order of y, and by y, in the order of x. */
typedef struct {
    const int64_t *starts_x, *starts_y;
    const int32_t *ys, *xs;
    const double *ratings_x, *ratings_y; /* in_order */
    const uint8_t *whole_x, *whole_y;    /* exact */
    int64_t *next;                       /* of each y: its first entry of an x above this row */
    ptrdiff_t n_x;
} cf_entries;

typedef struct {
    int measure;
    int64_t min_support;
    double shrinkage, unit;
} cf_rule;

/* Lanes of a pair's sums. */
CF_INLINE ptrdiff_t cf_lanes(int measure)
{
    return measure == CF_MSD ? 2 : measure == CF_PEARSON ? 8 : 4;
}

/* First entry of y's list with an x above `x`; rows come in ascending order. */
CF_INLINE int64_t cf_above(const cf_entries *e, int32_t y, ptrdiff_t x)
{
    int64_t at = e->next[y], end = e->starts_y[y + 1];
    while (at < end && e->xs[at] <= x)
        at++;
    e->next[y] = at;
    return at;
}

/* Similarity of a pair; *status becomes 1 where it divides by 0. */
CF_INLINE double cf_similarity(const cf_rule *rule, int measure, double n, double a, double b, double c, double d,
                               double e, int *status)
{
    double root;
    if (n < (double)rule->min_support)
        return 0;
    if (measure == CF_MSD) {
        *status |= n == 0;
        return 1 / (a / n + 1);
    }
    if (measure == CF_PEARSON) {
        root = sqrt((n * b - d * d) * (n * c - e * e));
        return root == 0 ? 0 : (n * a - d * e) / root;
    }
    root = sqrt(b * c);
    *status |= root == 0;
    if (measure == CF_COSINE)
        return a / root;
    *status |= n - 1 + rule->shrinkage == 0;
    return (n - 1) / (n - 1 + rule->shrinkage) * (a / root);
}

/* ------------------------------------------------------------------ whole numbers: 32-bit sums, in any order */

CF_INLINE void cf_table(int measure, uint32_t *table, uint32_t own, uint32_t most)
{
    uint32_t other;
    for (other = 0; other <= most; other++) {
        if (measure == CF_MSD) {
            uint32_t *row = table + 2 * other;
            row[0] = own > other ? (own - other) * (own - other) : (other - own) * (other - own);
            row[1] = 1;
        } else {
            uint32_t *row = table + cf_lanes(measure) * other;
            row[0] = own * other, row[1] = own * own, row[2] = other * other, row[3] = 1;
            if (measure == CF_PEARSON)
                row[4] = own, row[5] = other, row[6] = row[7] = 0;
        }
    }
}

CF_INLINE int cf_exact_body(const cf_entries *e, const cf_rule *rule, ptrdiff_t x, uint32_t *CF_RESTRICT sums,
                            const uint32_t *CF_RESTRICT tables, ptrdiff_t table_size, double *CF_RESTRICT row,
                            int measure)
{
    const ptrdiff_t lanes = cf_lanes(measure);
    const double unit = rule->unit, square = rule->unit * rule->unit;
    int status = 0;
    int64_t own, at;
    ptrdiff_t other, l;
    memset(sums + (x + 1) * lanes, 0, (e->n_x - x - 1) * lanes * sizeof *sums);
    for (own = e->starts_x[x]; own < e->starts_x[x + 1]; own++) {
        const int32_t y = e->ys[own];
        const uint32_t *CF_RESTRICT table = tables + e->whole_x[own] * table_size;
        const int64_t end = e->starts_y[y + 1];
        for (at = cf_above(e, y, x); at < end; at++) {
            uint32_t *CF_RESTRICT sum = sums + e->xs[at] * lanes;
            const uint32_t *CF_RESTRICT add = table + e->whole_y[at] * lanes;
            for (l = 0; l < lanes; l++)
                sum[l] += add[l];
        }
    }
    for (other = x + 1; other < e->n_x; other++) {
        const uint32_t *sum = sums + other * lanes;
        if (measure == CF_MSD)
            row[other] = cf_similarity(rule, measure, sum[1], sum[0] * square, 0, 0, 0, 0, &status);
        else if (measure == CF_COSINE)
            row[other] = cf_similarity(rule, measure, sum[3], sum[0] * square, sum[1] * square, sum[2] * square, 0, 0,
                                       &status);
        else
            row[other] = cf_similarity(rule, measure, sum[3], sum[0] * square, sum[1] * square, sum[2] * square,
                                       sum[4] * unit, sum[5] * unit, &status);
    }
    return status;
}

static int cf_exact(const cf_entries *e, const cf_rule *rule, ptrdiff_t x, uint32_t *sums, const uint32_t *tables,
                    ptrdiff_t table_size, double *row)
{
    if (rule->measure == CF_MSD)
        return cf_exact_body(e, rule, x, sums, tables, table_size, row, CF_MSD);
    if (rule->measure == CF_COSINE)
        return cf_exact_body(e, rule, x, sums, tables, table_size, row, CF_COSINE);
    return cf_exact_body(e, rule, x, sums, tables, table_size, row, CF_PEARSON);
}

/* ------------------------------------------------------------------ any numbers: sums in the order of y */

CF_INLINE int cf_in_order_body(const cf_entries *e, const cf_rule *rule, ptrdiff_t x, double *CF_RESTRICT sums,
                               double *CF_RESTRICT row, int measure)
{
    const ptrdiff_t lanes = cf_lanes(measure);
    int status = 0;
    int64_t own, at;
    ptrdiff_t other;
    memset(sums + (x + 1) * lanes, 0, (e->n_x - x - 1) * lanes * sizeof *sums);
    for (own = e->starts_x[x]; own < e->starts_x[x + 1]; own++) {
        const int32_t y = e->ys[own];
        const double r = e->ratings_x[own];
        const int64_t end = e->starts_y[y + 1];
        for (at = cf_above(e, y, x); at < end; at++) {
            double *CF_RESTRICT sum = sums + e->xs[at] * lanes;
            const double s = e->ratings_y[at];
            if (measure == CF_MSD) {
                sum[0] += (r - s) * (r - s);
                sum[1] += 1;
                continue;
            }
            sum[0] += r * s;
            sum[1] += r * r;
            sum[2] += s * s;
            sum[3] += 1;
            if (measure == CF_PEARSON) {
                sum[4] += r;
                sum[5] += s;
            }
        }
    }
    for (other = x + 1; other < e->n_x; other++) {
        const double *sum = sums + other * lanes;
        if (measure == CF_MSD)
            row[other] = cf_similarity(rule, measure, sum[1], sum[0], 0, 0, 0, 0, &status);
        else if (measure == CF_PEARSON)
            row[other] = cf_similarity(rule, measure, sum[3], sum[0], sum[1], sum[2], sum[4], sum[5], &status);
        else
            row[other] = cf_similarity(rule, measure, sum[3], sum[0], sum[1], sum[2], 0, 0, &status);
    }
    return status;
}

static int cf_in_order(const cf_entries *e, const cf_rule *rule, ptrdiff_t x, double *sums, double *row)
{
    if (rule->measure == CF_MSD)
        return cf_in_order_body(e, rule, x, sums, row, CF_MSD);
    if (rule->measure == CF_COSINE)
        return cf_in_order_body(e, rule, x, sums, row, CF_COSINE);
    if (rule->measure == CF_PEARSON)
        return cf_in_order_body(e, rule, x, sums, row, CF_PEARSON);
    return cf_in_order_body(e, rule, x, sums, row, CF_PEARSON_BASELINE);
}

/* ------------------------------------------------------------------ the lower half */

/* Copy the upper triangle to the lower, tile by tile. */
static void cf_mirror(double *sim, ptrdiff_t n)
{
    enum { SIDE = 32 };
    ptrdiff_t i, j, a, b;
    for (i = 0; i < n; i += SIDE)
        for (j = i; j < n; j += SIDE)
            for (a = i; a < n && a < i + SIDE; a++)
                for (b = j > a ? j : a + 1; b < n && b < j + SIDE; b++)
                    sim[b * n + a] = sim[a * n + b];
}

#endif
