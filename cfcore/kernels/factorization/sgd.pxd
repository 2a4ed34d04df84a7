# Steps that the factor models trained by stochastic gradient descent share.

from libc.stdint cimport int32_t, uint32_t

from cfcore.kernels.common.lanes cimport CF_KEEP_BRANCH
from cython cimport floating

# A training rating; in Python np.dtype([("user", "i4"), ("item", "i4"), ("value", "f4")]).
cdef struct Rating:
    int32_t user
    int32_t item
    float value

# An `SGDRates` record. Doubles; a sweep rounds them to its own precision once.
cdef struct Steps:
    double lr, reg       # of factors
    double lr_bias, reg_bias
    double low, high     # the prediction is clipped to them before the error is taken
    bint sequential      # p is updated with the new q


cdef inline floating clip(floating value, floating low, floating high) noexcept nogil:
    """`value` within [low, high]; NaN stays NaN."""
    # Branches that nearly always go the same way are predicted well; a minimum and a maximum add latency.
    if value < low:
        CF_KEEP_BRANCH()
        return low
    if value > high:
        CF_KEEP_BRANCH()
        return high
    return value


cdef inline void bias_step(floating *bias, floating keep, floating step) noexcept nogil:
    """b <- b + lr (e - reg b), with keep = 1 - lr reg and step = lr e."""
    bias[0] = bias[0] * keep + step


cdef inline bint is_rating_of(const Rating rating, Py_ssize_t n_users, Py_ssize_t n_items) noexcept nogil:
    """True if the user is in [0, n_users) and the item in [0, n_items)."""
    return <uint32_t>rating.user < <size_t>n_users and <uint32_t>rating.item < <size_t>n_items


cdef inline bint are_ratings_of(const Rating *ratings, Py_ssize_t n, Py_ssize_t n_users,
                                Py_ssize_t n_items) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n):
        if not is_rating_of(ratings[k], n_users, n_items):
            return False
    return True
