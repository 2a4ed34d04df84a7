# The function of `rbm_loops.pyx`, which is compiled once per SIMD level, that `rbm.pyx` calls.

from cfcore.kernels.rbm.batch_ratings cimport Pass

# Trains on mini-batches [begin, end) of a pass, in a parallel region; how many threads it had.
ctypedef int (*TrainBatches)(const Pass *work, int team) noexcept nogil

cdef struct RbmLoops:
    TrainBatches train_batches
