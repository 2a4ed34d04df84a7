# How many threads a parallel region may have, and how many it had.
#
# libgomp keeps its threads between regions, and they do not survive a fork: a child that opens a region of
# several threads after its parent did would wait for ever. A kernel in a forked process (joblib,
# multiprocessing) therefore runs on one thread; its results are the same bits, as on any number.
#
# A wrapper that opens a region:
#
#     cdef int workers = 0, team = team_size(n_threads)
#     for k in prange(n, nogil=True, num_threads=team):
#         workers |= team_present()  # the same in each iteration
#         ...
#     report_workers(workers)
#
# A reduction, because what a loop assigns to a variable may be lost where clang compiles it: of a variable
# that is private before and after the loop, it does not always keep the value of the last iteration.

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    static int cfcore_team_present(void) { return omp_get_num_threads(); }
    #else
    static int cfcore_team_present(void) { return 1; }
    #endif
    """
    int cfcore_team_present() noexcept nogil

cdef enum:
    MAX_THREADS = 1024  # OpenMP ends the process if it cannot start a thread


# `n_threads`, or 1 in a forked process. In one module for all kernels: one loaded after the fork could
# not tell.
cdef int team_limit(int n_threads) noexcept nogil


# For `workers_of_last_call`: how many threads the parallel region had that this thread opened last.
cdef void report_workers(int n) noexcept nogil


cdef inline int team_size(object n_threads) except -1:
    """Threads to request for a region; ValueError unless `n_threads` is in [1, MAX_THREADS]."""
    report_workers(0)
    if not 1 <= n_threads <= MAX_THREADS:
        raise ValueError(f"n_threads must be between 1 and {MAX_THREADS}, not {n_threads}")
    return team_limit(n_threads)


cdef inline int team_present() noexcept nogil:
    """Threads in this parallel region: OpenMP may start fewer than were requested."""
    return cfcore_team_present()
