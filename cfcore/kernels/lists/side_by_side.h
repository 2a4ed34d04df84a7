/* Scores of one column for some lists: sums of float32 weights, in the order of ratings.

   An addition waits for the one before, so that sums of several lists are made side by side. A sum that is
   done gives its place to the next list. The terms of a sum and their order are the same as alone. */
#ifndef CFCORE_SIDE_BY_SIDE_H
#define CFCORE_SIDE_BY_SIDE_H

#include <stddef.h>
#include <stdint.h>

#include "common/lanes.h"
#include "lists/rounded_rows.h"

#define CF_SIDES 4
/* Lists whose ratings are fetched in advance, and how many bytes of them: processors fetch what follows. */
#define CF_LISTS_AHEAD 8
#define CF_BEGINNING 256

typedef struct {
    const float *x;        /* what is left of the ratings */
    const int32_t *items;
    int64_t left;
    float sum;
    ptrdiff_t list;
} cf_side;

static inline int64_t cf_shorter(int64_t a, int64_t b) { return a < b ? a : b; }

static inline void cf_advance(cf_side *side, int64_t n, float sum) {
    side->x += n;
    side->items += n;
    side->left -= n;
    side->sum = sum;
}

/* GCC would make vectors of products and then pick their entries one after the other, which takes longer. */
static CF_NO_VECTORS void cf_add_four(const float *weights, cf_side *s) {
    const int64_t n = cf_shorter(cf_shorter(s[0].left, s[1].left), cf_shorter(s[2].left, s[3].left));
    const float *x0 = s[0].x, *x1 = s[1].x, *x2 = s[2].x, *x3 = s[3].x;
    const int32_t *i0 = s[0].items, *i1 = s[1].items, *i2 = s[2].items, *i3 = s[3].items;
    float sum0 = s[0].sum, sum1 = s[1].sum, sum2 = s[2].sum, sum3 = s[3].sum;
    for (int64_t k = 0; k < n; k++) {
        sum0 = sum0 + x0[k] * weights[i0[k]];
        sum1 = sum1 + x1[k] * weights[i1[k]];
        sum2 = sum2 + x2[k] * weights[i2[k]];
        sum3 = sum3 + x3[k] * weights[i3[k]];
    }
    cf_advance(s, n, sum0);
    cf_advance(s + 1, n, sum1);
    cf_advance(s + 2, n, sum2);
    cf_advance(s + 3, n, sum3);
}

static CF_NO_VECTORS void cf_add_two(const float *weights, cf_side *s) {
    const int64_t n = cf_shorter(s[0].left, s[1].left);
    float sum0 = s[0].sum, sum1 = s[1].sum;
    for (int64_t k = 0; k < n; k++) {
        sum0 = sum0 + s[0].x[k] * weights[s[0].items[k]];
        sum1 = sum1 + s[1].x[k] * weights[s[1].items[k]];
    }
    cf_advance(s, n, sum0);
    cf_advance(s + 1, n, sum1);
}

static CF_NO_VECTORS void cf_add_one(const float *weights, cf_side *s) {
    const int64_t n = s->left;
    float sum = s->sum;
    for (int64_t k = 0; k < n; k++) sum = sum + s->x[k] * weights[s->items[k]];
    cf_advance(s, n, sum);
}

static inline void cf_fetch(const int64_t *indptr, const int32_t *items, const float *values, int32_t row) {
    cf_prefetch_read(items + indptr[row], CF_BEGINNING);
    cf_prefetch_read(values + indptr[row], CF_BEGINNING);
}

/* Scores of lists[0 ... n - 1], whose ratings are those of rows[list]. */
static inline void cf_column_scores(const float *weights, const int64_t *indptr, const int32_t *items,
                                    const float *values, const int32_t *rows, const int32_t *lists,
                                    ptrdiff_t n, float *scores) {
    cf_side sides[CF_SIDES];
    ptrdiff_t next = 0;
    int busy = 0;
    for (ptrdiff_t e = 0; e < n && e < CF_LISTS_AHEAD; e++) cf_fetch(indptr, items, values, rows[lists[e]]);
    while (busy || next < n) {
        for (; busy < CF_SIDES && next < n; busy++, next++) {
            const int64_t begin = indptr[rows[lists[next]]];
            cf_side side = {values + begin, items + begin, indptr[rows[lists[next]] + 1] - begin, 0, next};
            sides[busy] = side;
            if (next + CF_LISTS_AHEAD < n) cf_fetch(indptr, items, values, rows[lists[next + CF_LISTS_AHEAD]]);
        }
        if (busy == CF_SIDES) cf_add_four(weights, sides);
        else if (busy > 1) cf_add_two(weights, sides);
        else cf_add_one(weights, sides);
        for (int k = busy - 1; k >= 0; k--) {
            if (sides[k].left) continue;
            scores[sides[k].list] = sides[k].sum;
            sides[k] = sides[--busy];
        }
    }
}

#endif
