"""Loops of `cfcore.kernels.rbm.rbm`: ratings of the reconstructions."""
from libc.stdint cimport int32_t

from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.rbm.batch_ratings cimport Pass
from cfcore.kernels.rbm.draw_loops cimport DrawLoops
from cfcore.kernels.rbm.drawing cimport draw_ratings


cdef double draw_usual(const void *given, Py_ssize_t part, const int32_t *cases, Py_ssize_t n_cases,
                       Py_ssize_t step) noexcept nogil:
    """`draw_ratings`, compiled for 30, 100 and 300 hidden units (padded) separately: rows are unrolled."""
    cdef const Pass *work = <const Pass *>given
    if work.p.width == 32:
        return draw_ratings(work, 32, part, cases, n_cases, step)
    if work.p.width == 112:
        return draw_ratings(work, 112, part, cases, n_cases, step)
    if work.p.width == 304:
        return draw_ratings(work, 304, part, cases, n_cases, step)
    return draw_ratings(work, work.p.width, part, cases, n_cases, step)


cdef DrawLoops loops = DrawLoops(draw_ratings=draw_usual)
table = capsule_of(&loops)
