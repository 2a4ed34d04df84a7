/* Sums over common ratings and similarities of them, a row of the matrix at a time; see `_similarities.pyx`. */

#ifndef CFCORE_SURPRISE_SIMILARITIES_H
#define CFCORE_SURPRISE_SIMILARITIES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "targets.h"

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
    int wide; /* exact: bits of a sum of products */
} cf_rule;

/* Numbers that hold the sums of a pair. */
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

/* Similarity of a pair, from the number of common ratings n and sums: a of products (or of squared differences), b and
   c of squares, d and e of ratings. *status becomes 1 where it divides by 0. */
CF_INLINE double cf_similarity(const cf_rule *rule, int measure, double n, double a, double b, double c, double d,
                               double e, int *status)
{
    const int enough = n >= (double)rule->min_support;
    double root, found;
    if (measure == CF_MSD) {
        *status |= enough & (n == 0);
        found = 1 / (a / n + 1);
        return enough ? found : 0.0;
    }
    if (measure == CF_PEARSON) {
        root = sqrt((n * b - d * d) * (n * c - e * e));
        found = (n * a - d * e) / root;
        return enough & (root != 0) ? found : 0.0;
    }
    root = sqrt(b * c);
    found = a / root;
    *status |= enough & (root == 0);
    if (measure == CF_PEARSON_BASELINE) {
        *status |= enough & (n - 1 + rule->shrinkage == 0);
        found = (n - 1) / (n - 1 + rule->shrinkage) * found;
    }
    return enough ? found : 0.0;
}

/* ------------------------------------------------------------------ whole numbers, in any order */

/* A pair's sums are bits of one number: products, own squares, other squares, count; or squared differences, count.
   Pearson's correlation has a second one: own ratings, other ratings. */
CF_INLINE ptrdiff_t cf_words(int measure)
{
    return measure == CF_PEARSON ? 2 : 1;
}

/* What a rating `own` with each other rating adds. */
static void cf_table(const cf_rule *rule, uint64_t *table, uint64_t own, uint64_t most)
{
    const int wide = rule->wide;
    uint64_t other;
    for (other = 0; other <= most; other++) {
        uint64_t *row = table + cf_words(rule->measure) * other;
        if (rule->measure == CF_MSD)
            row[0] = (own - other) * (own - other) | (uint64_t)1 << wide;
        else
            row[0] = own * other | own * own << wide | other * other << 2 * wide | (uint64_t)1 << 3 * wide;
        if (rule->measure == CF_PEARSON)
            row[1] = own | other << 32;
    }
}

CF_INLINE int cf_exact_body(const cf_entries *e, const cf_rule *rule, ptrdiff_t x, uint64_t *CF_RESTRICT sums,
                            const uint64_t *CF_RESTRICT tables, ptrdiff_t table_size, double *CF_RESTRICT row,
                            int measure)
{
    const ptrdiff_t words = cf_words(measure);
    const double unit = rule->unit, square = rule->unit * rule->unit;
    const int wide = rule->wide;
    const uint64_t mask = ((uint64_t)1 << wide) - 1;
    int status = 0;
    int64_t own, at;
    ptrdiff_t other;
    memset(sums + (x + 1) * words, 0, (e->n_x - x - 1) * words * sizeof *sums);
    for (own = e->starts_x[x]; own < e->starts_x[x + 1]; own++) {
        const int32_t y = e->ys[own];
        const uint64_t *CF_RESTRICT table = tables + e->whole_x[own] * table_size;
        const int64_t end = e->starts_y[y + 1];
        for (at = cf_above(e, y, x); at < end; at++) {
            uint64_t *CF_RESTRICT sum = sums + e->xs[at] * words;
            const uint64_t *CF_RESTRICT add = table + e->whole_y[at] * words;
            sum[0] += add[0];
            if (measure == CF_PEARSON)
                sum[1] += add[1];
        }
    }
    /* All parts are below 2^31, which is how they become floats fastest. */
    for (other = x + 1; other < e->n_x; other++) {
        const uint64_t sum = sums[other * words];
        const double a = (double)(int32_t)(sum & mask) * square;
        if (measure == CF_MSD) {
            row[other] = cf_similarity(rule, measure, (double)(int32_t)(sum >> wide), a, 0, 0, 0, 0, &status);
        } else {
            const double b = (double)(int32_t)(sum >> wide & mask) * square;
            const double c = (double)(int32_t)(sum >> 2 * wide & mask) * square;
            const double n = (double)(int32_t)(sum >> 3 * wide);
            const uint64_t totals = measure == CF_PEARSON ? sums[other * words + 1] : 0;
            row[other] = cf_similarity(rule, measure, n, a, b, c, (double)(int32_t)totals * unit,
                                       (double)(int32_t)(totals >> 32) * unit, &status);
        }
    }
    return status;
}

CF_INLINE int cf_exact_any(const cf_entries *e, const cf_rule *rule, ptrdiff_t x, uint64_t *sums,
                           const uint64_t *tables, ptrdiff_t table_size, double *row)
{
    if (rule->measure == CF_MSD)
        return cf_exact_body(e, rule, x, sums, tables, table_size, row, CF_MSD);
    if (rule->measure == CF_COSINE)
        return cf_exact_body(e, rule, x, sums, tables, table_size, row, CF_COSINE);
    return cf_exact_body(e, rule, x, sums, tables, table_size, row, CF_PEARSON);
}

#if CF_HAS_AVX2
CF_AVX2 static int cf_exact_avx2(const cf_entries *e, const cf_rule *rule, ptrdiff_t x, uint64_t *sums,
                                 const uint64_t *tables, ptrdiff_t table_size, double *row)
{
    return cf_exact_any(e, rule, x, sums, tables, table_size, row);
}
#endif

static int cf_exact(const cf_entries *e, const cf_rule *rule, ptrdiff_t x, uint64_t *sums, const uint64_t *tables,
                    ptrdiff_t table_size, double *row, int avx2)
{
#if CF_HAS_AVX2
    if (avx2)
        return cf_exact_avx2(e, rule, x, sums, tables, table_size, row);
#endif
    return cf_exact_any(e, rule, x, sums, tables, table_size, row);
}

/* ------------------------------------------------------------------ any numbers: sums in the order of y */

/* Add r s, r^2, s^2 and 1. */
CF_INLINE void cf_products(double *CF_RESTRICT sum, double r, double s)
{
#if defined(__GNUC__)
    typedef double four __attribute__((vector_size(32), aligned(8), may_alias));
    const four left = {r, r, s, 1}, right = {s, r, s, 1};
    *(four *)sum += left * right;
#else
    sum[0] += r * s;
    sum[1] += r * r;
    sum[2] += s * s;
    sum[3] += 1;
#endif
}

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
            cf_products(sum, r, s);
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

CF_INLINE int cf_in_order_any(const cf_entries *e, const cf_rule *rule, ptrdiff_t x, double *sums, double *row)
{
    if (rule->measure == CF_MSD)
        return cf_in_order_body(e, rule, x, sums, row, CF_MSD);
    if (rule->measure == CF_COSINE)
        return cf_in_order_body(e, rule, x, sums, row, CF_COSINE);
    if (rule->measure == CF_PEARSON)
        return cf_in_order_body(e, rule, x, sums, row, CF_PEARSON);
    return cf_in_order_body(e, rule, x, sums, row, CF_PEARSON_BASELINE);
}

#if CF_HAS_AVX2
CF_AVX2 static int cf_in_order_avx2(const cf_entries *e, const cf_rule *rule, ptrdiff_t x, double *sums, double *row)
{
    return cf_in_order_any(e, rule, x, sums, row);
}
#endif

static int cf_in_order(const cf_entries *e, const cf_rule *rule, ptrdiff_t x, double *sums, double *row, int avx2)
{
#if CF_HAS_AVX2
    if (avx2)
        return cf_in_order_avx2(e, rule, x, sums, row);
#endif
    return cf_in_order_any(e, rule, x, sums, row);
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
