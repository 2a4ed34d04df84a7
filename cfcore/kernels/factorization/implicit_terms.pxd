# The implicit side of SVD++: sums over the sets N(u), and the way back from the sums to the y.

from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.common.lanes cimport decay, sum_rows
from cfcore.kernels.factorization.sgd cimport Rating
from cython cimport floating

# What a call reads and never writes, and, at the end, what it writes whatever the model.
cdef struct Layout:
    const Rating *ratings
    const int64_t *block_ptr
    const int32_t *chunks       # of each visit
    const int32_t *order        # blocks of the chunk, a row for each visit
    const int64_t *starts
    const int32_t *stripe_ptr   # users of each stripe
    const int64_t *user_counts
    const int64_t *indptr       # N(u)
    const int32_t *members
    const int32_t *parts        # items of each part of y
    const int64_t *cuts         # of each user, where the parts of N(u) begin, and the last ends
    Py_ssize_t n_visits, n_parts, n_item_stripes
    Py_ssize_t per_chunk, n_blocks, n_stripes  # of a chunk: user stripes, blocks, stripes of both kinds
    double *squares             # of each block
    int32_t *turns
    int32_t *latest


cdef inline bint implicit_sum(const int32_t *members, Py_ssize_t n, const floating *y, Py_ssize_t n_items,
                              Py_ssize_t width, floating *s) noexcept nogil:
    """s = |N|^-1/2 sum of y_j over j in N. False, and nothing done, if N is not ascending or has no y."""
    cdef Py_ssize_t k
    cdef int32_t unsorted = 0
    cdef floating scale
    for k in range(1, n):
        unsorted |= members[k - 1] >= members[k]
    if n > 0 and (unsorted or members[0] < 0 or members[n - 1] >= n_items):
        return False
    sum_rows(y, members, n, width, s)
    scale = inverse_root(n, <floating>0)
    for k in range(width):
        s[k] *= scale
    return True


cdef inline floating inverse_root(Py_ssize_t n, floating kind) noexcept nogil:
    """n^-1/2; 1 for n = 0, where it multiplies an empty sum."""
    return <floating>((<double>n) ** -0.5 if n > 0 else 1.0)


cdef inline bint sum_part(const Layout *data, Py_ssize_t part, Py_ssize_t first, Py_ssize_t last,
                          const floating *y, floating *partial, Py_ssize_t width) noexcept nogil:
    """Sum the y of one part of the items for users [first, last). False if a set is not sound.

    Row (u - first) * n_parts + part of `partial` is user u's.
    """
    cdef const int32_t *members = data.members
    cdef int32_t lowest = data.parts[part], stop = data.parts[part + 1], unsorted
    cdef int64_t k, begin, end
    cdef Py_ssize_t u
    for u in range(first, last):
        begin = data.cuts[u * (data.n_parts + 1) + part]
        end = data.cuts[u * (data.n_parts + 1) + part + 1]
        # Stretches that are sound, join up and reach from end to end make a set that is.
        if (not data.indptr[u] <= begin <= end <= data.indptr[u + 1]
                or (part == 0 and begin != data.indptr[u])
                or (part == data.n_parts - 1 and end != data.indptr[u + 1])):
            return False
        unsorted = 0
        for k in range(begin + 1, end):
            unsorted |= members[k - 1] >= members[k]
        if unsorted or (begin < end and (members[begin] < lowest or members[end - 1] >= stop)):
            return False
        sum_rows(y, members + begin, end - begin, width,
                 partial + ((u - first) * data.n_parts + part) * width)
    return True


cdef inline void begin_users(const Layout *data, Py_ssize_t chunk_first, Py_ssize_t first, Py_ssize_t last,
                             const floating *partial, floating *s, floating *s_first,
                             Py_ssize_t width) noexcept nogil:
    """Join the partial sums of users [first, last) of a chunk, and keep a copy of the sums."""
    cdef const floating *rows
    cdef floating *own
    cdef floating scale
    cdef Py_ssize_t u, k, part
    for u in range(first, last):
        rows = partial + (u - chunk_first) * data.n_parts * width
        own = s + u * width
        scale = inverse_root(data.indptr[u + 1] - data.indptr[u], <floating>0)
        for k in range(width):
            own[k] = rows[k]
        for part in range(1, data.n_parts):
            for k in range(width):
                own[k] += rows[part * width + k]
        for k in range(width):
            own[k] *= scale
            s_first[u * width + k] = own[k]


cdef inline void end_users(const Layout *data, Py_ssize_t first, Py_ssize_t last, floating *s,
                           const floating *s_first, floating *kept, Py_ssize_t width,
                           double keep) noexcept nogil:
    """Turn the sums of users [first, last), which have moved, into the step of each of their y.

    s went to kept s_first + way, with kept = keep^ratings; each y_j goes to kept y_j + |N|^-1/2 way.
    """
    cdef Py_ssize_t u, k
    cdef floating scale
    for u in range(first, last):
        scale = inverse_root(data.indptr[u + 1] - data.indptr[u], <floating>0)
        kept[u] = <floating>power(keep, data.user_counts[u])
        for k in range(u * width, (u + 1) * width):
            s[k] = (s[k] - kept[u] * s_first[k]) * scale


cdef inline void write_back(const Layout *data, Py_ssize_t part, Py_ssize_t first, Py_ssize_t last,
                            const floating *steps, const floating *kept, floating *y,
                            Py_ssize_t width) noexcept nogil:
    """Move the y of a part of the items by the steps of users [first, last), one user after the other."""
    cdef const int32_t *members = data.members
    cdef const int64_t *cuts = data.cuts + part
    cdef Py_ssize_t u, n_cuts = data.n_parts + 1
    cdef int64_t k
    for u in range(first, last):
        for k in range(cuts[u * n_cuts], cuts[u * n_cuts + 1]):
            decay(y + members[k] * width, steps + u * width, width, kept[u])


cdef inline int64_t place_of(const int32_t *members, int64_t begin, int64_t end,
                             int32_t code) noexcept nogil:
    """The first of the ascending members[begin:end] that is not below `code`."""
    cdef int64_t middle
    while begin < end:
        middle = (begin + end) // 2
        if members[middle] < code:
            begin = middle + 1
        else:
            end = middle
    return begin


cdef inline double power(double base, int64_t n) noexcept nogil:
    """base^n by squaring: the same bits on every machine."""
    cdef double result = 1
    while n > 0:
        if n % 2:
            result *= base
        base *= base
        n //= 2
    return result
