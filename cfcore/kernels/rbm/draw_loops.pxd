# The function of `draw_loops.pyx`, compiled once per SIMD level, that `rbm.pyx` gives to `rbm_loops.pyx`.

from cfcore.kernels.rbm.batch_ratings cimport DrawRatings

cdef struct DrawLoops:
    DrawRatings draw_ratings
