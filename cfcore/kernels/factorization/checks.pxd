# What the kernels of the models with implicit feedback ask of their arrays; `who` is the function asked.

from cython cimport floating
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.factorization.implicit_terms cimport Layout
from cfcore.kernels.factorization.sgd cimport Rating


cdef inline Layout layout_of(
    const Rating[::1] ratings, const int64_t[::1] block_ptr, const int32_t[::1] chunks,
    const int32_t[:, ::1] order, const int64_t[::1] starts, const int32_t[::1] stripe_ptr,
    const int64_t[::1] user_counts, const int64_t[::1] indptr, const int32_t[::1] members,
    const int32_t[::1] parts, const int64_t[:, ::1] cuts, double[::1] squares, int32_t[:, ::1] turns,
    int32_t[:, ::1] latest, int n_item_stripes, Py_ssize_t n_users, Py_ssize_t n_y, Py_ssize_t begin,
    Py_ssize_t end
) except *:
    """What visits [begin, end) need to know, all of it checked but the codes in ratings and sets."""
    cdef Py_ssize_t per_chunk, n_blocks = order.shape[1], n_visits = chunks.shape[0]
    cdef const int32_t *sets = NULL
    cdef Layout data
    check_grid(block_ptr, chunks, order, starts, stripe_ptr, ratings.shape[0], n_users, n_item_stripes,
               begin, end)
    per_chunk = n_blocks // n_item_stripes
    if squares.shape[0] != starts.shape[0]:
        raise ValueError("train: squares and starts must have one entry a block")
    if turns.shape[0] < n_visits * n_blocks or turns.shape[1] != 3:
        raise ValueError("train: turns must be of shape (n_visits * blocks_per_chunk, 3)")
    if latest.shape[0] < n_visits or latest.shape[1] != n_item_stripes + per_chunk:
        raise ValueError("train: latest must have an entry for each visit and stripe of a chunk")
    if user_counts.shape[0] != n_users:
        raise ValueError("train: arrays of users, or of items, must have the same number of rows")
    check_sets("train", indptr, members, n_users, n_y)
    check_parts("train", parts, n_y)
    if cuts.shape[0] != n_users or cuts.shape[1] != parts.shape[0]:
        raise ValueError("train: cuts must be of shape (n_users, n_parts + 1)")
    if begin == end or n_users == 0 or ratings.shape[0] == 0:
        data.n_visits = 0
        return data
    if members.shape[0] > 0:
        sets = &members[0]
    return Layout(
        ratings=&ratings[0], block_ptr=&block_ptr[0], chunks=&chunks[begin], order=&order[begin, 0],
        starts=&starts[0], stripe_ptr=&stripe_ptr[0], user_counts=&user_counts[0], indptr=&indptr[0],
        members=sets, parts=&parts[0], cuts=&cuts[0, 0],
        n_visits=end - begin, n_parts=parts.shape[0] - 1, n_item_stripes=n_item_stripes, per_chunk=per_chunk,
        n_blocks=n_blocks, n_stripes=n_item_stripes + per_chunk, squares=&squares[0],
        turns=&turns[begin * n_blocks, 0], latest=&latest[begin, 0],
    )


cdef inline int check_grid(const int64_t[::1] block_ptr, const int32_t[::1] chunks,
                           const int32_t[:, ::1] order, const int64_t[::1] starts,
                           const int32_t[::1] stripe_ptr, Py_ssize_t n, Py_ssize_t n_users,
                           int n_item_stripes, Py_ssize_t begin, Py_ssize_t end) except -1:
    cdef Py_ssize_t k, block, n_stripes = stripe_ptr.shape[0] - 1, per_chunk = order.shape[1]
    cdef Py_ssize_t n_blocks = block_ptr.shape[0] - 1
    if n_item_stripes < 1 or per_chunk < 1 or per_chunk % n_item_stripes:
        raise ValueError("train: a chunk must have user stripes * n_item_stripes blocks")
    if n_stripes < 1 or n_blocks != n_stripes * n_item_stripes or n_blocks % per_chunk:
        raise ValueError("train: block_ptr must have an entry for each block of each chunk, and one more")
    if starts.shape[0] != n_blocks:
        raise ValueError("train: squares and starts must have one entry a block")
    if order.shape[0] != chunks.shape[0] or not 0 <= begin <= end <= chunks.shape[0]:
        raise ValueError("train: order must have a row for each of chunks, and [begin, end) be within them")
    for k in range(n_stripes):
        if not 0 <= stripe_ptr[k] <= stripe_ptr[k + 1] <= n_users:
            raise ValueError(f"train: users of stripe {k} are out of range")
    for k in range(n_blocks):
        if not 0 <= block_ptr[k] <= block_ptr[k + 1] <= n:
            raise ValueError(f"train: block {k} is out of range")
        if starts[k] < 0:
            raise ValueError(f"train: start {starts[k]} of block {k} is negative")
    for k in range(begin, end):
        if not 0 <= chunks[k] < n_blocks // per_chunk:
            raise ValueError(f"train: chunk {chunks[k]} is out of range")
        for block in range(per_chunk):
            if not 0 <= order[k, block] < per_chunk:
                raise ValueError(f"train: block {order[k, block]} of a chunk is out of range")


cdef inline int check_parts(str who, const int32_t[::1] parts, Py_ssize_t n_y) except -1:
    cdef Py_ssize_t k, n_parts = parts.shape[0] - 1
    if n_parts < 1 or parts[0] != 0 or parts[n_parts] != n_y:
        raise ValueError(f"{who}: parts must run from 0 to {n_y}, the number of what they part")
    for k in range(n_parts):
        if parts[k] > parts[k + 1]:
            raise ValueError(f"{who}: parts must be ascending")


cdef inline int check_sums(floating[:, ::1] sums, floating[:, ::1] first_sums,
                           floating[:, :, ::1] partial_sums, floating[::1] kept,
                           const int32_t[::1] stripe_ptr, Py_ssize_t per_chunk, Py_ssize_t n_parts,
                           Py_ssize_t n_users, Py_ssize_t width) except -1:
    """The scratch of the sums over N(u)."""
    cdef Py_ssize_t stripe, most = 0
    if sums.shape[1] != width or first_sums.shape[1] != width:
        raise ValueError("train: factor rows must be of one length, a multiple of 64 bytes")
    if sums.shape[0] != n_users or first_sums.shape[0] != n_users or kept.shape[0] != n_users:
        raise ValueError("train: arrays of users, or of items, must have the same number of rows")
    for stripe in range(0, stripe_ptr.shape[0] - 1, per_chunk):
        most = max(most, stripe_ptr[stripe + per_chunk] - stripe_ptr[stripe])
    if partial_sums.shape[0] < most or partial_sums.shape[1] != n_parts or partial_sums.shape[2] != width:
        raise ValueError("train: partial_sums must be of shape (users of the largest chunk, n_parts, width)")


cdef inline int check_sets(str who, const int64_t[::1] indptr, const int32_t[::1] members,
                           Py_ssize_t n_users, Py_ssize_t n_y) except -1:
    cdef Py_ssize_t u
    if members.shape[0] > 0 and n_y == 0:
        raise ValueError(f"{who}: there are sets, but no implicit factors")
    if indptr.shape[0] != n_users + 1 or indptr[0] != 0 or indptr[n_users] != members.shape[0]:
        raise ValueError(f"{who}: indptr must run from 0 to the number of members, with n_users + 1 entries")
    for u in range(n_users):
        if indptr[u] > indptr[u + 1]:
            raise ValueError(f"{who}: indptr decreases at user {u}")


cdef inline int name_bad_set(str who, const int64_t[::1] indptr, const int32_t[::1] members,
                             Py_ssize_t n_y) except -1:
    """Raise if the codes of a set are not in ascending order or out of range."""
    cdef Py_ssize_t u, k
    for u in range(indptr.shape[0] - 1):
        for k in range(indptr[u], indptr[u + 1]):
            if not 0 <= members[k] < n_y or (k > indptr[u] and members[k - 1] >= members[k]):
                raise ValueError(f"{who}: the set of user {u} is not ascending or out of range")


cdef inline int check_outcome(const Layout *data, bint sound, str codes, const int64_t[::1] indptr,
                              const int32_t[::1] members, Py_ssize_t n_y) except -1:
    """Raise if `visit_chunks` met a set, or `codes` of a rating, that are out of range."""
    cdef Py_ssize_t visit, block
    if not sound:
        name_bad_set("train", indptr, members, n_y)
        raise ValueError("train: cuts are not those of the sets")
    for visit in range(data.n_visits):
        for block in range(data.chunks[visit] * data.n_blocks, (data.chunks[visit] + 1) * data.n_blocks):
            if data.squares[block] < 0:
                raise ValueError(f"train: {codes} in block {block} is out of range")


cdef inline floating *rows_of(floating[:, ::1] matrix) noexcept:
    """Its first entry; NULL if it has none."""
    return &matrix[0, 0] if matrix.shape[0] and matrix.shape[1] else NULL
