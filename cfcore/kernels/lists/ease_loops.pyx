"""Loops of `cfcore.kernels.lists.ease`."""
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.lists.ease_loops cimport (
    DEPTH,
    GROUP,
    TILE,
    USERS_TOGETHER,
    EaseLoops,
    ScoreArrays,
    SweepArrays,
)

cdef extern from "lists/tiles.h" nogil:
    void subtract_products "cf_subtract_products"(double *c, Py_ssize_t stride, const double *v,
                                                  Py_ssize_t v_stride, const double *w,
                                                  Py_ssize_t depth) noexcept


cdef bint pivot(const SweepArrays *given) noexcept nogil:
    """`Pivot`: sweep the rows of the block one by one."""
    cdef double[DEPTH * DEPTH] block
    cdef double[DEPTH] column
    cdef double inverse, step
    cdef double *row
    cdef Py_ssize_t i, j, k, b = given.depth
    for i in range(b):
        memcpy(block + i * DEPTH, given.matrix + (given.begin + i) * given.n + given.begin,
               (i + 1) * sizeof(double))
    for k in range(b):
        if not block[k * DEPTH + k] > 0:
            return False
        inverse = 1 / block[k * DEPTH + k]
        for i in range(k):
            column[i] = block[k * DEPTH + i]
        column[k] = 0
        for i in range(k + 1, b):
            column[i] = block[i * DEPTH + k]
        for i in range(b):
            row = block + i * DEPTH
            step = column[i] * inverse
            for j in range(i + 1):
                row[j] -= step * column[j]
        for i in range(k):
            block[k * DEPTH + i] = column[i] * inverse
        block[k * DEPTH + k] = -inverse
        for i in range(k + 1, b):
            block[i * DEPTH + k] = column[i] * inverse
    for i in range(b):
        for j in range(i + 1):
            given.pivot[(j // GROUP * DEPTH + i) * GROUP + j % GROUP] = block[i * DEPTH + j]
            given.pivot[(i // GROUP * DEPTH + j) * GROUP + i % GROUP] = block[i * DEPTH + j]
    return True


cdef void group(const SweepArrays *given, Py_ssize_t group) noexcept nogil:
    """`Group`"""
    cdef double[GROUP * DEPTH] gathered
    cdef Py_ssize_t i, k, first = group * GROUP, n = given.n, begin = given.begin, depth = given.depth
    cdef double *packed = given.columns + group * DEPTH * GROUP
    cdef double *rows = given.rows + first * DEPTH
    if begin <= first < begin + depth:
        return
    for k in range(depth):
        if first < begin:
            memcpy(packed + k * GROUP, given.matrix + (begin + k) * n + first, GROUP * sizeof(double))
        else:
            for i in range(GROUP):
                packed[k * GROUP + i] = given.matrix[(first + i) * n + begin + k]
        for i in range(GROUP):
            gathered[i * DEPTH + k] = packed[k * GROUP + i]
    memset(rows, 0, GROUP * DEPTH * sizeof(double))
    k = 0
    while k < depth:
        # Less the product with the negative inverse.
        subtract_products(rows + k, DEPTH, gathered, DEPTH, given.pivot + k * DEPTH, depth)
        k += GROUP


cdef void tile(const SweepArrays *given, Py_ssize_t tile) noexcept nogil:
    """`Tile`"""
    cdef Py_ssize_t n = given.n, begin = given.begin, end = given.begin + given.depth
    cdef Py_ssize_t first = tile * TILE, last = min(first + TILE, n), row, left = 0, j, k
    cdef double *out
    if begin <= first < end:
        for row in range(first, last):
            out = given.matrix + row * n
            for j in range(begin):
                out[j] = given.rows[j * DEPTH + row - begin]
            k = row - begin
            for j in range(end - begin):
                out[begin + j] = given.pivot[(k // GROUP * DEPTH + j) * GROUP + k % GROUP]
        return
    while left < last:
        row = last if begin <= left < end else max(first, left)  # what is beyond the diagonal does not count
        while row < last:
            subtract_products(given.matrix + row * n + left, n, given.rows + row * DEPTH, DEPTH,
                              given.columns + left * DEPTH, given.depth)
            row += GROUP
        left += GROUP
    if first >= end:
        for row in range(first, last):
            memcpy(given.matrix + row * n + begin, given.rows + row * DEPTH, given.depth * sizeof(double))


cdef void weights(const double *matrix, Py_ssize_t n, float *weights, Py_ssize_t n_items,
                  Py_ssize_t tile) noexcept nogil:
    """`Weights`: rows [first, last) up to the diagonal, and columns [first, last) up to it."""
    cdef Py_ssize_t first = tile * TILE, last = min(first + TILE, n_items), left = 0, right, i, j
    cdef double[TILE] own
    cdef double other
    for i in range(first, last):
        own[i - first] = -1 / matrix[i * n + i]
    while left < last:
        right = min(left + TILE, last)
        for j in range(left, right):
            other = -1 / matrix[j * n + j]
            for i in range(max(first, j + 1), last):
                weights[i * n_items + j] = <float>(matrix[i * n + j] * other)
        for j in range(left, right):
            for i in range(max(first, j + 1), last):
                weights[j * n_items + i] = <float>(matrix[i * n + j] * own[i - first])
        left = right
    for i in range(first, last):
        weights[i * n_items + i] = 0


cdef inline void add_four(float *out, const float *a, const float *b, const float *c, const float *d,
                          const float *x, Py_ssize_t width) noexcept nogil:
    """Add four rows of weights, one after the other."""
    cdef Py_ssize_t j
    cdef float p = x[0], q = x[1], r = x[2], s = x[3]
    for j in range(width):
        out[j] = (((out[j] + p * a[j]) + q * b[j]) + r * c[j]) + s * d[j]


cdef inline void add_one(float *out, const float *a, float x, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(width):
        out[j] = out[j] + x * a[j]


cdef void scores(const ScoreArrays *given, Py_ssize_t group, Py_ssize_t panel) noexcept nogil:
    """`Scores`"""
    cdef Py_ssize_t begin = panel * given.width, n = given.n_items, width = min(given.width, n - begin)
    cdef Py_ssize_t k, last = min((group + 1) * USERS_TOGETHER, given.n_lists)
    cdef int64_t e, end
    cdef float *out
    cdef const float *w = given.weights + begin
    cdef const int32_t *items = given.items
    for k in range(group * USERS_TOGETHER, last):
        out = given.scores + k * n + begin
        memset(out, 0, width * sizeof(float))
        e, end = given.indptr[given.users[k]], given.indptr[given.users[k] + 1]
        while end - e >= 4:
            add_four(out, w + items[e] * n, w + items[e + 1] * n, w + items[e + 2] * n,
                     w + items[e + 3] * n, given.values + e, width)
            e += 4
        while e < end:
            add_one(out, w + items[e] * n, given.values[e], width)
            e += 1


cdef EaseLoops loops = EaseLoops(
    pivot=pivot, group=group, tile=tile, weights=weights, scores=scores,
)
table = capsule_of(&loops)
