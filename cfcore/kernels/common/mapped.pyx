"""Arrays in files without a name, and a limit on the memory that they take."""

from cpython.buffer cimport PyBuffer_FillInfo
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, strcpy

cimport numpy as cnp

cnp.import_array()

cdef extern from "common/mapped.h":
    const bint CFCORE_HAS_MAPPED
    ctypedef struct cfcore_place:
        size_t threshold
        char folder[]
    void *cfcore_map_file(int, size_t) nogil
    void cfcore_unmap(void *) nogil
    int cfcore_set_limit(size_t)
    size_t cfcore_resident() nogil
    size_t cfcore_mapped_bytes()
    int cfcore_last_errno()
    void *cfcore_data_malloc(void *, size_t)
    void *cfcore_data_calloc(void *, size_t, size_t)
    void *cfcore_data_realloc(void *, void *, size_t)
    void cfcore_data_free(void *, void *, size_t)

cdef extern from "numpy/arrayobject.h":
    ctypedef struct PyDataMemAllocator:
        void *ctx
        void *(*malloc)(void *, size_t)
        void *(*calloc)(void *, size_t, size_t)
        void *(*realloc)(void *, void *, size_t)
        void (*free)(void *, void *, size_t)
    ctypedef struct PyDataMem_Handler:
        char name[127]
        unsigned char version
        PyDataMemAllocator allocator
    object PyDataMem_SetHandler(object)


cdef class Mapping:
    """A file that is mapped for reading: a buffer, which arrays are made of."""

    cdef void *base
    cdef size_t size

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.base, <Py_ssize_t>self.size, 1, flags)

    def __dealloc__(self):
        cfcore_unmap(self.base)


def map_file(descriptor, size):
    """Map an open file for reading; its pages count among those that the limit removes.

    Parameters
    ----------
    descriptor : int
        May be closed afterwards.
    size : int
        Bytes, at least 1.

    Returns
    -------
    Mapping
        Supports the buffer protocol.

    Raises
    ------
    OSError
        The file cannot be mapped, or the system has no such function.
    """
    cdef Mapping found = Mapping.__new__(Mapping)
    found.size = size
    found.base = cfcore_map_file(descriptor, found.size)
    if found.base == NULL:
        raise OSError(cfcore_last_errno(), "the file cannot be mapped")
    return found


def is_supported():
    """Whether the system can map files in this way: all but Windows."""
    return CFCORE_HAS_MAPPED


def resident():
    """Bytes of this process that are in memory; 0 where the system does not tell."""
    return cfcore_resident()


def mapped_bytes():
    """Bytes of all mappings of this module, in memory or not."""
    return cfcore_mapped_bytes()


def last_errno():
    """Number of the error of the last mapping that failed since the limit was set; 0 for none."""
    return cfcore_last_errno()


def set_limit(limit):
    """Keep the resident size of the process near or below `limit` bytes, by removing pages of mappings.

    The limit holds until another one is set, for as long as there are mappings; 0 for none.
    """
    cfcore_set_limit(limit)


cdef void release(object capsule) noexcept:
    cdef PyDataMem_Handler *handler = <PyDataMem_Handler *>PyCapsule_GetPointer(capsule, "mem_handler")
    free(handler.allocator.ctx)
    free(handler)


def allocator(folder, threshold):
    """An allocator of NumPy, for `exchange`: arrays of at least `threshold` bytes are in files of `folder`.

    Parameters
    ----------
    folder : bytes
        Path, as of ``os.fsencode``.
    threshold : int

    Raises
    ------
    MemoryError
    """
    cdef bytes path = folder
    cdef cfcore_place *place = <cfcore_place *>malloc(sizeof(cfcore_place) + len(path) + 1)
    cdef PyDataMem_Handler *handler = <PyDataMem_Handler *>malloc(sizeof(PyDataMem_Handler))
    if place == NULL or handler == NULL:
        free(place)
        free(handler)
        raise MemoryError()
    place.threshold = threshold
    memcpy(place.folder, <const char *>path, len(path) + 1)
    strcpy(handler.name, "cfcore_mapped")
    handler.version = 1
    handler.allocator.ctx = place
    handler.allocator.malloc = cfcore_data_malloc
    handler.allocator.calloc = cfcore_data_calloc
    handler.allocator.realloc = cfcore_data_realloc
    handler.allocator.free = cfcore_data_free
    return PyCapsule_New(handler, "mem_handler", release)


def exchange(handler):
    """Make an allocator that of new arrays in this context (as of ``contextvars``); the one before."""
    return PyDataMem_SetHandler(handler)
