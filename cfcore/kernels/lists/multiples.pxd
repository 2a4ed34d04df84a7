# Ratings as integers, and by how much sums of rounded weights may differ from scores; for `top_lists.pyx`.

from libc.math cimport INFINITY, fabs, floor, fmod, rint
from libc.stdint cimport int16_t, int32_t, uint8_t
from libc.string cimport memset

cdef enum:
    HIGHEST = 32767          # rounded weight, and multiple
    HIGHEST_LEVEL = 127      # weight of 8 bits, and level
    WIDEST = 1073741824      # margin
    MOST = 2147000000        # sum of products


cdef inline double smallest() noexcept nogil:
    """The largest weight is at least that: far from numbers that underflow."""
    return 1e-30


cdef inline int32_t multiples_of(const int32_t *items, const float *values, Py_ssize_t n,
                                 const float *peaks, double largest, double per_one, int16_t *out,
                                 int32_t *steps) noexcept nogil:
    """Multiples of a row, and how many there are to one; its margin."""
    cdef double reach = 0, load = 0, more = 0, off = 0, size = 0, highest = 0, x, q, peak, margin
    cdef double units = HIGHEST / largest, step
    cdef bint known = smallest() <= largest < INFINITY
    cdef Py_ssize_t e
    for e in range(n):
        peak = peaks[items[e]] * units + 1
        load += values[e] * peak
        more += peak
        highest = max(highest, <double>values[e])
        known &= 0 <= values[e] < INFINITY
    step = 0
    if known:
        step = floor(min((MOST - more) / max(load, 1.0), HIGHEST / max(highest, 1.0)))
        if step >= per_one:
            step -= fmod(step, per_one)
    steps[0] = <int32_t>max(step, 0.0)
    if not step >= 1:
        memset(out, 0, n * sizeof(int16_t))
        return -1
    for e in range(n):
        x = values[e] * step
        q = rint(x)
        out[e] = <int16_t>q
        reach += q
        off += fabs(x - q) * peaks[items[e]]
        size += x * peaks[items[e]]
    margin = 0.505 * reach + (off + (n + 2) * 1.2e-7 * size) * units + 2
    return <int32_t>margin + 1 if margin < WIDEST else -1


cdef inline int32_t levels_of(const float *values, Py_ssize_t n, double per_one, bint known, uint8_t *out,
                              double *steps, int32_t *run) noexcept nogil:
    """Levels of a row, how many there are to one, and of how many the sums are of 16 bits; its margin."""
    cdef double highest = 0, off = 0, reach = 0, size = 0, step = per_one, x, q, margin
    cdef Py_ssize_t e
    steps[0], run[0] = 0, 0
    memset(out, 0, n)
    if not known:
        return -1
    for e in range(n):
        x = values[e] * per_one
        off += fabs(x - rint(x))
        highest = max(highest, <double>values[e])
    if off > 1e-3 * n or highest * per_one > HIGHEST_LEVEL:  # no multiples, or too large ones
        step = HIGHEST_LEVEL / max(highest, 1e-4)
    off, highest = 0, 1
    for e in range(n):
        x = values[e] * step
        q = rint(x)
        out[e] = <uint8_t>q
        highest = max(highest, q)
        off += fabs(x - q)
        reach += q
        size += x
    steps[0] = step
    run[0] = 2 * (HIGHEST // <int32_t>(2 * HIGHEST_LEVEL * highest))
    margin = 0.505 * reach + HIGHEST_LEVEL * (1.01 * off + (n + 2) * 1.3e-7 * size) + 2
    return <int32_t>margin + 1 if margin + HIGHEST_LEVEL * reach < WIDEST else -1
