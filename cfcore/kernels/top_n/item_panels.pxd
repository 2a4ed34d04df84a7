# Panels of 32 rows, and the length of the rest of each row at each check: see item_panels.h and products.pyx.

from libc.math cimport sqrt
from libc.stdint cimport int32_t, uint32_t

cdef extern from *:
    """
    /* Twice the largest relative error of one float32 operation, which leaves room for second-order terms. */
    #define CF_UNIT 1.1920928955078125e-07
    /* More than the error of products that underflow in float32; and a number that is far from overflow. */
    #define CF_TINY 1e-30
    #define CF_HUGE 1e37
    """
    const double UNIT "CF_UNIT"
    const double TINY "CF_TINY"
    const double HUGE "CF_HUGE"

cdef extern from "top_n/item_panels.h" nogil:
    int COLUMNS "CF_COLUMNS"
    enum:
        ROWS "CF_ROWS"
    Py_ssize_t next_check "cf_next_check"(Py_ssize_t check) noexcept
    uint32_t products_above "cf_products_above"(const float *panel, const float *rows, const float *rests,
                                                Py_ssize_t n, const float *limits, uint32_t *passed,
                                                float (*values)[32]) noexcept
    float tail_product "cf_tail_product"(const float *x, const float *y, Py_ssize_t n) noexcept
    void add_four_tails "cf_add_four_tails"(const float *x, const float *rows, const int32_t *which,
                                            Py_ssize_t n, float *sums) noexcept
    void products "cf_products"(const float *panel, const float *rows, Py_ssize_t n,
                                float (*out)[32]) noexcept
    void row_products "cf_row_products"(const float *panel, const float *row, Py_ssize_t n,
                                        float *out) noexcept
    uint32_t row_above "cf_row_above"(const float *panel, const float *row, const float *rests, Py_ssize_t n,
                                      float limit) noexcept
    void insert "cf_insert"(float *best, Py_ssize_t n, float x) noexcept
    int lowest_bit "cf_lowest_bit"(uint32_t bits) noexcept

cdef enum:
    MAX_CHECKS = 64  # there is one before each power of two


cdef inline Py_ssize_t count_checks(Py_ssize_t head) noexcept nogil:
    """Number of checks: those before factors of the head, and one at its end."""
    cdef Py_ssize_t check = 0, n = 1
    while check < head:
        check = next_check(check)
        n += 1
    return n


cdef inline void measure(const float *rows, Py_ssize_t stride, Py_ssize_t head, const float *tails,
                         Py_ssize_t n_tail, Py_ssize_t n, float *lengths) noexcept nogil:
    """Lengths of n rows, which lie side by side, from each check on, rounded up."""
    cdef Py_ssize_t n_checks = count_checks(head), line, f = head, k
    cdef Py_ssize_t[MAX_CHECKS] checks
    cdef float[32] squares
    checks[0] = 0
    for line in range(1, n_checks):
        checks[line] = min(head, next_check(checks[line - 1]))
    for k in range(stride):
        squares[k] = 0
        if n_tail and k < n:
            squares[k] = tail_product(tails + k * n_tail, tails + k * n_tail, n_tail)
    for line in range(n_checks - 1, -1, -1):
        while f > checks[line]:
            f -= 1
            for k in range(stride):
                squares[k] += rows[f * stride + k] * rows[f * stride + k]
        for k in range(n):
            lengths[line * stride + k] = <float>(sqrt(squares[k] + TINY) * (1 + UNIT * (head + n_tail + 16)))
