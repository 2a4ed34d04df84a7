# What `svdpp.pyx` calls of `svdpp_loops.pyx`, which is compiled once per SIMD level.

from cfcore.kernels.factorization.implicit_terms cimport TermLoops
from cfcore.kernels.factorization.sgd cimport Rating

# Steps for the n ratings of a block, from `start` to the last, then from the first to `start`; `model` is
# what the wrapper made of parameters and rates. The sum of squared errors, each taken before its step; -1 at
# a code out of range.
ctypedef double (*Sweep)(const Rating *ratings, Py_ssize_t n, Py_ssize_t start,
                         const void *model) noexcept nogil

# Parameters, rates and scratch of a call of `train`: the `model` of a `Sweep`. Pointers are to the first
# entry, of float or of double.
cdef struct SVDppModel:
    void *user_factors
    void *item_factors
    void *user_bias
    void *item_bias
    void *sums                 # s_u
    void *gains                # c_u
    Py_ssize_t n_users, n_items, width
    bint plain                 # all gains are 1, and lr_user is lr
    double mean
    double lr, reg, lr_user, lr_bias, reg_bias, lr_implicit, reg_implicit

cdef struct SVDppLoops:
    Sweep sweep_f32
    Sweep sweep_f64
    TermLoops terms_f32
    TermLoops terms_f64
