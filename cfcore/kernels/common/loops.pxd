# The tables of function pointers by which a wrapper calls the loops compiled for the SIMD level in force.

from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New


cdef inline object capsule_of(const void *table):
    """What a module of loops keeps as its attribute `table`."""
    return PyCapsule_New(<void *>table, NULL, NULL)


cdef inline const void *table_in(object capsule) except NULL:
    return PyCapsule_GetPointer(capsule, NULL)
