# The function of `update_loops.pyx`, compiled once per SIMD level, that `rbm.pyx` gives to `rbm_loops.pyx`.
# In one module, all loops of the RBM would take half a minute to compile.

from cfcore.kernels.rbm.batch_ratings cimport UpdateUnits

cdef struct UpdateLoops:
    UpdateUnits update_units
