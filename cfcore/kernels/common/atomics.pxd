# Atomic operations on int32 that threads share, and waiting for other threads.
#
# A wait pauses the processor some hundred times, for what another core is about to finish, and then lets
# other threads run: with more threads than cores, the awaited thread may need this very core.

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
    #else
      static int cf_exchange_if(int32_t *at, int32_t old, int32_t wanted) {
          return __atomic_compare_exchange_n(at, &old, wanted, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
      }
      static void cf_publish(int32_t *at, int32_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
      static void cf_arrive(int32_t *at) { __atomic_fetch_add(at, 1, __ATOMIC_ACQ_REL); }
      static int32_t cf_observe(int32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
    #endif

    #if defined(_MSC_VER) && !defined(__clang__) && (defined(_M_X64) || defined(_M_IX86))
      static void cf_pause(void) { _mm_pause(); }
    #elif defined(_MSC_VER) && !defined(__clang__) && defined(_M_ARM64)
      static void cf_pause(void) { __yield(); }
    #elif defined(__x86_64__) || defined(__i386__)
      static void cf_pause(void) { __builtin_ia32_pause(); }
    #elif defined(__aarch64__)
      /* It waits longer than "yield", which most of these processors ignore. */
      static void cf_pause(void) { __asm__ __volatile__("isb"); }
    #else
      static void cf_pause(void) { }
    #endif

    #ifdef _WIN32
      __declspec(dllimport) int __stdcall SwitchToThread(void);
      static void cf_give_way(void) { SwitchToThread(); }
    #else
      #include <sched.h>
      static void cf_give_way(void) { sched_yield(); }
    #endif
    """
    # Whether `at` held `old`, and now holds `wanted`; what was done before `old` was published is visible.
    bint cf_exchange_if(int32_t *at, int32_t old, int32_t wanted) noexcept nogil
    # Write `value`, and before it all that this thread has written.
    void cf_publish(int32_t *at, int32_t value) noexcept nogil
    # Add 1; what this thread has written is visible to those who observe the sum.
    void cf_arrive(int32_t *at) noexcept nogil
    int32_t cf_observe(int32_t *at) noexcept nogil
    # The processor's pause instruction.
    void cf_pause() noexcept nogil
    # Let another thread have this core.
    void cf_give_way() noexcept nogil

cdef enum:
    PAUSES = 256  # of a wait before it gives way: 5 to 15 us


cdef inline void pause_or_give_way(int *pauses) noexcept nogil:
    """Wait a moment; `pauses`, at first 0, counts those of this wait."""
    if pauses[0] < PAUSES:
        pauses[0] += 1
        cf_pause()
    else:
        cf_give_way()


cdef inline void await_count(int32_t *at, int32_t count) noexcept nogil:
    """Return when `at` is `count` by calls of `cf_arrive`; all writes before them are visible then."""
    cdef int pauses = 0
    while cf_observe(at) < count:
        pause_or_give_way(&pauses)
