# What `als_steps.pyx` calls of `als_steps_loops.pyx`, which is compiled once per SIMD level.

from cfcore.kernels.factorization.als_loops cimport SolveArrays

cdef enum:
    VECTORS = 10  # of `width` doubles that the scratch of a thread has

# A row improved by so many steps; False if its matrix is not positive definite.
ctypedef bint (*ImproveRow)(const SolveArrays *given, Py_ssize_t row, Py_ssize_t steps,
                            double *room) noexcept nogil

cdef struct StepLoops:
    ImproveRow improve_row
