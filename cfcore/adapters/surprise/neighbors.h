/* The nearest neighbours of x who rated y, and the weighted sum of their ratings; see `_neighbors.pyx`. */

#ifndef CFCORE_SURPRISE_NEIGHBORS_H
#define CFCORE_SURPRISE_NEIGHBORS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "targets.h"

enum {
    CF_BINS = 128,   /* of similarities from 0 to 1 */
    CF_RANKED = 96   /* candidates whose ranks are counted */
};

typedef struct {
    double numerator, denominator;
    ptrdiff_t n_neighbors; /* -1: a similarity is NaN */
} cf_sums;

/* The entries of a list of y. */
typedef struct {
    const int32_t *xs;
    const double *values, *divisors; /* divisors may be NULL */
    ptrdiff_t n;
} cf_list;

/* Room for the candidates of the longest list. */
typedef struct {
    double *sims;
    int32_t *at;
    uint8_t *bins;
    int32_t *order; /* k */
} cf_room;

/* Leave the candidates that may be among the k nearest: those of the bins from the k-th on. */
CF_INLINE ptrdiff_t cf_cut(const cf_room *room, ptrdiff_t n, ptrdiff_t k)
{
    int32_t counts[CF_BINS] = {0};
    ptrdiff_t e, kept = 0, total = 0;
    int bin = CF_BINS;
    for (e = 0; e < n; e++) {
        const double sim = room->sims[e];
        const int own = sim < 1 ? (int)(sim * CF_BINS) : CF_BINS - 1;
        room->bins[e] = (uint8_t)own;
        counts[own]++;
    }
    while (total < k)
        total += counts[--bin];
    for (e = 0; e < n; e++) {
        room->sims[kept] = room->sims[e];
        room->at[kept] = room->at[e];
        kept += room->bins[e] >= bin;
    }
    return kept;
}

/* The order of the candidates by their ranks: how many are greater, or equal and earlier. */
CF_INLINE ptrdiff_t cf_rank(const cf_room *room, ptrdiff_t n, ptrdiff_t k)
{
    const double *CF_RESTRICT sims = room->sims;
    ptrdiff_t e, j;
    for (e = 0; e < n; e++) {
        const double sim = sims[e];
        int64_t rank = 0;
        for (j = 0; j < e; j++)
            rank += sims[j] >= sim;
        for (j = e + 1; j < n; j++)
            rank += sims[j] > sim;
        if (rank < k)
            room->order[rank] = (int32_t)e;
    }
    return n < k ? n : k;
}

/* The same for many candidates, by insertion; what is not above the k-th so far costs one comparison. */
CF_INLINE ptrdiff_t cf_insert(const cf_room *room, ptrdiff_t n, ptrdiff_t k)
{
    const double *sims = room->sims;
    int32_t *order = room->order;
    ptrdiff_t held = 0, e, low, high, middle;
    for (e = 0; e < n; e++) {
        const double sim = sims[e];
        if (held == k && !(sim > sims[order[k - 1]]))
            continue;
        low = 0, high = held;
        while (low < high) {
            middle = (low + high) / 2;
            if (sims[order[middle]] >= sim)
                low = middle + 1;
            else
                high = middle;
        }
        held += held < k;
        memmove(order + low + 1, order + low, (held - 1 - low) * sizeof *order);
        order[low] = (int32_t)e;
    }
    return held;
}

/* Sums over the k entries of greatest similarity above 0, the earlier first among equals, from the greatest on.
   `sims` is the row of x. */
CF_INLINE cf_sums cf_nearest_body(const double *sims, const cf_list *list, ptrdiff_t k, const cf_room *room)
{
    cf_sums found = {0, 0, 0};
    ptrdiff_t n = 0, e;
    int unknown = 0;
    for (e = 0; e < list->n; e++) {
        const double sim = sims[list->xs[e]];
        room->sims[n] = sim;
        room->at[n] = (int32_t)e;
        n += sim > 0;
        unknown |= sim != sim;
    }
    if (unknown) {
        found.n_neighbors = -1;
        return found;
    }
    if (n > k)
        n = cf_cut(room, n, k);
    n = n <= CF_RANKED ? cf_rank(room, n, k) : cf_insert(room, n, k);
    found.n_neighbors = n;
    for (e = 0; e < n; e++) {
        const double sim = room->sims[room->order[e]];
        const int32_t at = room->at[room->order[e]];
        found.denominator += sim;
        if (list->divisors)
            found.numerator += sim * list->values[at] / list->divisors[at];
        else
            found.numerator += sim * list->values[at];
    }
    return found;
}

#if CF_HAS_AVX2
CF_AVX2 static cf_sums cf_nearest_avx2(const double *sims, const cf_list *list, ptrdiff_t k, const cf_room *room)
{
    return cf_nearest_body(sims, list, k, room);
}
#endif

static cf_sums cf_nearest(const double *sims, const cf_list *list, ptrdiff_t k, const cf_room *room, int avx2)
{
#if CF_HAS_AVX2
    if (avx2)
        return cf_nearest_avx2(sims, list, k, room);
#endif
    return cf_nearest_body(sims, list, k, room);
}

#endif
