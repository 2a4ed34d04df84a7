# Blocks of work in a fixed order: any number of threads, the result of one thread.
#
# Each thread has a range of user stripes for its own, whose rows stay in its cache, and takes their blocks in
# the given order. A block waits until the last earlier one of its user stripe and the last earlier one of its
# item stripe are finished; all other blocks may be under way. There is no barrier: a thread whose next block
# is long in becoming due, because another thread lost its core, takes the earliest block that nobody has
# begun. The earliest unfinished block never waits, so all end, however many threads there turn out to be.

from libc.stdint cimport int32_t

cdef extern from *:
    """
    #include <stdint.h>
    #if defined(_MSC_VER) && !defined(__clang__)
      #include <intrin.h>
      static int cf_exchange_if(int32_t *at, int32_t old, int32_t wanted) {
          return _InterlockedCompareExchange((volatile long *)at, wanted, old) == old;
      }
      static void cf_publish(int32_t *at, int32_t value) { _InterlockedExchange((volatile long *)at, value); }
      static void cf_arrive(int32_t *at) { _InterlockedExchangeAdd((volatile long *)at, 1); }
      static int32_t cf_observe(int32_t *at) { return (int32_t)_InterlockedOr((volatile long *)at, 0); }
      static void cf_give_way(void) { }
    #else
      #include <sched.h>
      static int cf_exchange_if(int32_t *at, int32_t old, int32_t wanted) {
          return __atomic_compare_exchange_n(at, &old, wanted, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
      }
      static void cf_publish(int32_t *at, int32_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
      static void cf_arrive(int32_t *at) { __atomic_fetch_add(at, 1, __ATOMIC_ACQ_REL); }
      static int32_t cf_observe(int32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
      static void cf_give_way(void) { sched_yield(); }
    #endif
    """
    bint cf_exchange_if(int32_t *at, int32_t old, int32_t wanted) noexcept nogil
    void cf_publish(int32_t *at, int32_t value) noexcept nogil
    void cf_arrive(int32_t *at) noexcept nogil
    int32_t cf_observe(int32_t *at) noexcept nogil
    void cf_give_way() noexcept nogil


cdef enum:
    USER_BEFORE, ITEM_BEFORE, STATE  # columns of a table of turns

cdef enum:
    FREE, BEGUN, FINISHED  # states of a turn

cdef enum:
    PATIENCE = 10000  # looks at a turn that is not due, some 20 us: less than another thread's block takes


cdef inline void plan_turns(const int32_t *blocks, Py_ssize_t n, int n_item_stripes, int32_t *latest,
                            Py_ssize_t n_stripes, int32_t *turns) noexcept nogil:
    """Fill row t of `turns` with the earlier turns that turn t waits for (-1: none); all are free.

    `latest` is scratch: one entry for each item stripe, then one for each user stripe.
    """
    cdef Py_ssize_t t
    cdef int32_t item, user
    for t in range(n_stripes):
        latest[t] = -1
    for t in range(n):
        item = blocks[t] % n_item_stripes
        user = n_item_stripes + blocks[t] // n_item_stripes
        turns[3 * t + ITEM_BEFORE] = latest[item]
        turns[3 * t + USER_BEFORE] = latest[user]
        turns[3 * t + STATE] = FREE
        latest[item] = latest[user] = <int32_t>t


cdef inline bint is_due(int32_t *turns, Py_ssize_t t) noexcept nogil:
    """True if the turns that turn t waits for are finished; their results are visible here then."""
    cdef int32_t user = turns[3 * t + USER_BEFORE], item = turns[3 * t + ITEM_BEFORE]
    return ((user < 0 or cf_observe(&turns[3 * user + STATE]) == FINISHED)
            and (item < 0 or cf_observe(&turns[3 * item + STATE]) == FINISHED))


cdef inline Py_ssize_t next_free(int32_t *turns, Py_ssize_t t, Py_ssize_t n, const int32_t *blocks,
                                 Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """First turn from t on that nobody has begun and whose block is in [first, last); n if there is none."""
    while t < n and not (first <= blocks[t] < last and cf_observe(&turns[3 * t + STATE]) == FREE):
        t += 1
    return t


cdef inline Py_ssize_t begin_turn(int32_t *turns, Py_ssize_t *own, Py_ssize_t *earliest, Py_ssize_t n,
                                  const int32_t *blocks, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Begin a turn, one of the thread's own blocks [first, last) if possible, and return it when it is due.

    `own` and `earliest` say how far this thread has looked, at first 0. Returns n when all turns are begun.
    """
    cdef int tries = 0
    cdef Py_ssize_t t
    while True:
        own[0] = next_free(turns, own[0], n, blocks, first, last)
        t = own[0]
        if t < n:
            tries = 0
            while tries < PATIENCE and not is_due(turns, t):
                tries += 1
        if t == n or tries == PATIENCE:
            earliest[0] = next_free(turns, earliest[0], n, blocks, 0, 2147483647)
            t = earliest[0]
        if t == n:
            return n
        if cf_exchange_if(&turns[3 * t + STATE], FREE, BEGUN):
            while not is_due(turns, t):
                cf_give_way()
            return t


cdef inline void await_turn(int32_t *turns, Py_ssize_t t) noexcept nogil:
    """Return when turn t is due, for those who keep to turns of their own."""
    cdef int tries = 0
    while not is_due(turns, t):
        tries += 1
        if tries > PATIENCE:
            cf_give_way()


cdef inline void await_count(int32_t *at, int32_t count) noexcept nogil:
    """Return when `at` has come to `count` by `cf_arrive`, and what was done before is visible here."""
    cdef int tries = 0
    while cf_observe(at) < count:
        tries += 1
        if tries > PATIENCE:
            cf_give_way()


cdef inline bint opens_user_stripe(const int32_t *turns, Py_ssize_t t) noexcept nogil:
    """Whether turn t is the first of its user stripe."""
    return turns[3 * t + USER_BEFORE] < 0


cdef inline void end_turn(int32_t *turns, Py_ssize_t t) noexcept nogil:
    cf_publish(&turns[3 * t + STATE], FINISHED)
