"""Similarities of all pairs in float64; see `similarities.py`.

A sum is of floats in ascending order of y, which defines its rounding; or of whole numbers, whose sums are
exact in any order. The cost is one addition of a few lanes for each y and pair of its ratings.
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

import numpy as np

cdef extern from "similarities.h" nogil:
    enum:
        MSD "CF_MSD"
        MEASURES "CF_PEARSON_BASELINE"

    ctypedef struct Entries "cf_entries":
        const int64_t *starts_x
        const int64_t *starts_y
        const int32_t *ys
        const int32_t *xs
        const double *ratings_x
        const double *ratings_y
        const uint8_t *whole_x
        const uint8_t *whole_y
        int64_t *next
        Py_ssize_t n_x

    ctypedef struct Rule "cf_rule":
        int measure
        int64_t min_support
        double shrinkage
        double unit
        int wide

    Py_ssize_t lanes_of "cf_lanes"(int measure)
    Py_ssize_t words_of "cf_words"(int measure)
    void fill_table "cf_table"(const Rule *rule, uint64_t *table, uint64_t own, uint64_t most)
    int exact_row "cf_exact"(const Entries *entries, const Rule *rule, Py_ssize_t x, uint64_t *sums,
                             const uint64_t *tables, Py_ssize_t table_size, double *row, int avx2)
    int row_in_order "cf_in_order"(const Entries *entries, const Rule *rule, Py_ssize_t x, double *sums,
                                   double *row, int avx2)
    void mirror "cf_mirror"(double *sim, Py_ssize_t n)


cdef Entries entries_of(by_x, by_y, int64_t[::1] following, double[:, ::1] sim):
    """Pointers to the rows, whose records outlive the call."""
    cdef Entries found
    cdef const int64_t[::1] starts_x = by_x.indptr, starts_y = by_y.indptr
    cdef const int32_t[::1] ys = by_x.others, xs = by_y.others
    cdef const double[::1] ratings_x = by_x.ratings, ratings_y = by_y.ratings
    cdef Py_ssize_t n = ys.shape[0]
    if xs.shape[0] != n or ratings_x.shape[0] != n or ratings_y.shape[0] != n or n == 0:
        raise ValueError("by_x and by_y are not of the same ratings")
    if starts_x.shape[0] != sim.shape[0] + 1 or sim.shape[0] != sim.shape[1]:
        raise ValueError("sim is not of the users or items of by_x")
    found.starts_x, found.starts_y, found.ys, found.xs = &starts_x[0], &starts_y[0], &ys[0], &xs[0]
    found.ratings_x, found.ratings_y = &ratings_x[0], &ratings_y[0]
    found.whole_x = found.whole_y = NULL
    found.next = &following[0]
    found.n_x = sim.shape[0]
    return found


cdef Rule rule_of(rule, double unit):
    cdef Rule found
    found.measure, found.min_support, found.shrinkage, found.unit = rule[0], rule[1], rule[2], unit
    if not 0 <= found.measure <= MEASURES:
        raise ValueError("rule: no such measure")
    return found


def exact(by_x, by_y, whole, multiples, rule, double[:, ::1] sim, bint avx2):
    """Similarities of ratings that are multiples of a unit.

    Parameters
    ----------
    by_x, by_y : Rows
    whole : (uint8[n], uint8[n])
        The ratings of `by_x` and of `by_y` as multiples of the unit.
    multiples : (float, int)
        The unit, a power of 2; and the number of bits of the greatest sum of products, squares or squared
        differences, as `bits_of` returns it.
    rule : (int, int, float)
        Number of the measure, which is not "pearson_baseline"; min_support; shrinkage.
    sim : float64[n_x, n_x], overwritten
    avx2 : bool
        Whether the processor has AVX2.
    """
    cdef const uint8_t[::1] whole_x = whole[0], whole_y = whole[1]
    cdef Rule how = rule_of(rule, multiples[0])
    cdef Py_ssize_t n = sim.shape[0], x, words = words_of(how.measure)
    cdef uint64_t most, own
    cdef int status = 0
    if whole_x.shape[0] == 0:
        sim[:, :] = 0
        identity(sim)
        return
    following = np.array(by_y.indptr)
    cdef Entries entries = entries_of(by_x, by_y, following, sim)
    if whole_x.shape[0] != len(by_x.others) or whole_y.shape[0] != whole_x.shape[0]:
        raise ValueError("whole: one number is needed for each rating")
    if how.measure == MEASURES:
        raise ValueError("rule: pearson_baseline has no exact sums")
    most = max(np.max(whole[0]), np.max(whole[1]))
    how.wide = bits_of(int(most), most_common(by_x), how.measure)
    if how.wide == 0 or how.wide != multiples[1]:
        raise ValueError("multiples: sums do not fit into 64 bits")
    entries.whole_x, entries.whole_y = &whole_x[0], &whole_y[0]
    cdef uint64_t[::1] tables = np.empty((most + 1) * (most + 1) * words, dtype=np.uint64)
    cdef uint64_t[::1] sums = np.empty(n * words, dtype=np.uint64)
    with nogil:
        for own in range(most + 1):
            fill_table(&how, &tables[own * (most + 1) * words], own, most)
        for x in range(n):
            if x % 64 == 0:
                with gil:
                    PyErr_CheckSignals()
            status |= exact_row(&entries, &how, x, &sums[0], &tables[0], (most + 1) * words, &sim[x, 0], avx2)
        mirror(&sim[0, 0], n)
    identity(sim)
    if status:
        raise ZeroDivisionError("float division")


def most_common(by_x):
    """Bound of the number of common ratings of a pair, where each rating of y counts with each of the other.

    Parameters
    ----------
    by_x : Rows
        In the order of y.
    """
    cdef const int64_t[::1] starts = by_x.indptr
    cdef const int32_t[::1] ys = by_x.others
    cdef Py_ssize_t x, longest = 0
    cdef int64_t at, again = 1, most = 1
    for x in range(starts.shape[0] - 1):
        longest = max(longest, starts[x + 1] - starts[x])
        again = 1
        for at in range(starts[x] + 1, starts[x + 1]):
            again = again + 1 if ys[at] == ys[at - 1] else 1
            most = max(most, again)
    return longest * most


def bits_of(most, longest, measure):
    """Bits of the greatest sum of products, or 0 if the sums of a pair need more than 64 bits.

    Parameters
    ----------
    most : int
        Greatest rating, as a multiple.
    longest : int
        Greatest number of ratings of a pair, as `most_common` returns it.
    measure : int
        Number of the measure.
    """
    wide = (most * most * longest).bit_length() or 1
    sums = 1 if measure == MSD else 3
    return wide if wide < 32 and sums * wide + longest.bit_length() <= 64 else 0


def in_order(by_x, by_y, rule, double[:, ::1] sim, bint avx2):
    """Similarities of any ratings, or of residuals.

    Parameters
    ----------
    by_x, by_y : Rows
    rule : (int, int, float)
        Number of the measure, min_support, shrinkage.
    sim : float64[n_x, n_x], overwritten
    avx2 : bool
        Whether the processor has AVX2.
    """
    cdef Rule how = rule_of(rule, 1)
    cdef Py_ssize_t n = sim.shape[0], x
    cdef int status = 0
    if len(by_x.others) == 0:
        sim[:, :] = 0
        identity(sim)
        return
    following = np.array(by_y.indptr)
    cdef Entries entries = entries_of(by_x, by_y, following, sim)
    cdef double[::1] sums = np.empty(n * lanes_of(how.measure))
    with nogil:
        for x in range(n):
            if x % 64 == 0:
                with gil:
                    PyErr_CheckSignals()
            status |= row_in_order(&entries, &how, x, &sums[0], &sim[x, 0], avx2)
        mirror(&sim[0, 0], n)
    identity(sim)
    if status:
        raise ZeroDivisionError("float division")


cdef identity(double[:, ::1] sim):
    """1 on the diagonal."""
    cdef Py_ssize_t x
    for x in range(sim.shape[0]):
        sim[x, x] = 1
