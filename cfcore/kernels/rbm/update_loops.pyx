"""Loops of `cfcore.kernels.rbm.rbm`: updates at the end of a mini-batch."""
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.rbm.batch_ratings cimport Pass
from cfcore.kernels.rbm.update_loops cimport UpdateLoops
from cfcore.kernels.rbm.updates cimport update_units


cdef void update_usual(const void *given, Py_ssize_t task, Py_ssize_t n_cases, int worker) noexcept nogil:
    """`update_units`, compiled for 30, 100 and 300 hidden units (padded) separately: rows are unrolled."""
    cdef const Pass *work = <const Pass *>given
    if work.p.width == 32:
        update_units(work, 32, task, n_cases, worker)
    elif work.p.width == 112:
        update_units(work, 112, task, n_cases, worker)
    elif work.p.width == 304:
        update_units(work, 304, task, n_cases, worker)
    else:
        update_units(work, work.p.width, task, n_cases, worker)


cdef UpdateLoops loops = UpdateLoops(update_units=update_usual)
table = capsule_of(&loops)
