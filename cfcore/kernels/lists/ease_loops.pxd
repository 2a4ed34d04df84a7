# What `ease.pyx` calls of `ease_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t, int64_t

cdef enum:
    DEPTH = 128  # rows that are swept at once
    TILE = 64  # rows of a tile, a divisor of DEPTH
    GROUP = 16  # columns that are packed side by side
    USERS_TOGETHER = 64  # users whose scores of a panel of items are computed one after the other

# A `GramMatrix` and its `SweepPanel`; the rows [begin, begin + depth) are swept.
cdef struct SweepArrays:
    double *matrix
    double *rows
    double *columns
    double *pivot
    Py_ssize_t n, begin, depth

# Ratings by user, an `ItemWeights` and a `UserScores` record.
cdef struct ScoreArrays:
    const int64_t *indptr
    const int32_t *items
    const float *values
    const float *weights
    const int32_t *users
    float *scores
    Py_ssize_t n_items, n_lists
    Py_ssize_t width  # items of a panel

# The inverse of the block on the diagonal, negative; false if it is not positive definite.
ctypedef bint (*Pivot)(const SweepArrays *given) noexcept nogil
# The entries of 16 rows in the columns that are swept.
ctypedef void (*Group)(const SweepArrays *given, Py_ssize_t group) noexcept nogil
# A tile of rows after the step.
ctypedef void (*Tile)(const SweepArrays *given, Py_ssize_t tile) noexcept nogil
# Weights of a tile of rows, and of the tile of columns that mirrors it, from a swept matrix.
ctypedef void (*Weights)(const double *matrix, Py_ssize_t n, float *weights, Py_ssize_t n_items,
                         Py_ssize_t tile) noexcept nogil
# Scores of a panel of items for a group of users.
ctypedef void (*Scores)(const ScoreArrays *given, Py_ssize_t group, Py_ssize_t panel) noexcept nogil

cdef struct EaseLoops:
    Pivot pivot
    Group group
    Tile tile
    Weights weights
    Scores scores
