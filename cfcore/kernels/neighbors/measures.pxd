# From the sums over co-raters to a similarity, 64 pairs at a time: square roots and divisions vectorise.
#
# A new measure is a value of `Measure`, a function on `Sums` and a branch of `evaluate` here; its name and
# number in MEASURES of `cfcore/kernels/records/neighbors.py`; and a branch of `evaluate` of the twin.
# `n_doubles_of` says whether it needs Sx and Sy.

from cython cimport floating
from libc.math cimport sqrt
from libc.stdint cimport int16_t

cdef enum:
    BLOCK = 64

# The numbers of MEASURES.
cdef enum Measure:
    PEARSON = 0
    COSINE = 1
    MSD = 2
    JACCARD = 3
    DOT = 4

# A `SimilarityRule`, and the scale of the ratings.
cdef struct Rule:
    int measure
    double offset  # steps from the zero of the ratings to the zero of the levels
    double step  # ratings a step
    double tolerance  # share of n Sxx below which the variance is rounding
    double shrinkage
    double min_support
    double no_overlap

cdef struct Sums:
    double n[BLOCK]
    double x[BLOCK]
    double y[BLOCK]
    double xx[BLOCK]
    double yy[BLOCK]
    double xy[BLOCK]
    double size[BLOCK]  # ratings of the partner, for Jaccard
    double similarity[BLOCK]


cdef inline int n_doubles_of(int measure) noexcept nogil:
    """Sums in double that a measure needs: n, Sxx, Syy, Sxy, and for some Sx, Sy. Levels have all."""
    return 6 if measure == PEARSON else 4


cdef inline double clamped(double r) noexcept nogil:
    r = r if r < 1 else 1
    return r if r > -1 else -1


cdef inline void pearson(Sums *s, double tolerance) noexcept nogil:
    """(n Sxy - Sx Sy) / sqrt((n Sxx - Sx^2) (n Syy - Sy^2)); from integers all but the root is exact."""
    cdef int t
    cdef double vx, vy, root
    for t in range(BLOCK):
        vx = s.n[t] * s.xx[t] - s.x[t] * s.x[t]
        vy = s.n[t] * s.yy[t] - s.y[t] * s.y[t]
        vx = vx if vx > tolerance * s.n[t] * s.xx[t] else 0
        vy = vy if vy > tolerance * s.n[t] * s.yy[t] else 0
        root = sqrt(vx * vy)
        s.similarity[t] = clamped((s.n[t] * s.xy[t] - s.x[t] * s.y[t]) / (root if root > 0 else 1))
        s.similarity[t] = s.similarity[t] if root > 0 else 0


cdef inline void pearson_of_levels(const int16_t *columns, floating *similarity) noexcept nogil:
    """The same from sums of 16 bits, n, Sx, Sy, Sxx, Syy, Sxy by column: the terms fit 32 bits, exactly."""
    cdef const int16_t *n = columns
    cdef const int16_t *x = columns + BLOCK
    cdef const int16_t *y = columns + 2 * BLOCK
    cdef const int16_t *xx = columns + 3 * BLOCK
    cdef const int16_t *yy = columns + 4 * BLOCK
    cdef const int16_t *xy = columns + 5 * BLOCK
    cdef int t
    cdef double root
    for t in range(BLOCK):
        root = sqrt(<double>(n[t] * xx[t] - x[t] * x[t]) * <double>(n[t] * yy[t] - y[t] * y[t]))
        similarity[t] = <floating>clamped(<double>(n[t] * xy[t] - x[t] * y[t]) / (root if root > 0 else 1))


cdef inline void add_offset(Sums *s, double o) noexcept nogil:
    """Sums of q + o from sums of q, the levels: exact, all terms are integers below 2^53."""
    cdef int t
    for t in range(BLOCK):
        s.xx[t] += o * (2 * s.x[t] + o * s.n[t])
        s.yy[t] += o * (2 * s.y[t] + o * s.n[t])
        s.xy[t] += o * (s.x[t] + s.y[t] + o * s.n[t])


cdef inline void cosine(Sums *s) noexcept nogil:
    """Sxy / sqrt(Sxx Syy)"""
    cdef int t
    cdef double root
    for t in range(BLOCK):
        root = sqrt(s.xx[t] * s.yy[t])
        s.similarity[t] = clamped(s.xy[t] / (root if root > 0 else 1))
        s.similarity[t] = s.similarity[t] if root > 0 else 0


cdef inline void msd(Sums *s, double step) noexcept nogil:
    """1 / (1 + mean squared difference)"""
    cdef int t
    cdef double squares
    for t in range(BLOCK):
        squares = step * step * (s.xx[t] + s.yy[t] - 2 * s.xy[t])  # in this order the same for (y, x)
        squares = squares if squares > 0 else 0
        s.similarity[t] = s.n[t] / (s.n[t] + squares if s.n[t] > 0 else 1)


cdef inline void dot(Sums *s, double step) noexcept nogil:
    """Sxy, of values that were normalised before"""
    cdef int t
    for t in range(BLOCK):
        s.similarity[t] = step * step * s.xy[t]


cdef inline void jaccard(Sums *s, double own_size) noexcept nogil:
    """n / (ratings of x + ratings of y - n)"""
    cdef int t
    cdef double either
    for t in range(BLOCK):
        either = own_size + s.size[t] - s.n[t]
        s.similarity[t] = s.n[t] / (either if either > 0 else 1)


cdef inline void evaluate(Sums *s, const Rule *rule, double own_size) noexcept nogil:
    """Similarity of 64 pairs."""
    if rule.measure == PEARSON:
        pearson(s, rule.tolerance)
    elif rule.measure == JACCARD:
        jaccard(s, own_size)
    else:
        if rule.offset != 0:
            add_offset(s, rule.offset)
        if rule.measure == COSINE:
            cosine(s)
        elif rule.measure == DOT:
            dot(s, rule.step)
        else:
            msd(s, rule.step)
    if not is_plain(rule):
        adjust(s, rule)


cdef inline bint is_plain(const Rule *rule) noexcept nogil:
    """Whether `adjust` would change nothing: without co-raters every measure is 0 by itself."""
    return rule.shrinkage == 0 and rule.min_support <= 1 and rule.no_overlap == 0


cdef inline void adjust(Sums *s, const Rule *rule) noexcept nogil:
    """Apply shrinkage, min_support and no_overlap."""
    cdef int t
    cdef double r
    # Copies, because to the compiler `rule` may overlap `s`, and then no loop would vectorise.
    cdef double shrinkage = rule.shrinkage, least = rule.min_support, no_overlap = rule.no_overlap
    if shrinkage > 0:
        for t in range(BLOCK):
            s.similarity[t] *= (s.n[t] - 1) / (s.n[t] - 1 + shrinkage if s.n[t] > 1 else 1)
    for t in range(BLOCK):
        r = s.similarity[t] if s.n[t] >= least else 0
        s.similarity[t] = r if s.n[t] > 0 else no_overlap
