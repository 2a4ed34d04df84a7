"""Matrix factorisation by stochastic gradient descent, on a fixed grid of blocks of users x items.

Ratings are laid out once, block after block. Blocks that share no user and no item can be worked on at once;
blocks that do are worked on in the order given. So any number of threads gives the same bits.
The twin is `cfcore.reference.svd`.
"""
from cython cimport floating
from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from cfcore.kernels.lanes cimport cf_prefetch, dot, is_row_length, prefetch_row, step_in_turn, step_together
from cfcore.kernels.philox cimport below, philox
from cfcore.kernels.sgd cimport Descent, Rating, are_codes, are_ratings_of, is_rating_of, bias_step, clip
from cfcore.kernels.team cimport team_size
from cfcore.kernels.turns cimport begin_turn, end_turn, next_free, plan_turns

cdef enum:
    AHEAD = 10     # ratings between asking for factor rows and using them: they may have to come from memory
    SOON = 64      # ratings of the next block that are asked for before this one


def lay_out(const int32_t[::1] user_codes, const int32_t[::1] item_codes, const float[::1] values,
            const int32_t[::1] user_stripes, const int32_t[::1] item_stripes,
            int64_t[::1] block_ptr, Rating[::1] ratings, int n_item_stripes, uint64_t seed, int n_threads,
            Py_ssize_t begin=0, Py_ssize_t end=-1):
    """Sort ratings into blocks and shuffle each block.

    Parameters
    ----------
    user_codes, item_codes : int32[n]
    values : float32[n]
    user_stripes, item_stripes : int32[n_users], int32[n_items]
        Stripe of each user and item; block = user stripe * n_item_stripes + item stripe.
    block_ptr : int64[n_blocks + 1], overwritten
        Block b is ``ratings[block_ptr[b]:block_ptr[b + 1]]``.
    ratings : RATING[n], overwritten
        ``RATING = np.dtype([("user", "i4"), ("item", "i4"), ("value", "f4")])``.
    n_item_stripes : int
    seed : int in [0, 2^64)
    n_threads : int
    begin, end : int
        Ratings to place in this call, by default all; -1 stands for n. The first call begins at 0, each goes
        on where the one before ended, and the one that ends at n shuffles. `block_ptr` is scratch till then.

    Raises
    ------
    ValueError
        When lengths do not fit, a code or stripe is out of range, or `block_ptr` is not from the call before.

    Notes
    -----
    A counting sort, then Fisher-Yates in each block with Philox words of counter (swap / 4, block, 0, 0).
    O(n + n_blocks); the same layout for any number of threads.
    """
    cdef Py_ssize_t k, block, n = user_codes.shape[0], n_blocks = block_ptr.shape[0] - 1
    cdef int64_t total = 0, own, at
    cdef bint sound, misplaced = False
    if item_codes.shape[0] != n or values.shape[0] != n or ratings.shape[0] != n:
        raise ValueError("lay_out: user_codes, item_codes, values and ratings must be of one length")
    if n_item_stripes < 1 or n_blocks < 1 or n_blocks % n_item_stripes:
        raise ValueError("lay_out: block_ptr must have user stripes * n_item_stripes + 1 entries")
    if end == -1:
        end = n
    if not 0 <= begin <= end <= n:
        raise ValueError("lay_out: [begin, end) is not within the ratings")
    if n == 0:
        block_ptr[:] = 0
        return
    with nogil:
        sound = (are_codes(&user_codes[0], n, user_stripes.shape[0])
                 and are_codes(&item_codes[0], n, item_stripes.shape[0])
                 and are_codes(&user_stripes[0], user_stripes.shape[0], n_blocks // n_item_stripes)
                 and are_codes(&item_stripes[0], item_stripes.shape[0], n_item_stripes))
        if sound and begin == 0:
            block_ptr[:] = 0
            for k in range(n):
                block_ptr[user_stripes[user_codes[k]] * n_item_stripes + item_stripes[item_codes[k]]] += 1
            for k in range(n_blocks + 1):
                own = block_ptr[k]
                block_ptr[k] = total
                total += own
        if sound:
            for k in range(begin, end):
                block = user_stripes[user_codes[k]] * n_item_stripes + item_stripes[item_codes[k]]
                at = block_ptr[block]
                if at < 0 or at >= n:
                    misplaced = True
                    break
                block_ptr[block] = at + 1
                ratings[at] = Rating(user=user_codes[k], item=item_codes[k], value=values[k])
        if sound and not misplaced and end == n:
            for k in range(n_blocks, 0, -1):  # placing moved each start to the end of its block
                block_ptr[k] = block_ptr[k - 1]
            block_ptr[0] = 0
            for k in range(n_blocks):
                misplaced |= not block_ptr[k] <= block_ptr[k + 1] <= n
        if sound and not misplaced and end == n:
            for k in prange(n_blocks, schedule="dynamic", num_threads=team_size(n_threads)):
                shuffle(&ratings[0] + block_ptr[k], block_ptr[k + 1] - block_ptr[k], k, seed)
    if not sound:
        raise ValueError("lay_out: a user, an item or a stripe is out of range")
    if misplaced:
        raise ValueError("lay_out: block_ptr is not from the call before")


cdef void shuffle(Rating *ratings, Py_ssize_t n, Py_ssize_t block, uint64_t seed) noexcept nogil:
    """Fisher-Yates: swap t exchanges the last of the n - t ratings left with any of them."""
    cdef uint32_t words[4]
    cdef Py_ssize_t swap, last, other
    for swap in range(n - 1):
        if swap % 4 == 0:
            words[0] = <uint32_t>(swap // 4)
            words[1] = <uint32_t>block
            words[2] = 0
            words[3] = 0
            philox(words, seed)
        last = n - 1 - swap
        other = below(words[swap % 4], <uint32_t>(last + 1))
        ratings[last], ratings[other] = ratings[other], ratings[last]


cdef inline floating svd_step(
    Rating rating, floating *p, floating *q, floating *user_bias, floating *item_bias, Py_ssize_t width,
    floating mean, floating low, floating high, floating lr, floating keep, floating lr_bias,
    floating keep_bias, bint clips, bint in_turn
) noexcept nogil:
    """Move a user and an item along one rating; p, q and the biases are whole arrays. The error before."""
    cdef floating *p_u = p + rating.user * width
    cdef floating *q_i = q + rating.item * width
    cdef floating *b_u = user_bias + rating.user
    cdef floating *b_i = item_bias + rating.item
    cdef floating base = mean + b_u[0] + b_i[0], inner = dot(p_u, q_i, width), error
    if clips:
        error = <floating>rating.value - clip(base + inner, low, high)
    else:  # in this order because the dot product comes last
        error = (<floating>rating.value - base) - inner
    bias_step(b_u, keep_bias, lr_bias * error)
    bias_step(b_i, keep_bias, lr_bias * error)
    if in_turn:
        step_in_turn(p_u, q_i, width, keep, lr * error)
    else:
        step_together(p_u, q_i, width, keep, lr * error)
    return error


cdef inline double sweep(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, floating *p, floating *q,
                         floating *user_bias, floating *item_bias, Py_ssize_t width, const Descent *how,
                         bint clips, bint in_turn) noexcept nogil:
    """A step for each rating of a block, from `start` to its end, then from its beginning to `start`.

    Returns the sum of squared errors, each taken before its step; -1 at a user or an item out of range.
    """
    cdef floating mean = <floating>how.mean, low = <floating>how.low, high = <floating>how.high
    cdef floating lr = <floating>how.lr, keep = <floating>(1 - how.lr * how.reg)
    cdef floating lr_bias = <floating>how.lr_bias, keep_bias = <floating>(1 - how.lr_bias * how.reg_bias)
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
                prefetch_row(q + ratings[k + AHEAD].item * width, width)
            error = svd_step(ratings[k], p, q, user_bias, item_bias, width, mean, low, high, lr, keep,
                             lr_bias, keep_bias, clips, in_turn)
            squares += <double>error * error
        begin, end = 0, start
    return squares


cdef double sweep_block(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, floating *p, floating *q,
                        floating *b, floating *c, Py_ssize_t width, const Descent *how) noexcept nogil:
    """`sweep`, the plain one compiled for each usual width by itself: rows then stay in registers."""
    cdef Py_ssize_t group = 64 // sizeof(p[0])
    cdef bint clips = how.low > -INFINITY or how.high < INFINITY
    if clips or how.in_turn:
        return sweep(ratings, n, start, p, q, b, c, width, how, clips, how.in_turn)
    if width == group:
        return sweep(ratings, n, start, p, q, b, c, group, how, False, False)
    if width == 2 * group:
        return sweep(ratings, n, start, p, q, b, c, 2 * group, how, False, False)
    if width == 3 * group:
        return sweep(ratings, n, start, p, q, b, c, 3 * group, how, False, False)
    if width == 4 * group:
        return sweep(ratings, n, start, p, q, b, c, 4 * group, how, False, False)
    if width == 5 * group:
        return sweep(ratings, n, start, p, q, b, c, 5 * group, how, False, False)
    if width == 6 * group:
        return sweep(ratings, n, start, p, q, b, c, 6 * group, how, False, False)
    if width == 7 * group:
        return sweep(ratings, n, start, p, q, b, c, 7 * group, how, False, False)
    if width == 8 * group:
        return sweep(ratings, n, start, p, q, b, c, 8 * group, how, False, False)
    return sweep(ratings, n, start, p, q, b, c, width, how, False, False)


def train(const Rating[::1] ratings, const int64_t[::1] block_ptr, const int32_t[::1] order,
          const int64_t[::1] starts, floating[:, ::1] user_factors, floating[:, ::1] item_factors,
          floating[::1] user_bias, floating[::1] item_bias, double[::1] squares, int32_t[:, ::1] turns,
          int32_t[::1] latest, int n_item_stripes, double mean, double low, double high,
          double lr, double reg, double lr_bias, double reg_bias, bint in_turn,
          Py_ssize_t begin, Py_ssize_t end, int n_threads):
    """Work through blocks `order[begin:end]` of a pass of biased matrix factorisation.

    For each rating, with e = r - clip(mu + b_u + b_i + p_u . q_i, low, high):

        b_u += lr_bias (e - reg_bias b_u)        p_u += lr (e q_i - reg p_u)
        b_i += lr_bias (e - reg_bias b_i)        q_i += lr (e p_u - reg q_i)

    Funk (2006); Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems" (2009).

    Parameters
    ----------
    ratings, block_ptr : RATING[n], int64[n_blocks + 1]
        From `lay_out`: no two blocks may share a user unless they share the user stripe, likewise items.
    order : int32[n_turns]
        Numbers of the blocks. The result is that of working through them one after the other.
    starts : int64[n_blocks]
        Place inside each block, taken modulo its length, at which its sweep begins.
    user_factors, item_factors : float32 or float64 [n_users, width], [n_items, width], changed in place
        Rows padded with zeros to a multiple of 64 bytes; the padding stays zero. 64-byte aligned is faster.
    user_bias, item_bias : same dtype [n_users], [n_items], changed in place
    squares : float64[n_blocks], overwritten where a block is visited
        Sum of squared errors of each block, each taken before its rating's step.
    turns, latest : int32[n_turns, 3], int32[n_user_stripes + n_item_stripes], scratch
    n_item_stripes : int
    mean, low, high, lr, reg, lr_bias, reg_bias : float
        For a model without biases mean = 0 and lr_bias = 0; without clipping low = -inf and high = inf.
    in_turn : bool
        q_i moves first, and p_u moves with the new q_i; otherwise both move from the old values.
    begin, end : int
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, or a block, user or item is out of range. Ratings before a bad one may have
        been used.

    Notes
    -----
    O(ratings x width). The same bits for any number of threads and any SIMD level: blocks that share neither
    users nor items run at once, the others in their order.
    """
    cdef Py_ssize_t k, block, bad = -1, n = ratings.shape[0], n_blocks = block_ptr.shape[0] - 1
    cdef Py_ssize_t n_users = user_factors.shape[0], n_items = item_factors.shape[0]
    cdef Py_ssize_t width = user_factors.shape[1]
    cdef int worker, team = team_size(n_threads)
    cdef Descent how = Descent(mean=mean, low=low, high=high, lr=lr, reg=reg, lr_bias=lr_bias,
                               reg_bias=reg_bias, in_turn=in_turn, n_users=n_users, n_items=n_items)
    if n_blocks < 0 or starts.shape[0] != n_blocks or squares.shape[0] != n_blocks:
        raise ValueError("train: starts and squares must have one entry a block")
    if item_factors.shape[1] != width or not is_row_length(width, <floating>0):
        raise ValueError("train: factor rows must be of one length, a multiple of 64 bytes")
    if user_bias.shape[0] != n_users or item_bias.shape[0] != n_items:
        raise ValueError("train: biases and factors must have the same number of rows")
    if not 0 <= begin <= end <= order.shape[0]:
        raise ValueError("train: [begin, end) is not within order")
    if turns.shape[0] < order.shape[0] or turns.shape[1] != 3:
        raise ValueError("train: turns must be of shape (n_turns, 3)")
    if n_item_stripes < 1 or (latest.shape[0] - n_item_stripes) * n_item_stripes < n_blocks:
        raise ValueError("train: latest must have an entry for each user stripe and each item stripe")
    for k in range(begin, end):
        block = order[k]
        if not (0 <= block < n_blocks and 0 <= block_ptr[block] <= block_ptr[block + 1] <= n):
            raise ValueError(f"train: block {block} is out of range")
        if starts[block] < 0:
            raise ValueError(f"train: start {starts[block]} of block {block} is negative")
        if block_ptr[block] < block_ptr[block + 1] and (n_users == 0 or n_items == 0):
            raise ValueError("train: there are ratings, but no users or no items")
    if begin == end or n_users == 0 or n_items == 0:
        return
    cdef floating *p = &user_factors[0, 0] if width else NULL
    cdef floating *q = &item_factors[0, 0] if width else NULL
    with nogil:
        plan_turns(&order[begin], end - begin, n_item_stripes, &latest[0], latest.shape[0], &turns[begin, 0])
        for worker in prange(team, schedule="static", chunksize=1, num_threads=team):
            work(&ratings[0], &block_ptr[0], &order[begin], &starts[0], p, q, &user_bias[0], &item_bias[0],
                 &squares[0], &turns[begin, 0], end - begin, n_item_stripes,
                 latest.shape[0] - n_item_stripes, width, worker, team, &how)
        for k in range(begin, end):
            if squares[order[k]] < 0:
                bad = order[k]
    if bad >= 0:
        raise ValueError(f"train: a user or an item in block {bad} is out of range")


cdef void work(const Rating *ratings, const int64_t *block_ptr, const int32_t *order, const int64_t *starts,
               floating *p, floating *q, floating *user_bias, floating *item_bias, double *squares,
               int32_t *turns, Py_ssize_t n_turns, int n_item_stripes, Py_ssize_t n_user_stripes,
               Py_ssize_t width, int worker, int n_workers, const Descent *how) noexcept nogil:
    """What each thread does: begin a turn, its own user stripes' before others, and sweep its block."""
    # Numbers of blocks are in the order of their user stripes.
    cdef Py_ssize_t first = n_user_stripes * worker // n_workers * n_item_stripes
    cdef Py_ssize_t last = n_user_stripes * (worker + 1) // n_workers * n_item_stripes
    cdef Py_ssize_t own = 0, earliest = 0, turn = 0, following
    if n_workers == 1:  # nobody to agree with
        for turn in range(n_turns):
            ask_for(ratings, block_ptr, starts, order[turn + 1] if turn + 1 < n_turns else -1)
            squares[order[turn]] = sweep_of(ratings, block_ptr, starts, order[turn], p, q, user_bias,
                                            item_bias, width, how)
        return
    turn = begin_turn(turns, &own, &earliest, n_turns, order, first, last)
    while turn < n_turns:
        following = next_free(turns, own, n_turns, order, first, last)
        ask_for(ratings, block_ptr, starts, order[following] if following < n_turns else -1)
        squares[order[turn]] = sweep_of(ratings, block_ptr, starts, order[turn], p, q, user_bias, item_bias,
                                        width, how)
        end_turn(turns, turn)
        turn = begin_turn(turns, &own, &earliest, n_turns, order, first, last)


cdef inline void ask_for(const Rating *ratings, const int64_t *block_ptr, const int64_t *starts,
                         Py_ssize_t block) noexcept nogil:
    """Prefetch where the sweep of a block (-1: none) begins; the hardware does not foresee that."""
    cdef Py_ssize_t count
    if block >= 0:
        count = block_ptr[block + 1] - block_ptr[block]
        if count > 0:
            cf_prefetch(ratings + block_ptr[block] + starts[block] % count, SOON * sizeof(Rating))


cdef inline double sweep_of(const Rating *ratings, const int64_t *block_ptr, const int64_t *starts,
                            Py_ssize_t block, floating *p, floating *q, floating *user_bias,
                            floating *item_bias, Py_ssize_t width, const Descent *how) noexcept nogil:
    """`sweep_block` for the block of a number."""
    cdef Py_ssize_t count = block_ptr[block + 1] - block_ptr[block]
    if count == 0:
        return 0
    return sweep_block(ratings + block_ptr[block], count, starts[block] % count, p, q, user_bias, item_bias,
                       width, how)


def predict(const int32_t[::1] users, const int32_t[::1] items,
            const floating[:, ::1] user_factors, const floating[:, ::1] item_factors,
            const floating[::1] user_bias, const floating[::1] item_bias, double[::1] out,
            double mean, int n_threads):
    """mu + b_u + b_i + p_u . q_i for pairs of codes; the terms of an unknown user or item (-1) are left out.

    Parameters
    ----------
    users, items : int32[n], each a code or -1
    user_factors, item_factors : float32 or float64 [n_users, width], [n_items, width]
        As in `train`.
    user_bias, item_bias : same dtype [n_users], [n_items]
    out : float64[n], overwritten
    mean : float
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, or a code is below -1 or too large.

    Notes
    -----
    O(n x width). The terms are summed in double. The same bits for any number of threads and any SIMD level.
    """
    cdef Py_ssize_t k, n = users.shape[0]
    cdef Py_ssize_t n_users = user_factors.shape[0], n_items = item_factors.shape[0]
    cdef Py_ssize_t width = user_factors.shape[1]
    if items.shape[0] != n or out.shape[0] != n:
        raise ValueError("predict: users, items and out must be of one length")
    if item_factors.shape[1] != width or not is_row_length(width, <floating>0):
        raise ValueError("predict: factor rows must be of one length, a multiple of 64 bytes")
    if user_bias.shape[0] != n_users or item_bias.shape[0] != n_items:
        raise ValueError("predict: biases and factors must have the same number of rows")
    for k in range(n):
        if not (-1 <= users[k] < n_users and -1 <= items[k] < n_items):
            raise ValueError(f"predict: pair {k} ({users[k]}, {items[k]}) is out of range")
    with nogil:
        for k in prange(n, schedule="static", num_threads=team_size(n_threads)):
            out[k] = mean
            if users[k] >= 0:
                out[k] += user_bias[users[k]]
            if items[k] >= 0:
                out[k] += item_bias[items[k]]
            if width > 0 and users[k] >= 0 and items[k] >= 0:
                out[k] += dot(&user_factors[users[k], 0], &item_factors[items[k], 0], width)
