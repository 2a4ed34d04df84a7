"""Loops of `cfcore.kernels.rbm.rbm`."""
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.rbm.batch cimport train_batches
from cfcore.kernels.rbm.batch_ratings cimport Pass
from cfcore.kernels.rbm.rbm_loops cimport RbmLoops


cdef int train(const Pass *work, int team) noexcept nogil:
    return train_batches(work, team)


cdef RbmLoops loops = RbmLoops(train_batches=train)
table = capsule_of(&loops)
