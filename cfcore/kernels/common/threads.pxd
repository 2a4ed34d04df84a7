# How many threads a parallel region may have.
#
# libgomp keeps its threads between regions, and they do not survive a fork: a child that opens a team
# of two or more after its parent did would wait for ever. A kernel in a forked process (joblib,
# multiprocessing) therefore runs on one thread; its results are the same bits, as on any number.

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    static int cfcore_team_present(void) { return omp_get_num_threads(); }
    #else
    static int cfcore_team_present(void) { return 1; }
    #endif
    #ifdef _WIN32
    static int cfcore_team_size(int n_threads) { return n_threads; }
    #else
    #include <sys/types.h>
    #include <unistd.h>
    static pid_t cfcore_home_process;
    __attribute__((constructor)) static void cfcore_remember_process(void) {
        cfcore_home_process = getpid();
    }
    static int cfcore_team_size(int n_threads) {
        return getpid() == cfcore_home_process ? n_threads : 1;
    }
    #endif
    """
    int cfcore_team_size(int n_threads) noexcept nogil
    int cfcore_team_present() noexcept nogil


cdef enum:
    MAX_THREADS = 1024  # an OpenMP library that cannot start a thread ends the whole process


cdef inline int team_size(int n_threads) noexcept nogil:
    """1 or more: to OpenMP, 0 would be all cores."""
    return max(1, cfcore_team_size(n_threads))


cdef inline int checked_team_size(int n_threads) except -1:
    """`team_size`; raises ValueError unless `n_threads` is within [1, 1024]."""
    if not 1 <= n_threads <= MAX_THREADS:
        raise ValueError(f"n_threads must be between 1 and {MAX_THREADS}, not {n_threads}")
    return team_size(n_threads)


cdef inline int team_present() noexcept nogil:
    """Threads in this parallel region: there may be fewer than were asked for."""
    return cfcore_team_present()
