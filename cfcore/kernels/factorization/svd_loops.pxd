# What `svd.pyx` calls of `svd_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t

from cfcore.kernels.factorization.sgd cimport Rating, Steps

# Arrays of a `Factors` record; pointers are to the first entry, of float or of double.
cdef struct FactorPointers:
    void *user_factors
    void *item_factors
    void *user_bias
    void *item_bias
    Py_ssize_t n_users, n_items, width
    double mean

# Ratings, swept from `start` to the last, then from the first to `start`.
cdef struct Block:
    const Rating *ratings
    Py_ssize_t n, start

# A step for each rating of a block. The sum of squared errors, each taken before its step; -1 at a user or an
# item out of range.
ctypedef double (*Sweep)(const Block *block, const FactorPointers *f, const Steps *steps) noexcept nogil
# Predictions for pairs of codes [first, last), all in range; -1 is unknown.
ctypedef void (*Predict)(const int32_t *users, const int32_t *items, const FactorPointers *f, double *out,
                         Py_ssize_t first, Py_ssize_t last) noexcept nogil

cdef struct SvdLoops:
    Sweep sweep_f32
    Sweep sweep_f64
    Predict predict_f32
    Predict predict_f64
