# What `timesvdpp.pyx` shares with `svdpp.pyx`.

from cfcore.kernels.factorization.implicit_terms cimport TermLoops


cdef TermLoops term_loops(bint single) noexcept
