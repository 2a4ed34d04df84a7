# What the kernels that make lists share: marks on what a list leaves out, and the checks of their arguments.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t


cdef inline bint mark(uint64_t *marks, const int32_t *items, Py_ssize_t n, const int32_t *places,
                      Py_ssize_t n_items, bint on) noexcept nogil:
    """Set or clear the bit of each item's place; false, and nothing done, if an item does not exist."""
    cdef Py_ssize_t k
    cdef int32_t place
    cdef uint32_t last = 0
    for k in range(n):  # a loop of its own, which compilers can do for many items at once
        last = max(last, <uint32_t>items[k])
    if n and last >= <uint32_t>n_items:
        return False
    for k in range(n):
        place = places[items[k]]
        if place < 0:
            continue
        if on:
            marks[place >> 6] |= <uint64_t>1 << (place & 63)
        else:
            marks[place >> 6] &= ~(<uint64_t>1 << (place & 63))
    return True


cdef inline bint marked(const uint64_t *marks, int64_t place) noexcept nogil:
    return marks[place >> 6] >> (place & 63) & 1


cdef inline int check_lists(str what, const int32_t[::1] order, const int32_t[::1] places_of,
                            const int64_t[::1] starts, const int64_t[::1] stops, const int32_t[::1] excluded,
                            int32_t[:, ::1] places, double[:, ::1] scores, Py_ssize_t n_lists) except -1:
    """Raise ValueError unless the arguments that all rankings have fit together.

    All but the excluded items themselves, which there are many of: `mark` meets them anyway.
    """
    cdef Py_ssize_t k, m = order.shape[0]
    if places.shape[0] != n_lists or scores.shape[0] != n_lists or scores.shape[1] != places.shape[1]:
        raise ValueError(f"{what}: places and scores must have a row for each list, of one length")
    if places.shape[1] < 1:
        raise ValueError(f"{what}: lists must have room for an item")
    if starts.shape[0] != n_lists or stops.shape[0] != n_lists:
        raise ValueError(f"{what}: starts and stops must have an entry for each list")
    for k in range(places_of.shape[0]):
        if not -1 <= places_of[k] < m:
            raise ValueError(f"{what}: place {places_of[k]} is out of range")
    for k in range(m):
        if not (0 <= order[k] < places_of.shape[0] and places_of[order[k]] == k):
            raise ValueError(f"{what}: items and their places do not belong together")
    for k in range(n_lists):
        if not 0 <= starts[k] <= stops[k] <= excluded.shape[0]:
            raise ValueError(f"{what}: list {k}: excluded items {starts[k]} to {stops[k]} do not exist")
    return 0


cdef inline int name_bad_item(str what, const int64_t[::1] starts, const int64_t[::1] stops,
                              const int32_t[::1] excluded, Py_ssize_t n_items) except -1:
    """Raise ValueError for the first excluded item that does not exist."""
    cdef Py_ssize_t k, e
    for k in range(starts.shape[0]):
        for e in range(starts[k], stops[k]):
            if not 0 <= excluded[e] < n_items:
                raise ValueError(f"{what}: excluded item {excluded[e]} is out of range")
    return 0
