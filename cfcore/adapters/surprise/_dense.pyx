"""Similarities of all pairs by a table of the ratings of all y; see `similarities.py`.

The sums are those of `_similarities.pyx`, bit by bit: of whole numbers, which are exact in any order; or of
residuals in ascending order of y, to which a missing one adds 0. The cost is a fraction of a cycle for each
rating and each other user, or item, whether it rated the same or not: for ratings that are not very sparse,
on processors with AVX2. The twin is `cfcore.reference.surprise.dense`.
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

cdef extern from "dense.h" nogil:
    enum:
        AVAILABLE "CF_HAS_AVX2"
        PEARSON_BASELINE "CF_PEARSON_BASELINE"
        CODES "CF_CODES"
        ROWS "CF_ROWS"
        BYTE_LANES "CF_BYTE_LANES"
        DOUBLE_LANES "CF_DOUBLE_LANES"

    ctypedef struct Rule "cf_rule":
        int measure
        int64_t min_support
        double shrinkage
        double unit

    ctypedef struct Dense "cf_dense":
        bint ascending
        const int64_t *starts
        const int32_t *ys
        const uint8_t *codes
        const double *ratings
        const uint8_t *tables
        uint8_t *codes_of_y
        double *ratings_of_y
        double *sim
        Py_ssize_t n_x
        Py_ssize_t first
        Py_ssize_t lanes
        int64_t period
        int64_t long_period

    int64_t fill_tables "cf_dense_tables"(int measure, uint8_t *tables, int64_t n, int64_t least)
    bint encode "cf_encode"(const double *ratings, Py_ssize_t n, double least, double step, uint8_t *codes)
    void reorder "cf_reorder"(double *sim, Py_ssize_t n, const int32_t *order, const int32_t *ranks,
                              double *rows, uint8_t *done)
    Py_ssize_t place_of "cf_place"(Py_ssize_t lane, bint wide)
    int tile "cf_dense_tile"(const Dense *dense, const Rule *rule, Py_ssize_t first, Py_ssize_t end,
                             bint wide)

cdef enum:
    # Sums that are made in the time in which an entry of the matrix is moved: of AVX-512, and AVX2.
    WORTH_WIDE = 8
    WORTH = 4

available = bool(AVAILABLE)


def similarities(lists, codes, residuals, multiples, rule, double[:, ::1] sim, bint wide):
    """Similarities of all pairs; False, and nothing done, if an x rated a y twice.

    Parameters
    ----------
    lists : Lists
    codes : uint8[n] or None
        Of the ratings: 1 to 15, for multiples of a unit.
    residuals : float64[n] or None
        In place of the codes for "pearson_baseline": finite, and without -0.0.
    multiples : (float, int)
        The unit, a power of 2, and the multiple that code 1 stands for; products are below 256.
    rule : (int, int, float)
        Number of the measure, min_support, shrinkage.
    sim : float64[n_x, n_x], overwritten
    wide : bool
        Whether the processor has AVX-512; AVX2 it must have.
    """
    cdef const int64_t[::1] starts_y = lists.indptr
    cdef const int32_t[::1] xs = lists.xs
    cdef Py_ssize_t n = xs.shape[0], n_x = sim.shape[0], n_y = starts_y.shape[0] - 1, x, y
    cdef int64_t at, place
    cdef Rule how
    cdef Dense dense
    how.measure, how.min_support, how.shrinkage, how.unit = rule[0], rule[1], rule[2], multiples[0]
    cdef bint exact = how.measure != PEARSON_BASELINE
    if not (AVAILABLE and 0 <= how.measure <= PEARSON_BASELINE):
        raise ValueError("rule: no such measure, or no such processor")
    if sim.shape[1] != n_x or n == 0 or len(codes if exact else residuals) != n:
        raise ValueError("lists, ratings and sim do not fit to each other")
    cdef const uint8_t[::1] given_codes = codes if exact else np.zeros(1, dtype=np.uint8)
    cdef const double[::1] given_residuals = np.zeros(1) if exact else residuals
    cdef uint8_t[::1] codes_x = np.empty(n if exact else 1, dtype=np.uint8)
    cdef double[::1] residuals_x = np.empty(1 if exact else n)
    cdef int32_t[::1] ys = np.empty(n, dtype=np.int32)
    starts = np.zeros(n_x + 1, dtype=np.int64)
    cdef int64_t[::1] starts_x = starts
    for at in range(n):
        if not 0 <= xs[at] < n_x:
            raise ValueError("lists: an id is not below n_x")
        starts_x[xs[at] + 1] += 1
    counts, order = starts[1:].copy(), None
    if not exact and n_x > 1:
        order = shorter_first(counts, n_x * n_x * (WORTH_WIDE if wide else WORTH))
    cdef int32_t[::1] ids = order, ranks
    if order is not None:
        ranks = np.empty(n_x, dtype=np.int32)
        for x in range(n_x):
            ranks[ids[x]] = <int32_t>x
        xs, counts = np.asarray(ranks).take(lists.xs), counts[order]
    np.cumsum(counts, out=starts[1:])
    cdef int64_t[::1] following = starts.copy()
    if starts_y[0] != 0 or starts_y[n_y] != n:
        raise ValueError("lists: starts are not of all ratings")
    if np.max(counts) >= 2**31 // 255:  # the sums of a pair are of 32 bits
        return False
    for y in range(n_y):
        if not 0 <= starts_y[y] <= starts_y[y + 1] <= n:
            raise ValueError("lists: starts are not ascending")
        for at in range(starts_y[y], starts_y[y + 1]):
            x = xs[at]
            place = following[x]
            if place > starts_x[x] and ys[place - 1] == y:
                return False
            ys[place] = <int32_t>y
            if exact:
                codes_x[place] = given_codes[at]
            else:
                residuals_x[place] = given_residuals[at]
            following[x] = place + 1
    # Of a pair, the ratings of one are gone through: that of fewer, where these go up or down with ids.
    above = np.arange(n_x - 1, -1, -1)
    dense.ascending = np.dot(counts, above) <= np.dot(counts, above[::-1])
    dense.starts, dense.ys, dense.sim, dense.n_x = &starts_x[0], &ys[0], &sim[0, 0], n_x
    dense.codes, dense.ratings = &codes_x[0], &residuals_x[0]
    if exact:
        status = of_codes(&dense, &how, n_y, (int(np.max(codes)), int(np.min(codes)), multiples[1]), wide)
    else:
        status = of_residuals(&dense, &how, n_y, wide)
    for x in range(n_x):
        sim[x, x] = 1
    cdef double[::1] rows
    cdef uint8_t[::1] done
    if order is not None:
        rows, done = np.empty(2 * n_x), np.empty(n_x, dtype=np.uint8)
        with nogil:
            reorder(&sim[0, 0], n_x, &ids[0], &ranks[0], &rows[0], &done[0])
    if status:
        raise ZeroDivisionError("float division")
    return True


cdef shorter_first(counts, double cost):
    """Ids of x by their number of ratings, if to compute by this order saves `cost`, else None.

    Of each pair, the ratings of one are gone through: then it is always that of fewer.
    """
    above = np.arange(len(counts) - 1, -1, -1)
    order = np.argsort(counts, kind="stable").astype(np.int32)
    now = min(np.dot(counts, above), np.dot(counts, above[::-1]))
    return order if now - np.dot(counts[order], above) > cost else None


def codes_of(const double[::1] ratings, double least, double step):
    """Codes of ratings: 1 for `least`, and 1 more for each part of 1 that a step is.

    Parameters
    ----------
    ratings : float64[n]
    least : float
        The least of them.
    step : float
        How many steps make 1.

    Returns
    -------
    uint8[n] or None
        None if a rating is not a whole number of steps, 0 to 14, above `least`.
    """
    found = np.empty(ratings.shape[0], dtype=np.uint8)
    cdef uint8_t[::1] codes = found
    if ratings.shape[0] and not encode(&ratings[0], ratings.shape[0], least, step, &codes[0]):
        return None
    return found


def residuals_of(lists, double mean, const double[::1] of_x, const double[::1] of_y):
    """What baselines leave of ratings: r - (mean + b_y + b_x), 0 without a sign.

    Parameters
    ----------
    lists : Lists
    mean : float
    of_x, of_y : float64[n_x], float64[n_y]

    Returns
    -------
    float64[n]
    """
    cdef const int64_t[::1] starts = lists.indptr
    cdef const int32_t[::1] xs = lists.xs
    cdef const double[::1] ratings = lists.ratings
    cdef Py_ssize_t n = xs.shape[0], n_x = of_x.shape[0], n_y = starts.shape[0] - 1, y
    cdef int64_t at
    cdef double base
    found = np.empty(n)
    cdef double[::1] residuals = found
    if of_y.shape[0] < n_y or ratings.shape[0] != n or starts[0] != 0 or starts[n_y] != n:
        raise ValueError("lists and baselines do not fit to each other")
    for y in range(n_y):
        if not 0 <= starts[y] <= starts[y + 1] <= n:
            raise ValueError("lists: starts are not ascending")
        base = mean + of_y[y]
        for at in range(starts[y], starts[y + 1]):
            if not 0 <= xs[at] < n_x:
                raise ValueError("lists: an id is not below n_x")
            residuals[at] = ratings[at] - (base + of_x[xs[at]]) + 0.0
    return found


cdef int of_codes(Dense *dense, const Rule *how, Py_ssize_t n_y, numbers, bint wide) except -1:
    """All pairs; numbers are the greatest and least code, and the multiple of code 1."""
    cdef uint8_t[::1] tables = np.empty(6 * CODES * CODES, dtype=np.uint8)
    cdef uint8_t[::1] of_y = np.zeros(n_y * BYTE_LANES, dtype=np.uint8)
    cdef int64_t greatest
    cdef Py_ssize_t first = 0, stop, x, place
    cdef int64_t at
    cdef int status = 0
    if not 0 < numbers[1] <= numbers[0] < CODES:
        raise ValueError("codes are 1 to 15")
    greatest = fill_tables(how.measure, &tables[0], numbers[0], numbers[2])
    if greatest > 255:
        raise ValueError("multiples: products do not fit into a byte")
    dense.period, dense.long_period, dense.lanes = 255 // greatest, 65535 // greatest, BYTE_LANES
    dense.tables, dense.codes_of_y = &tables[0], &of_y[0]
    with nogil:
        while first < dense.n_x:
            with gil:
                PyErr_CheckSignals()
            stop, dense.first = min(first + <Py_ssize_t>BYTE_LANES, dense.n_x), first
            for x in range(first, stop):
                place = place_of(x - first, wide)
                for at in range(dense.starts[x], dense.starts[x + 1]):
                    of_y[dense.ys[at] * <Py_ssize_t>BYTE_LANES + place] = dense.codes[at]
            status |= tiles(dense, how, wide)
            for x in range(first, stop):
                place = place_of(x - first, wide)
                for at in range(dense.starts[x], dense.starts[x + 1]):
                    of_y[dense.ys[at] * <Py_ssize_t>BYTE_LANES + place] = 0
            first = stop
    return status


cdef int of_residuals(Dense *dense, const Rule *how, Py_ssize_t n_y, bint wide) except -1:
    """All pairs."""
    cdef double missing = -0.0
    cdef double[::1] of_y = np.full(n_y * DOUBLE_LANES, missing)
    cdef Py_ssize_t first = 0, stop, x
    cdef int64_t at
    cdef int status = 0
    dense.lanes, dense.ratings_of_y = DOUBLE_LANES, &of_y[0]
    with nogil:
        while first < dense.n_x:
            with gil:
                PyErr_CheckSignals()
            stop, dense.first = min(first + <Py_ssize_t>DOUBLE_LANES, dense.n_x), first
            for x in range(first, stop):
                for at in range(dense.starts[x], dense.starts[x + 1]):
                    of_y[dense.ys[at] * <Py_ssize_t>DOUBLE_LANES + x - first] = dense.ratings[at]
            status |= tiles(dense, how, wide)
            for x in range(first, stop):
                for at in range(dense.starts[x], dense.starts[x + 1]):
                    of_y[dense.ys[at] * <Py_ssize_t>DOUBLE_LANES + x - first] = missing
            first = stop
    return status


cdef int tiles(const Dense *dense, const Rule *how, bint wide) noexcept nogil:
    """All pairs of the lanes."""
    cdef Py_ssize_t x = 0 if dense.ascending else dense.first, end
    cdef Py_ssize_t stop = min(dense.first + dense.lanes, dense.n_x) if dense.ascending else dense.n_x
    cdef int status = 0
    while x < stop:
        end = min(x + <Py_ssize_t>ROWS, stop)
        status |= tile(dense, how, x, end, wide)
        x = end
    return status
