# What `products.pyx` calls of `products_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t, int64_t, uint64_t

cdef enum:
    GROUP = 24  # users of a call of `RankGroup`: their rows stay in the cache. A multiple of 6 and of 8
    SPARE = 64  # candidates that there is room for beside the n best

# A `BiasedRows` record, and the `Panels` record that is packed with it.
cdef struct PackArrays:
    const void *factors
    const void *biases
    float *panels
    float *tails
    double *bounds
    Py_ssize_t m, width, head, n_tail, n_lines

# What `best_products` is given, for all lists; factors and biases are of float or of double.
cdef struct ListArrays:
    const int32_t *users
    const int64_t *starts
    const int64_t *stops
    const int32_t *excluded
    const void *user_factors
    const void *item_factors
    const void *user_bias
    const void *item_bias
    const int32_t *items
    const int32_t *columns        # column of each item, or -1
    const int32_t *tie_positions
    const float *rotation         # panels of rotation_lines
    const float *panels           # panels of n_lines
    const float *tails
    double mean
    double longest                # the largest length of an item's row
    double largest_bias
    Py_ssize_t n_items, m, width
    Py_ssize_t rank               # factors after the rotation
    Py_ssize_t head, n_tail, n_lines, n_checks, rotation_lines
    Py_ssize_t n
    Py_ssize_t n_best             # room for the n best sums of a user
    Py_ssize_t n_words            # of the bitmap of a user
    int32_t *listed
    double *scores

# Scratch of a thread.
cdef struct GroupScratch:
    float *floats
    int32_t *columns
    uint64_t *bitmaps             # [GROUP][n_words], columns that a list excludes

ctypedef void (*Pack)(const PackArrays *given) noexcept nogil
# Lists of users [first, first + n_users), at most GROUP; false if an excluded item is out of range.
ctypedef bint (*RankGroup)(const ListArrays *given, const GroupScratch *scratch, Py_ssize_t first,
                           Py_ssize_t n_users) noexcept nogil

cdef struct ProductsLoops:
    Pack pack_f32
    Pack pack_f64
    RankGroup rank_group_f32
    RankGroup rank_group_f64


cdef inline Py_ssize_t room_of_best(Py_ssize_t n) noexcept nogil:
    """Whole groups of 16, and a group before them whose last entry is infinite."""
    return (n + 15) // 16 * 16 + 16
