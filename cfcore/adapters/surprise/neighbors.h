/* The nearest neighbours of x who rated y, and the weighted sum of their ratings; see `_neighbors.pyx`. */

#ifndef CFCORE_SURPRISE_NEIGHBORS_H
#define CFCORE_SURPRISE_NEIGHBORS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    double numerator, denominator;
    ptrdiff_t n_neighbors; /* -1: a similarity is NaN */
} cf_sums;

/* sims: the row of x; xs, values, divisors: the entries of y, n of them. divisors may be NULL. The k entries of
   greatest similarity above 0, the earlier first among equals, are added from the greatest on. `near` and `at`
   have room for k. */
static cf_sums cf_nearest(const double *sims, const int32_t *xs, const double *values, const double *divisors,
                          ptrdiff_t n, ptrdiff_t k, double *near, int32_t *at)
{
    cf_sums found = {0, 0, 0};
    ptrdiff_t held = 0, e, low, high, middle;
    double least = 0; /* what a further entry has to exceed */
    for (e = 0; e < n; e++) {
        const double sim = sims[xs[e]];
        if (!(sim > least)) {
            if (sim != sim) {
                found.n_neighbors = -1;
                return found;
            }
            continue;
        }
        /* First place whose similarity is less. */
        low = 0, high = held;
        while (low < high) {
            middle = (low + high) / 2;
            if (near[middle] >= sim)
                low = middle + 1;
            else
                high = middle;
        }
        if (held < k)
            held++;
        for (high = held - 1; high > low; high--) {
            near[high] = near[high - 1];
            at[high] = at[high - 1];
        }
        near[low] = sim;
        at[low] = (int32_t)e;
        if (held == k)
            least = near[k - 1];
    }
    for (e = 0; e < held; e++) {
        found.denominator += near[e];
        if (divisors)
            found.numerator += near[e] * values[at[e]] / divisors[at[e]];
        else
            found.numerator += near[e] * values[at[e]];
    }
    found.n_neighbors = held;
    return found;
}

#endif
