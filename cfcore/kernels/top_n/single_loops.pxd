# What `single.pyx` calls of `single_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t

# A user's row, the items of a `Factors` record, and what `best_of_row` is given besides; factors and biases
# are of float or of double.
cdef struct RowArrays:
    const void *row
    const void *item_factors
    const void *item_bias
    double base                  # mean and bias of the user
    Py_ssize_t n_items, width
    const int32_t *items         # items in the order in which equal scores are listed
    const int32_t *positions     # position of each item in it, or -1
    const int32_t *excluded      # ascending
    Py_ssize_t n_excluded, n
    int32_t *listed
    double *scores

ctypedef void (*OfRow)(const RowArrays *given) noexcept nogil

cdef struct SingleLoops:
    OfRow scores_f32             # scores[i] of all items
    OfRow scores_f64
    OfRow best_f32               # the n best
    OfRow best_f64
