cdef extern from *:
    """
    #if defined(_MSC_VER)
      static __declspec(thread) int cfcore_workers = 0;
    #else
      static __thread int cfcore_workers = 0;
    #endif
    #ifdef _OPENMP
      #include <omp.h>
      static int cfcore_most_threads(void) {
          int most = omp_get_max_threads();
          return most < omp_get_num_procs() ? most : 0;
      }
    #else
      static int cfcore_most_threads(void) { return 0; }
    #endif
    #ifdef _WIN32
      static int cfcore_is_forked(void) { return 0; }
      static void cfcore_remember_process(void) {}
    #else
      #include <sys/types.h>
      #include <unistd.h>
      static pid_t cfcore_home_process;
      static int cfcore_is_forked(void) { return getpid() != cfcore_home_process; }
      static void cfcore_remember_process(void) { cfcore_home_process = getpid(); }
    #endif
    """
    int cfcore_workers
    int cfcore_most_threads() noexcept nogil
    bint cfcore_is_forked() noexcept nogil
    void cfcore_remember_process() noexcept nogil

cdef bint one_thread = False
cfcore_remember_process()


cdef int team_limit(int n_threads) noexcept nogil:
    return 1 if one_thread or cfcore_is_forked() else n_threads


cdef void report_workers(int n) noexcept nogil:
    global cfcore_workers
    cfcore_workers = n


def workers_of_last_call():
    """Threads of the last compiled kernel that this thread called; 0 if that opened no parallel region."""
    return cfcore_workers


def most_threads():
    """Threads that OpenMP is limited to in this thread; 0 if it may use every processor.

    By OMP_NUM_THREADS, or by ``threadpoolctl.threadpool_limits``.
    """
    return cfcore_most_threads()


def use_one_thread():
    """From now on each parallel region of this process has one thread."""
    global one_thread
    one_thread = True
