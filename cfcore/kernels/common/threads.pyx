"""How many threads the last parallel region had."""

cdef extern from *:
    """
    #if defined(_MSC_VER)
      static __declspec(thread) int cfcore_workers = 0;
    #else
      static __thread int cfcore_workers = 0;
    #endif
    """
    int cfcore_workers


cdef void report_workers(int n) noexcept nogil:
    global cfcore_workers
    cfcore_workers = n


def workers_of_last_call():
    """Threads of the last compiled kernel that this thread called; 0 if that opened no parallel region."""
    return cfcore_workers
