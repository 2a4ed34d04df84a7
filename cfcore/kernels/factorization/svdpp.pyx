"""SVD++ by stochastic gradient descent: what a user rated, not only how, says where the user's taste lies.

Users are cut into chunks, and within a chunk do not see what y learns from each other: `chunked.pxd` says how
a chunk is worked on, and here is what one rating does. The twin is `cfcore.reference.factorization.svdpp`.
"""
from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.factorization.checks cimport (
    check_outcome,
    check_parts,
    check_sets,
    check_sums,
    layout_of,
    name_bad_set,
    rows_of,
)
from cfcore.kernels.factorization.user_batches cimport Sweep, visit_chunks
from cfcore.kernels.factorization.implicit_terms cimport Layout, implicit_sum, place_of
from cfcore.kernels.common.lanes cimport dot_of_sum, is_row_length, prefetch_row, step_of_sum
from cfcore.kernels.factorization.sgd cimport Descent, Rating, are_ratings_of, bias_step, is_rating_of
from cfcore.kernels.common.threads cimport unchecked_team_size as team_size

cdef enum:
    AHEAD = 4  # ratings between asking for factor rows and using them

# What the sweep of a block needs; pointers are to the first entry of a whole array, of float or of double.
cdef struct Model:
    void *p
    void *s
    void *q
    void *user_bias
    void *item_bias
    Py_ssize_t width
    Descent how
    double lr_y, reg_y


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


cdef inline double sweep(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, const Model *model,
                         Py_ssize_t width, floating kind) noexcept nogil:
    """A step for each rating of a block, as `chunked.Sweep` has it; `kind` is of the type of the factors."""
    cdef const Descent *how = &model.how
    cdef floating *p = <floating *>model.p
    cdef floating *s = <floating *>model.s
    cdef floating *q = <floating *>model.q
    cdef floating *user_bias = <floating *>model.user_bias
    cdef floating *item_bias = <floating *>model.item_bias
    cdef floating mean = <floating>how.mean
    cdef floating lr = <floating>how.lr, keep = <floating>(1 - how.lr * how.reg)
    cdef floating lr_bias = <floating>how.lr_bias, keep_bias = <floating>(1 - how.lr_bias * how.reg_bias)
    cdef floating lr_y = <floating>model.lr_y, keep_y = <floating>(1 - model.lr_y * model.reg_y)
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


cdef inline double sweep_usual(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, const Model *model,
                               floating kind) noexcept nogil:
    """`sweep`, compiled for each usual width by itself: a row then stays in registers for its whole step."""
    cdef Py_ssize_t group = 64 // sizeof(kind)
    if model.width == group:
        return sweep(ratings, n, start, model, group, kind)
    if model.width == 2 * group:
        return sweep(ratings, n, start, model, 2 * group, kind)
    if model.width == 3 * group:
        return sweep(ratings, n, start, model, 3 * group, kind)
    if model.width == 4 * group:
        return sweep(ratings, n, start, model, 4 * group, kind)
    if model.width == 7 * group:
        return sweep(ratings, n, start, model, 7 * group, kind)
    if model.width == 8 * group:
        return sweep(ratings, n, start, model, 8 * group, kind)
    return sweep(ratings, n, start, model, model.width, kind)


cdef double sweep_f32(const Rating *ratings, Py_ssize_t n, Py_ssize_t start,
                      const void *model) noexcept nogil:
    return sweep_usual(ratings, n, start, <const Model *>model, <float>0)


cdef double sweep_f64(const Rating *ratings, Py_ssize_t n, Py_ssize_t start,
                      const void *model) noexcept nogil:
    return sweep_usual(ratings, n, start, <const Model *>model, <double>0)


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
    check_sets("implicit_sums", indptr, members, n_users, n_items)
    if width == 0 or members.shape[0] == 0:
        sums[:, :] = 0
        return
    for u in prange(n_users, nogil=True, schedule="dynamic", chunksize=64, num_threads=team_size(n_threads)):
        bad += not implicit_sum(&members[0] + indptr[u], indptr[u + 1] - indptr[u], &implicit_factors[0, 0],
                                n_items, width, &sums[u, 0])
    if bad:
        name_bad_set("implicit_sums", indptr, members, n_items)


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
    check_parts("cut_sets", parts, parts[n_parts])
    check_sets("cut_sets", indptr, members, n_users, 1)
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
    cdef Py_ssize_t n_users = user_factors.shape[0], n_items = item_factors.shape[0]
    cdef Py_ssize_t n_y = implicit_factors.shape[0], width = user_factors.shape[1]
    cdef int team = team_size(n_threads)
    cdef bint sound
    cdef Layout data
    cdef Model model
    cdef Sweep sweep_block = sweep_f32 if floating is float else sweep_f64
    if (item_factors.shape[1] != width or implicit_factors.shape[1] != width
            or not is_row_length(width, <floating>0)):
        raise ValueError("train: factor rows must be of one length, a multiple of 64 bytes")
    if user_bias.shape[0] != n_users or item_bias.shape[0] != n_items:
        raise ValueError("train: arrays of users, or of items, must have the same number of rows")
    if ratings.shape[0] > 0 and (n_users == 0 or n_items == 0):
        raise ValueError("train: there are ratings, but no users or no items")
    data = layout_of(ratings, block_ptr, chunks, order, starts, stripe_ptr, user_counts, indptr, members,
                     parts, cuts, squares, turns, latest, n_item_stripes, n_users, n_y, begin, end)
    check_sums(sums, first_sums, partial_sums, kept, stripe_ptr, order.shape[1] // n_item_stripes,
               parts.shape[0] - 1, n_users, width)
    if data.n_visits == 0:
        return
    model = Model(
        p=rows_of(user_factors), s=rows_of(sums), q=rows_of(item_factors), user_bias=&user_bias[0],
        item_bias=&item_bias[0], width=width, lr_y=lr_implicit, reg_y=reg_implicit,
        how=Descent(mean=mean, low=0, high=0, lr=lr, reg=reg, lr_bias=lr_bias, reg_bias=reg_bias,
                    in_turn=False, n_users=n_users, n_items=n_items),
    )
    cdef floating *y = rows_of(implicit_factors)
    cdef floating *s = rows_of(sums)
    cdef floating *s_first = rows_of(first_sums)
    cdef floating *partial = &partial_sums[0, 0, 0] if width and partial_sums.shape[0] else NULL
    with nogil:
        sound = visit_chunks(&data, y, s, s_first, partial, &kept[0], width, 1 - lr_implicit * reg_implicit,
                             sweep_block, &model, team)
    check_outcome(&data, sound, "a user or an item", indptr, members, n_y)
