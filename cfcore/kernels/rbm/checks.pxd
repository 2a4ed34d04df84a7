# What `rbm.pyx` checks before it takes pointers to a machine and to the rows of its cases.

from libc.stdint cimport int32_t, int64_t, uint8_t

from cfcore.kernels.rbm.model cimport MAX_LEVELS, Machine, Rows
from cfcore.kernels.factorization.sgd cimport are_codes


cdef inline bint are_rows(const int64_t[::1] indptr, const int32_t[::1] units, Py_ssize_t n_units):
    """Whether bounds ascend within the entries, and the entries of each row are units that ascend."""
    cdef Py_ssize_t row, k
    cdef bint sound = True
    if indptr.shape[0] < 1 or indptr[0] != 0 or indptr[indptr.shape[0] - 1] != units.shape[0]:
        return False
    for row in range(indptr.shape[0] - 1):
        if indptr[row + 1] < indptr[row]:
            return False
        for k in range(indptr[row] + 1, indptr[row + 1]):
            sound &= units[k - 1] < units[k]
    return sound and (units.shape[0] == 0 or are_codes(&units[0], units.shape[0], n_units))


cdef inline bint are_levels(const uint8_t[::1] levels, Py_ssize_t n_levels) noexcept:
    cdef Py_ssize_t k
    cdef uint8_t highest = 0
    for k in range(levels.shape[0]):
        highest = max(highest, levels[k])
    return highest < n_levels or levels.shape[0] == 0


cdef inline int fill(Machine *m, float[:, :, ::1] weights, float[:, ::1] visible_bias,
                     float[::1] hidden_bias, float[:, ::1] conditional, Py_ssize_t n_hidden) except -1:
    """Pointers to parameters (or velocities) whose shapes fit together."""
    m.n_units = weights.shape[0]
    m.n_levels = weights.shape[1]
    m.width = weights.shape[2]
    m.n_hidden = n_hidden
    if m.width % 16 or not 0 < n_hidden <= m.width:
        raise ValueError("rbm: rows must be padded to multiples of 16, and n_hidden be within them")
    if not 1 <= m.n_levels <= MAX_LEVELS or m.n_units < 1:
        raise ValueError("rbm: there must be 1 to 64 levels, and a unit")
    if visible_bias.shape[0] != m.n_units or visible_bias.shape[1] != m.n_levels:
        raise ValueError("rbm: visible_bias must have a row for each unit, and a column for each level")
    if hidden_bias.shape[0] != m.width:
        raise ValueError("rbm: hidden_bias must be as long as rows of weights")
    if conditional.shape[0] not in (0, m.n_units) or conditional.shape[1] != m.width:
        raise ValueError("rbm: conditional must have a row for each unit, or none")
    m.weights = &weights[0, 0, 0]
    m.visible_bias = &visible_bias[0, 0]
    m.hidden_bias = &hidden_bias[0]
    m.conditional = &conditional[0, 0] if conditional.shape[0] else NULL
    return 0


cdef inline int fill_rows(Rows *rows, const int64_t[::1] indptr, const int32_t[::1] units,
                          const uint8_t[::1] levels, const int64_t[::1] rated_indptr,
                          const int32_t[::1] rated_units, const Machine *m) except -1:
    """Pointers to rows whose bounds and codes are checked."""
    if levels.shape[0] != units.shape[0]:
        raise ValueError("rbm: units and levels must be of one length")
    if rated_indptr.shape[0] != indptr.shape[0]:
        raise ValueError("rbm: indptr and rated_indptr must be of one length")
    if not are_rows(indptr, units, m.n_units) or not are_rows(rated_indptr, rated_units, m.n_units):
        raise ValueError("rbm: the bounds of a case or a unit are out of range")
    if not are_levels(levels, m.n_levels):
        raise ValueError("rbm: a level is out of range")
    rows.indptr = &indptr[0]
    rows.units = &units[0] if units.shape[0] else NULL
    rows.levels = &levels[0] if levels.shape[0] else NULL
    rows.rated_indptr = &rated_indptr[0]
    rows.rated_units = &rated_units[0] if rated_units.shape[0] else NULL
    return 0
