# What `bounded.pyx` calls of `bounded_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t

# A user's row, factors of items, an `ItemPanels` record, and the list; factors are of float or of double.
cdef struct BoundedArrays:
    const void *row
    const void *item_factors
    const void *item_bias
    double base                   # mean and bias of the user
    const int32_t *items
    const int32_t *tie_positions
    const float *panels           # panels of n_lines
    const float *rotation         # panels of rotation_lines
    double longest                # the largest length of an item's row
    double largest_bias
    Py_ssize_t m, width
    Py_ssize_t rank               # factors after the rotation
    Py_ssize_t head, n_tail, n_lines, rotation_lines
    const int32_t *excluded       # ascending
    Py_ssize_t n_excluded, n
    int32_t *listed
    double *scores
    float *raw                    # scratch: [width], the row,
    float *rotated                # [rank + n_tail], and on the axes of the panels

ctypedef void (*BestOfPanels)(const BoundedArrays *given) noexcept nogil

cdef struct BoundedLoops:
    BestOfPanels best_f32
    BestOfPanels best_f64
