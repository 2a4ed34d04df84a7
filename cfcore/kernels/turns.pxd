# Blocks of work in a fixed order: any number of threads, the result of one thread.
#
# Threads take blocks in the given order, and a block waits until the last earlier one of its user stripe
# and the last earlier one of its item stripe are finished; all other blocks may be under way. There is no
# barrier at which a thread that lost its core would stop the others. The earliest unfinished block never
# waits, so all end.

from libc.stdint cimport int32_t

cdef extern from *:
    """
    #include <stdint.h>
    #if defined(_MSC_VER) && !defined(__clang__)
      #include <intrin.h>
      static int32_t cf_fetch_add(int32_t *at) {
          return (int32_t)_InterlockedExchangeAdd((volatile long *)at, 1);
      }
      static void cf_publish(int32_t *at) { _InterlockedExchange((volatile long *)at, 1); }
      static void cf_arrive(int32_t *at) { _InterlockedExchangeAdd((volatile long *)at, 1); }
      static int32_t cf_observe(int32_t *at) { return (int32_t)_InterlockedOr((volatile long *)at, 0); }
      static void cf_give_way(void) { }
    #else
      #include <sched.h>
      static int32_t cf_fetch_add(int32_t *at) { return __atomic_fetch_add(at, 1, __ATOMIC_RELAXED); }
      static void cf_publish(int32_t *at) { __atomic_store_n(at, 1, __ATOMIC_RELEASE); }
      static void cf_arrive(int32_t *at) { __atomic_fetch_add(at, 1, __ATOMIC_ACQ_REL); }
      static int32_t cf_observe(int32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
      static void cf_give_way(void) { sched_yield(); }
    #endif
    static void cf_wait_for(int32_t *at, int32_t count) {
        int tries;
        for (tries = 0; cf_observe(at) < count; ++tries)
            if (tries > 1000) cf_give_way();
    }
    """
    int32_t cf_fetch_add(int32_t *at) noexcept nogil
    void cf_publish(int32_t *at) noexcept nogil
    void cf_arrive(int32_t *at) noexcept nogil
    int32_t cf_observe(int32_t *at) noexcept nogil
    void cf_wait_for(int32_t *at, int32_t count) noexcept nogil


cdef enum:
    USER_BEFORE, ITEM_BEFORE, FINISHED  # columns of a table of turns


cdef inline void plan_turns(const int32_t *blocks, Py_ssize_t n, int n_item_stripes, int32_t *latest,
                            Py_ssize_t n_stripes, int32_t *turns) noexcept nogil:
    """Fill row t of `turns` with the earlier turns that turn t waits for (-1: none); none is finished.

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
        turns[3 * t + FINISHED] = 0
        latest[item] = latest[user] = <int32_t>t


cdef inline void await_turn(int32_t *turns, Py_ssize_t t) noexcept nogil:
    """Return when the turns that turn t waits for are finished, and their results visible here."""
    if turns[3 * t + USER_BEFORE] >= 0:
        cf_wait_for(&turns[3 * turns[3 * t + USER_BEFORE] + FINISHED], 1)
    if turns[3 * t + ITEM_BEFORE] >= 0:
        cf_wait_for(&turns[3 * turns[3 * t + ITEM_BEFORE] + FINISHED], 1)


cdef inline bint opens_user_stripe(const int32_t *turns, Py_ssize_t t) noexcept nogil:
    """Whether turn t is the first of its user stripe."""
    return turns[3 * t + USER_BEFORE] < 0


cdef inline void end_turn(int32_t *turns, Py_ssize_t t) noexcept nogil:
    cf_publish(&turns[3 * t + FINISHED])
