"""SVD++ by stochastic gradient descent: what a user rated, not only how, says where the user's taste lies.

Users are cut into chunks, visited one after the other. A chunk has three steps, each in parallel:

1. sum the y of what each user rated, part by part of the items;
2. work through the ratings, block by block of users x items, in the manner of `cfcore.kernels.svd`; the first
   block of a stripe of users joins the parts of their sums, and the last sees how far the sums came;
3. hand that on to every y, part by part of the items, users in their order.

Within a chunk a user does not see what y learns from the others. The twin is `cfcore.reference.svdpp`.
"""
from cython cimport floating
from cython.parallel cimport parallel, prange, threadid
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.implicit cimport (
    Layout,
    begin_users,
    end_users,
    implicit_sum,
    place_of,
    sum_part,
    write_back,
)
from cfcore.kernels.lanes cimport dot_of_sum, is_row_length, prefetch_row, step_of_sum
from cfcore.kernels.sgd cimport Descent, Rating, are_ratings_of, bias_step, is_rating_of
from cfcore.kernels.team cimport team_present, team_size
from cfcore.kernels.turns cimport (
    await_count,
    await_turn,
    cf_arrive,
    cf_observe,
    cf_publish,
    end_turn,
    opens_user_stripe,
    plan_turns,
)

cdef enum:
    AHEAD = 4  # ratings between asking for factor rows and using them

# Places in `progress`.
cdef enum:
    DONE, FAILED, N_PROGRESS


cdef inline floating svdpp_step(
    Rating rating, floating *p, floating *s, floating *q, floating *user_bias, floating *item_bias,
    Py_ssize_t width, floating mean, floating lr, floating keep, floating lr_bias, floating keep_bias,
    floating lr_y, floating keep_y
) noexcept nogil:
    """Move a user, the user's sum and an item along one rating; pointers are whole arrays. The error before.

    When every y_j of N moves by lr (e |N|^-1/2 q_i - reg y_j), s = |N|^-1/2 sum y_j moves by
    lr (e q_i - reg s): the sum follows its y without their being visited.
    """
    cdef floating *p_u = p + rating.user * width
    cdef floating *s_u = s + rating.user * width
    cdef floating *q_i = q + rating.item * width
    cdef floating *b_u = user_bias + rating.user
    cdef floating *b_i = item_bias + rating.item
    cdef floating base = mean + b_u[0] + b_i[0]
    cdef floating error = (<floating>rating.value - base) - dot_of_sum(p_u, s_u, q_i, width)
    bias_step(b_u, keep_bias, lr_bias * error)
    bias_step(b_i, keep_bias, lr_bias * error)
    step_of_sum(p_u, s_u, q_i, width, keep, lr * error, keep_y, lr_y * error)
    return error


cdef inline double sweep(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, floating *p, floating *s,
                         floating *q, floating *user_bias, floating *item_bias, Py_ssize_t width,
                         const Descent *how, double rate_y, double reg_y) noexcept nogil:
    """A step for each rating of a block, from `start` to its end, then from its beginning to `start`.

    Returns the sum of squared errors, each taken before its step; -1 at a user or an item out of range.
    """
    cdef floating mean = <floating>how.mean
    cdef floating lr = <floating>how.lr, keep = <floating>(1 - how.lr * how.reg)
    cdef floating lr_bias = <floating>how.lr_bias, keep_bias = <floating>(1 - how.lr_bias * how.reg_bias)
    cdef floating lr_y = <floating>rate_y, keep_y = <floating>(1 - rate_y * reg_y)
    cdef floating error
    cdef double squares = 0
    cdef Py_ssize_t begin = start, end = n, k
    cdef int _part
    for _part in range(2):
        if not are_ratings_of(ratings + begin, min(AHEAD, end - begin), how.n_users, how.n_items):
            return -1
        for k in range(begin, end):
            if k + AHEAD < end:
                if not is_rating_of(ratings[k + AHEAD], how.n_users, how.n_items):
                    return -1
                prefetch_row(p + ratings[k + AHEAD].user * width, width)
                prefetch_row(s + ratings[k + AHEAD].user * width, width)
                prefetch_row(q + ratings[k + AHEAD].item * width, width)
            error = svdpp_step(ratings[k], p, s, q, user_bias, item_bias, width, mean, lr, keep, lr_bias,
                               keep_bias, lr_y, keep_y)
            squares += <double>error * error
        begin, end = 0, start
    return squares


cdef double sweep_block(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, floating *p, floating *s,
                        floating *q, floating *b, floating *c, Py_ssize_t width, const Descent *how,
                        double lr_y, double reg_y) noexcept nogil:
    """`sweep`, compiled for each usual width by itself: a row then stays in registers for its whole step."""
    cdef Py_ssize_t group = 64 // sizeof(p[0])
    if width == group:
        return sweep(ratings, n, start, p, s, q, b, c, group, how, lr_y, reg_y)
    if width == 2 * group:
        return sweep(ratings, n, start, p, s, q, b, c, 2 * group, how, lr_y, reg_y)
    if width == 3 * group:
        return sweep(ratings, n, start, p, s, q, b, c, 3 * group, how, lr_y, reg_y)
    if width == 4 * group:
        return sweep(ratings, n, start, p, s, q, b, c, 4 * group, how, lr_y, reg_y)
    if width == 7 * group:
        return sweep(ratings, n, start, p, s, q, b, c, 7 * group, how, lr_y, reg_y)
    if width == 8 * group:
        return sweep(ratings, n, start, p, s, q, b, c, 8 * group, how, lr_y, reg_y)
    return sweep(ratings, n, start, p, s, q, b, c, width, how, lr_y, reg_y)


cdef void work(const Layout *data, const int32_t *chunks, const int32_t *order, Py_ssize_t n_visits,
               floating *p, floating *q, floating *y, floating *user_bias, floating *item_bias, floating *s,
               floating *s_first, floating *partial, floating *kept, double *squares, int32_t *turns,
               int32_t *latest, int32_t *progress, Py_ssize_t width, const Descent *how, double lr_y,
               double reg_y, int member, int team) noexcept nogil:
    """What a member of the team does: its own parts of y, and blocks of its own item stripes in their order.

    Items stay with one member through all chunks, so that their rows stay in one cache; that is why work is
    not given to whoever is free. It makes no difference to the result.
    """
    cdef Py_ssize_t visit, part, turn, n_items = data.n_item_stripes
    cdef int32_t done = 0  # units of work, of the whole team
    cdef const int32_t *before = NULL
    cdef const int32_t *stripes = NULL
    for visit in range(n_visits + 1):
        before = stripes  # the chunk before; NULL at the first
        stripes = data.stripe_ptr + chunks[visit] * data.per_chunk if visit < n_visits else NULL
        await_count(&progress[DONE], done)  # all blocks of the chunk before
        for part in range(data.n_parts):
            if part * team // data.n_parts == member:
                work_part(data, part, before, stripes, y, s, partial, kept, progress, width)
                cf_arrive(&progress[DONE])
        done += <int32_t>data.n_parts
        if visit == n_visits:
            return
        await_count(&progress[DONE], done)  # all parts
        for turn in range(data.n_blocks):
            if (order[turn] % n_items) * team // n_items == member:
                work_block(data, chunks[visit] * data.n_blocks, order, turn, stripes, p, q, user_bias,
                           item_bias, s, s_first, partial, kept, squares, turns, latest, progress, width, how,
                           lr_y, reg_y)
                cf_arrive(&progress[DONE])
        done += <int32_t>data.n_blocks
        order += data.n_blocks
        turns += 3 * data.n_blocks
        latest += data.per_chunk + n_items


cdef inline void work_part(const Layout *data, Py_ssize_t part, const int32_t *before, const int32_t *stripes,
                           floating *y, const floating *s, floating *partial, const floating *kept,
                           int32_t *progress, Py_ssize_t width) noexcept nogil:
    """A part of y: what the chunk before hands on to it, and its sums for the users of the next chunk."""
    if cf_observe(&progress[FAILED]):
        return
    if before != NULL:
        write_back(data, part, before[0], before[data.per_chunk], s, kept, y, width)
    if stripes != NULL:
        if not sum_part(data, part, stripes[0], stripes[data.per_chunk], y, partial, width):
            cf_publish(&progress[FAILED], 1)


cdef void work_block(const Layout *data, Py_ssize_t first_block, const int32_t *order, Py_ssize_t turn,
                     const int32_t *stripes, floating *p, floating *q, floating *user_bias,
                     floating *item_bias, floating *s, floating *s_first, const floating *partial,
                     floating *kept, double *squares, int32_t *turns, const int32_t *latest,
                     int32_t *progress, Py_ssize_t width, const Descent *how, double lr_y,
                     double reg_y) noexcept nogil:
    """A block, with the sums of its users if it is their first, and their steps if it is their last."""
    cdef Py_ssize_t block = first_block + order[turn], stripe = order[turn] // data.n_item_stripes
    cdef Py_ssize_t count = data.block_ptr[block + 1] - data.block_ptr[block]
    await_turn(turns, turn)
    squares[block] = 0
    if opens_user_stripe(turns, turn):
        begin_users(data, stripes[0], stripes[stripe], stripes[stripe + 1], partial, s, s_first, width)
    if count > 0 and not cf_observe(&progress[FAILED]):
        squares[block] = sweep_block(data.ratings + data.block_ptr[block], count, data.starts[block] % count,
                                     p, s, q, user_bias, item_bias, width, how, lr_y, reg_y)
    if latest[data.n_item_stripes + stripe] == turn:
        end_users(data, stripes[stripe], stripes[stripe + 1], s, s_first, kept, width, 1 - lr_y * reg_y)
    end_turn(turns, turn)


def implicit_sums(const int64_t[::1] indptr, const int32_t[::1] members,
                  const floating[:, ::1] implicit_factors, floating[:, ::1] sums, int n_threads):
    """|N(u)|^-1/2 sum of y_j over j in N(u), for every user.

    Parameters
    ----------
    indptr, members : int64[n_users + 1], int32[n_members]
        N(u) is ``members[indptr[u]:indptr[u + 1]]``, ascending.
    implicit_factors : float32 or float64 [n_members_possible, width]
        y; rows padded with zeros to a multiple of 64 bytes.
    sums : same dtype [n_users, width], overwritten
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, or an N(u) is not ascending or out of range.

    Notes
    -----
    O(n_members x width). Summed in the precision of the factors, in the order of N(u); the same bits for any
    number of threads and any SIMD level.
    """
    cdef Py_ssize_t u, bad = 0, n_users = sums.shape[0], n_items = implicit_factors.shape[0]
    cdef Py_ssize_t width = sums.shape[1]
    if implicit_factors.shape[1] != width or not is_row_length(width, <floating>0):
        raise ValueError("implicit_sums: factor rows must be of one length, a multiple of 64 bytes")
    _check_sets("implicit_sums", indptr, members, n_users, n_items)
    if width == 0 or members.shape[0] == 0:
        sums[:, :] = 0
        return
    for u in prange(n_users, nogil=True, schedule="dynamic", chunksize=64, num_threads=team_size(n_threads)):
        bad += not implicit_sum(&members[0] + indptr[u], indptr[u + 1] - indptr[u], &implicit_factors[0, 0],
                                n_items, width, &sums[u, 0])
    if bad:
        _name_bad_set("implicit_sums", indptr, members, n_items)


def cut_sets(const int64_t[::1] indptr, const int32_t[::1] members, const int32_t[::1] parts,
             int64_t[:, ::1] cuts, int n_threads):
    """Find where in every N(u) each part of the items begins, for `train`.

    Parameters
    ----------
    indptr, members : int64[n_users + 1], int32[n_members]
        N(u) as in `implicit_sums`.
    parts : int32[n_parts + 1], ascending from 0 to the number of y
    cuts : int64[n_users, n_parts + 1], overwritten
        Place in `members` of the first of N(u) that is not below each of `parts`.
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit.

    Notes
    -----
    O(n_users x n_parts) binary searches. The result is that of one thread.
    """
    cdef Py_ssize_t u, part, n_users = cuts.shape[0], n_parts = parts.shape[0] - 1
    if n_parts < 1 or cuts.shape[1] != n_parts + 1:
        raise ValueError("cut_sets: cuts must be of shape (n_users, n_parts + 1)")
    _check_parts("cut_sets", parts, parts[n_parts])
    _check_sets("cut_sets", indptr, members, n_users, 1)
    if members.shape[0] == 0:
        cuts[:, :] = 0
        return
    for u in prange(n_users, nogil=True, schedule="dynamic", chunksize=64, num_threads=team_size(n_threads)):
        for part in range(n_parts + 1):
            cuts[u, part] = place_of(&members[0], indptr[u], indptr[u + 1], parts[part])


def train(const Rating[::1] ratings, const int64_t[::1] block_ptr, const int32_t[::1] chunks,
          const int32_t[:, ::1] order, const int64_t[::1] starts, const int32_t[::1] stripe_ptr,
          const int64_t[::1] user_counts, const int64_t[::1] indptr, const int32_t[::1] members,
          const int32_t[::1] parts, const int64_t[:, ::1] cuts, floating[:, ::1] user_factors,
          floating[:, ::1] item_factors, floating[:, ::1] implicit_factors, floating[::1] user_bias,
          floating[::1] item_bias, floating[:, ::1] sums, floating[:, ::1] first_sums,
          floating[:, :, ::1] partial_sums, floating[::1] kept, double[::1] squares,
          int32_t[:, ::1] turns, int32_t[:, ::1] latest, int n_item_stripes, double mean, double lr,
          double reg, double lr_bias, double reg_bias, double lr_implicit, double reg_implicit,
          Py_ssize_t begin, Py_ssize_t end, int n_threads):
    """Work through chunks `chunks[begin:end]` of a pass of SVD++.

    For each rating, with s_u = |N(u)|^-1/2 sum of y_j over j in N(u) and
    e = r - mu - b_u - b_i - q_i . (p_u + s_u):

        b_u += lr_bias (e - reg_bias b_u)        p_u += lr (e q_i - reg p_u)
        b_i += lr_bias (e - reg_bias b_i)        q_i += lr (e (p_u + s_u) - reg q_i)
        y_j += lr_implicit (e |N(u)|^-1/2 q_i - reg_implicit y_j)        for all j in N(u)

    Koren, "Factorization meets the neighborhood" (KDD 2008). Summed over j, the last line is
    s_u += lr_implicit (e q_i - reg_implicit s_u): the sum moves by itself, and once the user's ratings
    are done, the whole way that it went is written to the y, in O(|N(u)| + ratings) for a user rather than
    O(|N(u)| x ratings). That is the same arithmetic but for one thing: users of one chunk all start from the
    y before the chunk, and what each adds and decays is applied after it.

    Parameters
    ----------
    ratings, block_ptr : RATING[n], int64[n_chunks * blocks_per_chunk + 1]
        From `svd.lay_out`: blocks of a chunk follow each other, and no two blocks of a chunk may share a user
        unless they share the user stripe, likewise items.
    chunks : int32[n_visits]
        Numbers of the chunks in the order of the visits.
    order : int32[n_visits, blocks_per_chunk]
        Numbers of blocks within the chunk, in the order of the work. The result is that of working through
        them one after the other.
    starts : int64[n_blocks]
        Place inside each block, taken modulo its length, at which its sweep begins.
    stripe_ptr : int32[n_chunks * user stripes of a chunk + 1], ascending
        Stripe s has the users ``stripe_ptr[s]`` to ``stripe_ptr[s + 1]``, the latter not included.
    user_counts : int64[n_users]
        Ratings of each user: how often the user's y decay.
    indptr, members : int64[n_users + 1], int32[n_members]
        N(u) as in `implicit_sums`.
    parts : int32[n_parts + 1], ascending from 0 to the number of y
        y of ``parts[k]`` to ``parts[k + 1]`` are summed and written by one thread.
    cuts : int64[n_users, n_parts + 1]
        From `cut_sets`.
    user_factors, item_factors, implicit_factors : float32 or float64 [n, width], changed in place
        p, q and y, rows padded with zeros to a multiple of 64 bytes; the padding stays zero. There may be
        more y than q: items with implicit feedback only.
    user_bias, item_bias : same dtype [n_users], [n_items], changed in place
    sums, first_sums, kept : same dtype [n_users, width], [n_users, width], [n_users], scratch
    partial_sums : same dtype [users of the largest chunk, n_parts, width], scratch
    squares : float64[n_blocks], overwritten where a block is visited
        Sum of squared errors of each block, each taken before its rating's step.
    turns : int32[n_visits * blocks_per_chunk, 3], scratch
    latest : int32[n_visits, n_item_stripes + user stripes of a chunk], scratch
    n_item_stripes : int
    mean, lr, reg, lr_bias, reg_bias, lr_implicit, reg_implicit : float
    begin, end : int
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, or something is out of range. Ratings before a bad one may have been used.

    Notes
    -----
    O((ratings + members) x width). The same bits for any number of threads and any SIMD level.
    """
    cdef Py_ssize_t k, t, n_users = user_factors.shape[0], n_items = item_factors.shape[0]
    cdef Py_ssize_t n_y = implicit_factors.shape[0], width = user_factors.shape[1], n_blocks = order.shape[1]
    cdef int team = team_size(n_threads)
    cdef int32_t[N_PROGRESS] progress
    cdef Layout data
    cdef Descent how = Descent(mean=mean, low=0, high=0, lr=lr, reg=reg, lr_bias=lr_bias, reg_bias=reg_bias,
                               in_turn=False, n_users=n_users, n_items=n_items)
    if (item_factors.shape[1] != width or implicit_factors.shape[1] != width or sums.shape[1] != width
            or first_sums.shape[1] != width or not is_row_length(width, <floating>0)):
        raise ValueError("train: factor rows must be of one length, a multiple of 64 bytes")
    if (user_bias.shape[0] != n_users or item_bias.shape[0] != n_items or sums.shape[0] != n_users
            or first_sums.shape[0] != n_users or kept.shape[0] != n_users or user_counts.shape[0] != n_users):
        raise ValueError("train: arrays of users, or of items, must have the same number of rows")
    _check_grid(block_ptr, chunks, order, starts, stripe_ptr, ratings.shape[0], n_users, n_item_stripes,
                begin, end)
    if squares.shape[0] != starts.shape[0]:
        raise ValueError("train: squares and starts must have one entry a block")
    if turns.shape[0] < chunks.shape[0] * n_blocks or turns.shape[1] != 3:
        raise ValueError("train: turns must be of shape (n_visits * blocks_per_chunk, 3)")
    if (latest.shape[0] < chunks.shape[0]
            or latest.shape[1] != n_item_stripes + n_blocks // n_item_stripes):
        raise ValueError("train: latest must have an entry for each visit and stripe of a chunk")
    if ratings.shape[0] > 0 and (n_users == 0 or n_items == 0):
        raise ValueError("train: there are ratings, but no users or no items")
    _check_sets("train", indptr, members, n_users, n_y)
    _check_parts("train", parts, n_y)
    if cuts.shape[0] != n_users or cuts.shape[1] != parts.shape[0]:
        raise ValueError("train: cuts must be of shape (n_users, n_parts + 1)")
    _check_partial(partial_sums.shape[0], partial_sums.shape[1], partial_sums.shape[2], stripe_ptr,
                   n_blocks // n_item_stripes, parts.shape[0] - 1, width)
    if begin == end or n_users == 0 or n_items == 0 or ratings.shape[0] == 0:
        return
    cdef const int32_t *sets = NULL
    if members.shape[0] > 0:
        sets = &members[0]
    data = Layout(ratings=&ratings[0], block_ptr=&block_ptr[0], starts=&starts[0], stripe_ptr=&stripe_ptr[0],
                  user_counts=&user_counts[0], indptr=&indptr[0],
                  members=sets, parts=&parts[0], cuts=&cuts[0, 0], n_implicit=n_y,
                  n_parts=parts.shape[0] - 1, n_item_stripes=n_item_stripes,
                  per_chunk=n_blocks // n_item_stripes, n_blocks=n_blocks)
    cdef floating *p = &user_factors[0, 0] if width else NULL
    cdef floating *q = &item_factors[0, 0] if width else NULL
    cdef floating *y = &implicit_factors[0, 0] if width and n_y else NULL
    cdef floating *s = &sums[0, 0] if width else NULL
    cdef floating *s_first = &first_sums[0, 0] if width else NULL
    cdef floating *partial = &partial_sums[0, 0, 0] if width and partial_sums.shape[0] else NULL
    with nogil:
        progress[DONE] = progress[FAILED] = 0
        for k in range(begin, end):
            plan_turns(&order[k, 0], n_blocks, n_item_stripes, &latest[k, 0], latest.shape[1],
                       &turns[k * n_blocks, 0])
        with parallel(num_threads=team):
            work(&data, &chunks[begin], &order[begin, 0], end - begin, p, q, y, &user_bias[0], &item_bias[0],
                 s, s_first, partial, &kept[0], &squares[0], &turns[begin * n_blocks, 0], &latest[begin, 0],
                 progress, width, &how, lr_implicit, reg_implicit, threadid(), team_present())
    if progress[FAILED]:
        _name_bad_set("train", indptr, members, n_y)
        raise ValueError("train: cuts are not those of the sets")
    for k in range(begin, end):
        for t in range(chunks[k] * n_blocks, (chunks[k] + 1) * n_blocks):
            if squares[t] < 0:
                raise ValueError(f"train: a user or an item in block {t} is out of range")


def _check_grid(const int64_t[::1] block_ptr, const int32_t[::1] chunks, const int32_t[:, ::1] order,
                const int64_t[::1] starts, const int32_t[::1] stripe_ptr, Py_ssize_t n, Py_ssize_t n_users,
                int n_item_stripes, Py_ssize_t begin, Py_ssize_t end):
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


def _check_parts(str who, const int32_t[::1] parts, Py_ssize_t n_y):
    cdef Py_ssize_t k, n_parts = parts.shape[0] - 1
    if n_parts < 1 or parts[0] != 0 or parts[n_parts] != n_y:
        raise ValueError(f"{who}: parts must run from 0 to the number of implicit factors")
    for k in range(n_parts):
        if parts[k] > parts[k + 1]:
            raise ValueError(f"{who}: parts must be ascending")


def _check_partial(Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t length, const int32_t[::1] stripe_ptr,
                   Py_ssize_t per_chunk, Py_ssize_t n_parts, Py_ssize_t width):
    cdef Py_ssize_t stripe, most = 0
    for stripe in range(0, stripe_ptr.shape[0] - 1, per_chunk):
        most = max(most, stripe_ptr[stripe + per_chunk] - stripe_ptr[stripe])
    if rows < most or columns != n_parts or length != width:
        raise ValueError("train: partial_sums must be of shape (users of the largest chunk, n_parts, width)")


def _check_sets(str who, const int64_t[::1] indptr, const int32_t[::1] members, Py_ssize_t n_users,
                Py_ssize_t n_y):
    cdef Py_ssize_t u
    if members.shape[0] > 0 and n_y == 0:
        raise ValueError(f"{who}: there are sets, but no implicit factors")
    if indptr.shape[0] != n_users + 1 or indptr[0] != 0 or indptr[n_users] != members.shape[0]:
        raise ValueError(f"{who}: indptr must run from 0 to the number of members, with n_users + 1 entries")
    for u in range(n_users):
        if indptr[u] > indptr[u + 1]:
            raise ValueError(f"{who}: indptr decreases at user {u}")


def _name_bad_set(str who, const int64_t[::1] indptr, const int32_t[::1] members, Py_ssize_t n_y):
    cdef Py_ssize_t u, k
    for u in range(indptr.shape[0] - 1):
        for k in range(indptr[u], indptr[u + 1]):
            if not 0 <= members[k] < n_y or (k > indptr[u] and members[k - 1] >= members[k]):
                raise ValueError(f"{who}: the set of user {u} is not ascending or out of range")
