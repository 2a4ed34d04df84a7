/* The nearest neighbours of x who rated y, and the weighted sum of their ratings; see `_neighbors.pyx`. */

#ifndef CFCORE_SURPRISE_NEIGHBORS_H
#define CFCORE_SURPRISE_NEIGHBORS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
#include <intrin.h>
#endif

#include "targets.h"

enum {
    CF_BINS = 256,   /* between the least and the greatest similarity of the candidates */
    CF_RANKED = 192, /* candidates whose ranks are counted */
    CF_BLOCK = 8     /* of which so many at a time */
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

/* Room for the candidates of the longest list, and for CF_RANKED + CF_BLOCK. */
typedef struct {
    double *sims;
    int32_t *at;
    int32_t *bins;
    int32_t *order;
} cf_room;

/* Position of the lowest bit that is set. */
CF_INLINE int cf_lowest(uint64_t bits)
{
#if defined(_MSC_VER)
    unsigned long at;
    _BitScanForward64(&at, bits);
    return (int)at;
#else
    return __builtin_ctzll(bits);
#endif
}

/* Leave the candidates that may be among the k nearest: those of the bins from the k-th on. */
CF_INLINE ptrdiff_t cf_cut(const cf_room *room, ptrdiff_t n, ptrdiff_t k, double least, double most)
{
    double *CF_RESTRICT sims = room->sims;
    int32_t *CF_RESTRICT bins = room->bins, *CF_RESTRICT at = room->at;
    const double scale = (CF_BINS - 1) / (most - least);
    int32_t counts[CF_BINS] = {0};
    ptrdiff_t e, kept = 0, total = 0;
    int bin = CF_BINS;
    if (!(scale > 0 && scale < 1e300)) /* all are equal, or as good as; or one is infinite */
        return n;
    for (e = 0; e < n; e++) /* ascending with the similarity, whatever is rounded */
        bins[e] = (int32_t)((sims[e] - least) * scale);
    for (e = 0; e < n; e++)
        counts[bins[e]]++;
    while (total < k)
        total += counts[--bin];
    for (e = 0; e < n; e++) {
        sims[kept] = sims[e];
        at[kept] = at[e];
        kept += bins[e] >= bin;
    }
    return kept;
}

/* The order of the candidates by their ranks: how many are greater, and how many equal ones are earlier. */
CF_INLINE ptrdiff_t cf_rank(const cf_room *room, ptrdiff_t n, ptrdiff_t k)
{
    double *CF_RESTRICT sims = room->sims;
    int32_t *CF_RESTRICT order = room->order;
    uint8_t equal[CF_RANKED] = {0};
    ptrdiff_t start, e, j;
    for (e = n; e < n + CF_BLOCK; e++)
        sims[e] = -1;
    for (start = 0; start < n; start += CF_BLOCK) {
        int64_t ranks[CF_BLOCK] = {0};
        for (j = 0; j < n; j++)
            for (e = 0; e < CF_BLOCK; e++)
                ranks[e] += sims[j] > sims[start + e];
        for (e = 0; e < CF_BLOCK && start + e < n; e++) {
            const ptrdiff_t rank = (ptrdiff_t)ranks[e];
            order[rank + equal[rank]++] = (int32_t)(start + e);
        }
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
    double least = INFINITY, most = 0;
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
    for (e = 0; e < n; e++) {
        const double sim = room->sims[e];
        least = sim < least ? sim : least;
        most = sim > most ? sim : most;
    }
    if (n > k)
        n = cf_cut(room, n, k, least, most);
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

/* ------------------------------------------------------------------ many lists for one x */

/* The others in groups of equal similarity to x, the most similar first, and room for a list. */
typedef struct {
    double *sims;     /* of each group, above 0, descending */
    int32_t *groups;  /* of each other; n_groups if the similarity is not above 0 */
    int32_t *heads;   /* of each group: the first of its entries of the list, where `filled` says so */
    int32_t *next;    /* of each entry of the list: the next one of its group, or -1 */
    uint64_t *filled; /* a bit for each group and for the last number, 0 between calls */
    double *spare;
    int32_t *ids, *spare_ids;
    ptrdiff_t n_groups;
} cf_ranking;

/* Sort by descending similarity; 0 if one is NaN. */
static int cf_sort_row(cf_ranking *r, const double *row, ptrdiff_t n_x)
{
    double *from = r->sims, *to = r->spare, *kept;
    int32_t *ids = r->ids, *to_ids = r->spare_ids, *kept_ids;
    ptrdiff_t n = 0, width, start, e;
    double last = 0;
    for (e = 0; e < n_x; e++) {
        if (row[e] != row[e])
            return 0;
        from[n] = row[e];
        ids[n] = (int32_t)e;
        n += row[e] > 0;
    }
    for (width = 1; width < n; width *= 2) {
        for (start = 0; start < n; start += 2 * width) {
            const ptrdiff_t middle = start + width < n ? start + width : n;
            const ptrdiff_t end = start + 2 * width < n ? start + 2 * width : n;
            ptrdiff_t left = start, right = middle;
            for (e = start; e < end; e++) {
                const int first = right == end || (left < middle && from[left] >= from[right]);
                const ptrdiff_t taken = first ? left : right;
                to[e] = from[taken];
                to_ids[e] = ids[taken];
                left += first;
                right += !first;
            }
        }
        kept = from, from = to, to = kept;
        kept_ids = ids, ids = to_ids, to_ids = kept_ids;
    }
    r->sims = from, r->spare = to, r->ids = ids, r->spare_ids = to_ids;
    for (e = 0, r->n_groups = 0; e < n; e++) {
        r->n_groups += e == 0 || from[e] != last;
        last = from[e];
        from[r->n_groups - 1] = last;
        r->groups[ids[e]] = (int32_t)(r->n_groups - 1);
    }
    for (e = 0; e < n_x; e++)
        if (!(row[e] > 0))
            r->groups[e] = (int32_t)r->n_groups;
    return 1;
}

/* As cf_nearest_body of the row that is sorted. */
static cf_sums cf_nearest_sorted(const cf_ranking *r, const cf_list *list, ptrdiff_t k)
{
    const ptrdiff_t n_words = r->n_groups / 64 + 1;
    const int32_t *CF_RESTRICT xs = list->xs, *CF_RESTRICT groups = r->groups;
    const double *CF_RESTRICT values = list->values, *CF_RESTRICT divisors = list->divisors;
    int32_t *CF_RESTRICT heads = r->heads, *CF_RESTRICT next = r->next;
    uint64_t *CF_RESTRICT filled = r->filled;
    cf_sums sums = {0, 0, 0};
    ptrdiff_t e, word, n_neighbors = 0;
    for (e = list->n - 1; e >= 0; e--) { /* the earlier in the list first, among equals */
        const int32_t group = groups[xs[e]];
        const uint64_t bit = (uint64_t)1 << (group & 63), bits = filled[group >> 6];
        const int32_t head = heads[group];
        next[e] = bits & bit ? head : -1;
        heads[group] = (int32_t)e;
        filled[group >> 6] = bits | bit;
    }
    filled[n_words - 1] &= ((uint64_t)1 << (r->n_groups & 63)) - 1;
    for (word = 0; word < n_words && n_neighbors < k; word++) {
        uint64_t bits = filled[word];
        filled[word] = 0;
        while (bits && n_neighbors < k) {
            const ptrdiff_t group = 64 * word + cf_lowest(bits);
            const double sim = r->sims[group];
            bits &= bits - 1;
            for (e = heads[group]; e >= 0 && n_neighbors < k; e = next[e]) {
                n_neighbors++;
                sums.denominator += sim;
                sums.numerator += divisors ? sim * values[e] / divisors[e] : sim * values[e];
            }
        }
    }
    for (; word < n_words; word++)
        filled[word] = 0;
    sums.n_neighbors = n_neighbors;
    return sums;
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
