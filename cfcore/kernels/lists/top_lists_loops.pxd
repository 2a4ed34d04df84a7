# What `top_lists.pyx` calls of `top_lists_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint64_t

cdef enum:
    SPARE = 256  # candidates of a list beyond n; more than two panels have
    GROUP = 16   # columns of 8-bit weights that share a bound
    UNBOUNDED = 16  # so few fine panels are looked at without bounds, as nearly all lists need nearly all

# An `ItemWeights` and a `WeightPanels` record.
cdef struct PanelArrays:
    const float *weights
    const int32_t *sources
    int16_t *rounded
    int8_t *coarse
    int16_t *most
    int8_t *groups
    float *exact
    float *peaks
    const float *inverses  # one over the unit of each column of `coarse`
    const float *group_inverses  # and of each group
    Py_ssize_t n_rows, n_panels, n_fine

# A `RatingRows`, a `RatingMultiples` and a `WeightPanels` record, and what `best_lists` is given beside them.
cdef struct ListArrays:
    const int64_t *indptr
    const int32_t *items
    const float *values
    const int16_t *multiples
    const int32_t *steps
    const int32_t *margins
    const uint8_t *levels
    const double *level_steps
    const int32_t *level_margins
    const int32_t *runs
    const int16_t *rounded
    const int8_t *coarse
    const float *scales
    const int16_t *most
    const int8_t *groups
    const float *group_scales
    const float *exact
    const int32_t *columns
    const int32_t *places
    const int32_t *users
    const int64_t *starts
    const int64_t *stops
    const int32_t *excluded
    const int32_t *positions
    int32_t *listed
    double *scores
    Py_ssize_t n_rows, n_items, n_panels, n_fine, n_lists, n
    Py_ssize_t together  # lists that are made side by side, for which a panel is read from memory once

# The largest weight of each row of a block; and of each column in it, to `columns`.
ctypedef void (*Peaks)(const PanelArrays *given, Py_ssize_t block, float *columns) noexcept nogil
# Some rows of all panels; `inverse` is one over the unit of rounded weights.
ctypedef void (*Rows)(const PanelArrays *given, Py_ssize_t block, float inverse) noexcept nogil
# Lists of a group of users; false if an excluded item is out of range. `bitmaps` is zero before and after.
ctypedef bint (*Lists)(const ListArrays *given, Py_ssize_t group, uint64_t *bitmaps,
                       int32_t *codes) noexcept nogil

cdef struct TopListLoops:
    Peaks peaks
    Rows rows
    Lists lists

cdef enum:
    ROWS = 32  # of a block that `Rows` fills
