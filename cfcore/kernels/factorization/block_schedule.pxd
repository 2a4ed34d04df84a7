# Visits to blocks in a fixed order: any number of threads, the result of one thread.
#
# Visit t is due when the last earlier visit to its user stripe and the last earlier visit to its item stripe
# are finished; all visits that are due may be under way at once. There is no barrier. A thread takes the
# blocks of a range of user stripes, whose rows stay in its cache, in the given order; if the next of them is
# not due for long, because another thread was preempted, it takes the earliest visit that is due. Only visits
# that are due are begun, and the earliest unfinished visit always is: so all are finished, however many
# threads run.

from libc.stdint cimport int32_t

from cfcore.kernels.common.atomics cimport (
    cf_exchange_if,
    cf_give_way,
    cf_observe,
    cf_pause,
    cf_publish,
)

cdef enum:
    USER_BEFORE, ITEM_BEFORE, STATE  # columns of a schedule

cdef enum:
    FREE, BEGUN, FINISHED  # states of a visit

cdef enum:
    PATIENCE = 512  # pauses before a visit that is not due: less time than another thread's block takes
    REGAINED = 16   # pauses more that a thread may make after a visit that was due at once
    WINDOW = 256    # free visits among which one that is due is looked for

# What a thread does of a schedule.
cdef struct Share:
    int32_t *schedule       # of `plan_visits`
    const int32_t *order    # block of each visit
    Py_ssize_t n            # visits
    Py_ssize_t first, last  # the thread's own blocks, those of a range of user stripes
    Py_ssize_t own          # all earlier visits to own blocks are begun
    Py_ssize_t earliest     # all earlier visits are begun
    int patience            # pauses before the next visit to an own block, if it is not due


cdef inline void plan_visits(const int32_t *order, Py_ssize_t n, int n_item_stripes, int32_t *latest,
                             Py_ssize_t n_stripes, int32_t *schedule) noexcept nogil:
    """Fill row t of `schedule` with the earlier visits that visit t waits for (-1: none); all are free.

    `latest` is scratch: one entry for each item stripe, then one for each user stripe.
    """
    cdef Py_ssize_t t
    cdef int32_t item, user
    for t in range(n_stripes):
        latest[t] = -1
    for t in range(n):
        item = order[t] % n_item_stripes
        user = n_item_stripes + order[t] // n_item_stripes
        schedule[3 * t + ITEM_BEFORE] = latest[item]
        schedule[3 * t + USER_BEFORE] = latest[user]
        schedule[3 * t + STATE] = FREE
        latest[item] = latest[user] = <int32_t>t


cdef inline Share share_of(int32_t *schedule, const int32_t *order, Py_ssize_t n, Py_ssize_t first,
                           Py_ssize_t last) noexcept nogil:
    """The share of a thread whose own blocks are [first, last)."""
    return Share(schedule=schedule, order=order, n=n, first=first, last=last, own=0, earliest=0,
                 patience=PATIENCE)


cdef inline bint is_free(int32_t *schedule, Py_ssize_t t) noexcept nogil:
    return cf_observe(&schedule[3 * t + STATE]) == FREE


cdef inline bint is_due(int32_t *schedule, Py_ssize_t t) noexcept nogil:
    """True if the visits that visit t waits for are finished; their results are visible here then."""
    cdef int32_t user = schedule[3 * t + USER_BEFORE], item = schedule[3 * t + ITEM_BEFORE]
    return ((user < 0 or cf_observe(&schedule[3 * user + STATE]) == FINISHED)
            and (item < 0 or cf_observe(&schedule[3 * item + STATE]) == FINISHED))


cdef inline Py_ssize_t next_own(const Share *mine) noexcept nogil:
    """The first free visit to an own block; n if there is none."""
    cdef Py_ssize_t t = mine.own
    while t < mine.n and not (mine.first <= mine.order[t] < mine.last and is_free(mine.schedule, t)):
        t += 1
    return t


cdef inline Py_ssize_t first_due(Share *mine) noexcept nogil:
    """The first free visit that is due, of the next few; n if there is none.

    `mine.earliest` is n afterwards if no visit is free.
    """
    cdef Py_ssize_t t
    while mine.earliest < mine.n and not is_free(mine.schedule, mine.earliest):
        mine.earliest += 1
    for t in range(mine.earliest, min(mine.earliest + WINDOW, mine.n)):
        if is_free(mine.schedule, t) and is_due(mine.schedule, t):
            return t
    return mine.n


cdef inline Py_ssize_t begin_visit(Share *mine) noexcept nogil:
    """Begin a visit that is due, to an own block if possible, and return it; n when all visits are begun."""
    cdef int pauses = 0
    cdef Py_ssize_t t
    while True:
        mine.own = next_own(mine)
        t = mine.own
        while t < mine.n and pauses < mine.patience and not is_due(mine.schedule, t):
            pauses += 1
            cf_pause()
        if t < mine.n and is_due(mine.schedule, t):
            mine.patience = PATIENCE if pauses else min(PATIENCE, mine.patience + REGAINED)
        else:
            mine.patience = pauses // 2  # the thread awaited may not be running: wait less the next time
            t = first_due(mine)
            if mine.earliest == mine.n:
                return mine.n
        if t == mine.n:
            cf_give_way()
        elif cf_exchange_if(&mine.schedule[3 * t + STATE], FREE, BEGUN):
            return t


cdef inline bint opens_user_stripe(const int32_t *schedule, Py_ssize_t t) noexcept nogil:
    """Whether visit t is the first of its user stripe."""
    return schedule[3 * t + USER_BEFORE] < 0


cdef inline void end_visit(int32_t *schedule, Py_ssize_t t) noexcept nogil:
    cf_publish(&schedule[3 * t + STATE], FINISHED)
