"""From rows of a test set to inner ids, and from estimates to Predictions."""
cimport numpy as cnp
from cpython.dict cimport PyDict_Copy, PyDict_GetItemWithError
from cpython.exc cimport PyErr_Occurred
from cpython.float cimport PyFloat_FromDouble
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, uint8_t

import numpy as np

cnp.import_array()

cdef extern from "Python.h":
    ctypedef struct PyTypeObject
    void PyObject_GC_UnTrack(void *one)

# All of it is in the limited API too, of which tuples and types are opaque; elsewhere the macros are faster.

cdef extern from *:
    """
    #include <numpy/arrayscalars.h>
    #ifdef Py_LIMITED_API
      #define CFCORE_ALLOC(kind) ((allocfunc)PyType_GetSlot((PyTypeObject *)(kind), Py_tp_alloc))
      #define CFCORE_IS_GC(one) (PyType_GetFlags(Py_TYPE(one)) & Py_TPFLAGS_HAVE_GC)
    #else
      #define CFCORE_IS_GC(one) PyType_IS_GC(Py_TYPE(one))
      #define CFCORE_ALLOC(kind) (((PyTypeObject *)(kind))->tp_alloc)
    #endif
    static PyObject *cfcore_new_float64(allocfunc alloc, double value)
    {
        PyObject *made = alloc(&PyDoubleArrType_Type, 0);
        if (made) ((PyDoubleScalarObject *)made)->obval = value;
        return made;
    }
    /* Whether the collector need not know of what holds these: ids and numbers are in no cycle. Of millions
       of rows, and of the list of them, each collection would visit all again. */
    static int cfcore_plain(PyObject *first, PyObject *second, PyObject *third)
    {
        return !CFCORE_IS_GC(first) && !CFCORE_IS_GC(second) && !CFCORE_IS_GC(third);
    }
    /* A tuple of a subclass without attributes: the first three of a row, and two more. *all_plain becomes 0
       if the collector knows of it. */
    static PyObject *cfcore_new_row(PyObject *kind, PyObject *row, PyObject *est, PyObject *details,
                                    int *all_plain)
    {
    #ifdef Py_LIMITED_API
        PyObject *uid = PyTuple_GetItem(row, 0), *iid = PyTuple_GetItem(row, 1);
        PyObject *r_ui = PyTuple_GetItem(row, 2);
        PyObject *parts = PyTuple_Pack(5, uid, iid, r_ui, est, details), *args, *made;
        args = parts ? PyTuple_Pack(1, parts) : NULL;
        Py_XDECREF(parts);
        if (!args) return NULL;
        made = ((newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new))((PyTypeObject *)kind, args, NULL);
        Py_DECREF(args);
        if (!made) return NULL;
        if (cfcore_plain(uid, iid, r_ui))
            PyObject_GC_UnTrack(made);
        else
            *all_plain = 0;
        return made;
    #else
        PyObject *held[5] = {PyTuple_GET_ITEM(row, 0), PyTuple_GET_ITEM(row, 1), PyTuple_GET_ITEM(row, 2),
                             est, details};
        PyTupleObject *made = PyObject_GC_NewVar(PyTupleObject, (PyTypeObject *)kind, 5);
        if (!made) return NULL;
      #if PY_VERSION_HEX >= 0x030E0000
        made->ob_hash = -1; /* not computed yet */
      #endif
        for (Py_ssize_t k = 0; k < 5; k++) {
            Py_INCREF(held[k]);
            PyTuple_SET_ITEM((PyObject *)made, k, held[k]);
        }
        if (!cfcore_plain(held[0], held[1], held[2])) {
            PyObject_GC_Track(made);
            *all_plain = 0;
        }
        return (PyObject *)made;
    #endif
    }
    """
    ctypedef void *allocfunc
    allocfunc alloc_of_float64 "CFCORE_ALLOC"(PyTypeObject *kind)
    object new_float64 "cfcore_new_float64"(allocfunc alloc, double value)
    object new_row "cfcore_new_row"(object kind, object row, object est, object details, int *all_plain)
    bint is_plain "cfcore_plain"(object first, object second, object third)
    PyTypeObject *float64_type "&PyDoubleArrType_Type"


def encode(rows, dict users, dict items):
    """Inner ids of the rows of a test set.

    Parameters
    ----------
    rows : list or tuple of (uid, iid, r_ui)
    users, items : dict
        Inner ids by raw ids.

    Returns
    -------
    rows : list of tuple
        The rows, each as a tuple of three.
    u, i : int32[n]
        -1 for unknown ids.
    """
    cdef Py_ssize_t n = len(rows), k
    u, i = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    cdef int32_t[::1] codes_u = u, codes_i = i
    cdef list tuples = rows if type(rows) is list else list(rows)
    cdef tuple row
    cdef PyObject *last = NULL
    cdef int32_t last_code = -1
    for k in range(n):
        one = tuples[k]
        if type(one) is not tuple or len(<tuple>one) != 3:
            if tuples is rows:
                tuples = list(rows)
            one = as_tuple(one)
            tuples[k] = one
        row = <tuple>one
        if <PyObject *>row[0] != last:
            last_code = code_of(users, row[0])
            last = <PyObject *>row[0]
        codes_u[k] = last_code
        codes_i[k] = code_of(items, row[1])
    return tuples, u, i


cdef tuple as_tuple(one):
    """A row of another type as a tuple of three."""
    found = tuple(one)
    if len(found) > 3:
        raise ValueError("too many values to unpack (expected 3: uid, iid, r_ui)")
    if len(found) < 3:
        raise ValueError(f"not enough values to unpack (expected 3: uid, iid, r_ui, got {len(found)})")
    return found


cdef int32_t code_of(dict codes, raw) except? -2:
    """Inner id of a raw id, or -1."""
    cdef PyObject *found = PyDict_GetItemWithError(codes, raw)
    if found == NULL:
        if PyErr_Occurred() != NULL:
            raise  # an id that cannot be hashed
        return -1
    return <int32_t><object>found


def predictions(kind, list rows, estimates, tuple scale, default, default_value):
    """A Prediction for each row.

    Parameters
    ----------
    kind : type
        `Prediction`.
    rows : list of (uid, iid, r_ui)
    estimates : Estimates
        Of these rows.
    scale : (float, float)
        Estimates are clipped to it; those that are have the number of the scale.
    default : callable or None
        Called for the value of each row without estimate; None: it is `default_value`.
    default_value : float or None
    """
    cdef const double[::1] values = estimates.values
    cdef bint some_impossible = estimates.reasons is not None, counted = estimates.actual_k is not None
    python_floats = np.broadcast_to(estimates.python_float, len(estimates.values)).astype(np.uint8)
    cdef const uint8_t[::1] python_float = python_floats
    cdef const uint8_t[::1] reasons = estimates.reasons if some_impossible else np.zeros(0, dtype=np.uint8)
    cdef const int32_t[::1] counts = estimates.actual_k if counted else np.zeros(0, dtype=np.int32)
    cdef Py_ssize_t n = values.shape[0], k
    cdef double lowest = scale[0], highest = scale[1], value
    cdef dict plain = {"was_impossible": False}, details
    cdef list with_count = []
    cdef list impossible = [{"was_impossible": True, "reason": message} for message in estimates.messages]
    cdef int all_plain = 1
    cdef allocfunc alloc_float64 = alloc_of_float64(float64_type)
    least, most = scale
    if len(rows) != n or (counted and counts.shape[0] != n) or (some_impossible and reasons.shape[0] != n):
        raise ValueError("one estimate is needed for each row")
    found = [None] * n
    for k in range(n):
        if some_impossible and reasons[k]:
            details = PyDict_Copy(impossible[reasons[k] - 1])
            est = default_value if default is None else default()
            est = max(least, min(most, est))
        else:
            if counted and counts[k] >= 0:
                if counts[k] >= len(with_count):
                    with_count += [None] * (counts[k] + 1 - len(with_count))
                if with_count[counts[k]] is None:
                    with_count[counts[k]] = {"actual_k": counts[k], "was_impossible": False}
                details = PyDict_Copy(with_count[counts[k]])
            else:
                details = PyDict_Copy(plain)
            value = values[k]
            # As max(least, min(most, value)), NaN included.
            if not (value < highest):
                est = most if highest > lowest else least
            elif not (value > lowest):
                est = least
            elif python_float[k]:
                est = PyFloat_FromDouble(value)
            else:
                est = new_float64(alloc_float64, value)
        found[k] = new_row(kind, rows[k], est, details, &all_plain)
    if all_plain and n:
        PyObject_GC_UnTrack(<void *>found)
    return found


def untrack(list rows):
    """Take a list of rows, of which the collector does not know, from the collector as well."""
    PyObject_GC_UnTrack(<void *>rows)


def add_pairs(list rows, uid, list items, const uint8_t[::1] wanted, value):
    """Append (uid, item, value) for the items that are wanted; whether the collector need not know of them.

    Parameters
    ----------
    rows : list, changed in place
    uid : object
    items : list
    wanted : uint8[len(items)]
    value : float
    """
    cdef Py_ssize_t k
    cdef bint all_plain = True
    if len(items) != wanted.shape[0]:
        raise ValueError("wanted: one flag is needed for each item")
    for k in range(wanted.shape[0]):
        if wanted[k]:
            row = (uid, items[k], value)
            if is_plain(uid, items[k], value):
                PyObject_GC_UnTrack(<void *>row)
            else:
                all_plain = False
            rows.append(row)
    return all_plain
