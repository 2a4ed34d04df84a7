# How panels are filled from weights: loops of `top_lists_loops.pyx`.

from libc.stdint cimport int8_t, int16_t, int32_t
from libc.string cimport memcpy, memset

from cfcore.kernels.lists.top_lists_loops cimport GROUP, ROWS, UNBOUNDED, PanelArrays

cdef extern from "lists/rounded_rows.h" nogil:
    enum:
        COLUMNS "CF_COLUMNS"
    float next_integer "cf_next_integer"(float x) noexcept

cdef extern from "lists/coarse_rows.h" nogil:
    enum:
        PAIR_COLUMNS "CF_PAIR_COLUMNS"
        PANEL_GROUPS "CF_PANEL_GROUPS"
        PAIR_GROUPS "CF_PAIR_GROUPS"


cdef inline void peaks(const PanelArrays *given, Py_ssize_t block, float *columns) noexcept nogil:
    """`Peaks`: by bits, among which those of NaN are the largest."""
    cdef Py_ssize_t row, j, n = given.n_rows, first = block * ROWS
    cdef int32_t largest, bits
    cdef int32_t *most = <int32_t *>columns
    cdef const int32_t *weights
    memset(columns, 0, n * sizeof(float))
    for row in range(first, min(first + ROWS, n)):
        weights = <const int32_t *>(given.weights + row * n)
        largest = 0
        for j in range(n):
            bits = weights[j] & 0x7fffffff
            largest = max(largest, bits)
            most[j] = max(most[j], bits)
        memcpy(given.peaks + row, &largest, sizeof(float))


cdef inline void fill_groups(const float *weights, const float *inverses, int8_t *groups) noexcept nogil:
    """The largest weight, or 0, of each group of a panel, rounded up to multiples of its unit."""
    cdef Py_ssize_t k, j
    cdef float largest, x, up
    for k in range(PANEL_GROUPS):
        largest = 0
        for j in range(GROUP * k, GROUP * (k + 1)):
            largest = weights[j] if weights[j] > largest else largest
        x = largest * inverses[k]
        up = next_integer(x)
        groups[k] = <int8_t><int32_t>(up + 1 if up < x else up)


cdef inline void rows(const PanelArrays *given, Py_ssize_t block, float inverse) noexcept nogil:
    """`Rows`: each row is read from memory once, and its columns are picked in the cache."""
    cdef float[ROWS][64] tile
    cdef int16_t[64] aside
    cdef Py_ssize_t n = given.n_rows, first = block * ROWS, size = min(<Py_ssize_t>ROWS, n - first)
    cdef Py_ssize_t panel, later, at, r, j
    cdef const float *row
    cdef const float *inverses
    cdef const int32_t *sources
    cdef int16_t *rounded
    cdef int8_t *coarse
    cdef int16_t most
    cdef float *exact
    cdef Py_ssize_t panels_of_block = 2 * COLUMNS // PAIR_GROUPS
    for panel in range(given.n_panels):
        sources = given.sources + panel * COLUMNS
        for r in range(size):
            row = given.weights + (first + r) * n
            for j in range(COLUMNS):
                tile[r][j] = row[sources[j]] if sources[j] >= 0 else 0
            rounded = given.rounded + (panel * n + first + r) * COLUMNS if panel < given.n_fine else aside
            most = 0
            for j in range(COLUMNS):
                rounded[j] = <int16_t><int32_t>next_integer(tile[r][j] * inverse)
                most = max(most, rounded[j])
            if panel < given.n_fine and given.n_fine > UNBOUNDED:
                given.most[(panel // COLUMNS * n + first + r) * COLUMNS + panel % COLUMNS] = most
            later = panel - given.n_fine
            if later >= 0:
                at = later // panels_of_block * n + first + r
                fill_groups(tile[r], given.group_inverses + later * PANEL_GROUPS,
                            given.groups + at * COLUMNS + later % panels_of_block * PANEL_GROUPS)
                inverses = given.inverses + later * COLUMNS
                coarse = given.coarse + (later // 2 * n + first + r) * PAIR_COLUMNS + later % 2 * COLUMNS
                for j in range(COLUMNS):
                    coarse[j] = <int8_t><int32_t>next_integer(tile[r][j] * inverses[j])
        exact = given.exact + panel * COLUMNS * n + first
        for j in range(COLUMNS):
            for r in range(size):
                exact[j * n + r] = tile[r][j]
