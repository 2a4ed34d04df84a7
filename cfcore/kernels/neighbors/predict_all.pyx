"""Neighbourhood predictions of one holder for all targets, as `predict` makes them for single requests.

Row j of a symmetric matrix of similarities has those of all targets with j, side by side: so the entries of
a holder are read once, for 64 targets at a time. The twin is `cfcore.reference.neighbors.predict_all`, the
inner loops are in `predict_all_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.common.arrays cimport check_array, check_record, length, overlaps, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.neighbors.predict_all_loops cimport ROOM, WIDTH, Entries, PredictAllLoops

import numpy as np

from cfcore.kernels import simd
from cfcore.kernels.records import PredictionRule, RatingRows, SimilarityMatrix

cnp.import_array()

cdef enum:
    STRETCH = 8  # times WIDTH: targets that a thread does at a time

cdef const PredictAllLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const PredictAllLoops *>table_in(capsule)


simd.register("neighbors.predict_all_loops", _use)


def predict_all(matrix, rated, holders, rule, scratch, out, n_threads):
    """Weighted means over the nearest neighbours of some holders for all targets.

    Parameters
    ----------
    matrix : SimilarityMatrix
        Of float32, symmetric, which the caller answers for: entry (j, t) is read as the similarity of t and
        j. NaN means: no neighbour.
    rated : RatingRows
        The values of each holder (row) for targets (columns), the columns ascending in each row.
    holders : int32[n]
        Rows of `rated`.
    rule : PredictionRule
        The target itself is never a neighbour.
    scratch : float32[n_threads or more, 80 longest or more], overwritten
        `longest` is the number of entries of the longest of these rows.
    out : float64[n, n_columns], overwritten
        NaN where weights and damping sum to 0.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When arguments do not fit together, a holder is out of range, or arrays that are written share memory
        with others.

    Notes
    -----
    O(n_columns x entries) a holder. Sums in double precision, in the order of the entries: where all entries
    of a holder count, or it has at most n_neighbors, the bits of `predict_dense`, and otherwise the same up
    to the rounding of the sums. The same bits for any number of threads and any SIMD level.
    """
    check_record(matrix, SimilarityMatrix, "predict_all: matrix")
    check_record(rated, RatingRows, "predict_all: rated")
    check_array(holders, cnp.NPY_INT32, 1, False, "predict_all: holders")
    check_record(rule, PredictionRule, "predict_all: rule")
    check_array(scratch, cnp.NPY_FLOAT32, 2, True, "predict_all: scratch")
    check_array(out, cnp.NPY_FLOAT64, 2, True, "predict_all: out")
    cdef int workers = 0, team = team_size(n_threads)
    cdef Py_ssize_t k, n = length(holders), n_targets = rated.n_columns, n_rows = rated.n_rows
    cdef Py_ssize_t longest = 0, room = cnp.PyArray_DIM(<cnp.ndarray>scratch, 1)
    cdef const int32_t *rows = <const int32_t *>pointer(holders)
    cdef const int64_t *indptr = <const int64_t *>pointer(rated.indptr)
    if matrix.n_rows != n_targets or matrix.dtype != np.float32:
        raise ValueError(f"predict_all: matrix must be of float32 and have {n_targets} rows, as rated has "
                         "columns")
    if length(out) != n or cnp.PyArray_DIM(<cnp.ndarray>out, 1) != n_targets:
        raise ValueError(f"predict_all: out must be of shape ({n}, {n_targets})")
    for k in range(n):
        if not 0 <= rows[k] < n_rows:
            raise ValueError(f"predict_all: holders holds {rows[k]} at {k}, which is not in [0, {n_rows})")
        longest = max(longest, indptr[rows[k] + 1] - indptr[rows[k]])
    if length(scratch) < team or room < ROOM * longest:
        raise ValueError(f"predict_all: scratch needs a row of {ROOM * longest} for each thread")
    read = matrix.values, rated.indptr, rated.indices, rated.values, holders
    if overlaps(out, (scratch, *read)) or overlaps(scratch, read):
        raise ValueError("predict_all: out or scratch shares memory with another array")
    cdef Entries all_entries = entries_of(matrix, rated, rule)
    cdef Py_ssize_t n_stretches = (n_targets + STRETCH * WIDTH - 1) // (STRETCH * WIDTH)
    cdef float *tiles = <float *>pointer(scratch)
    cdef double *means = <double *>pointer(out)
    for k in prange(n * n_stretches, schedule="dynamic", num_threads=team, nogil=True):
        workers |= team_present()
        predict_stretch(&all_entries, indptr, rows[k // n_stretches], k % n_stretches,
                        tiles + threadid() * room, means + k // n_stretches * n_targets)
    report_workers(workers)


cdef Entries entries_of(matrix, rated, rule):
    """The entries of all holders, and how they count."""
    cdef double twice = 2 * rule.power
    cdef bint is_whole = twice <= 16 and twice == <int>twice
    return Entries(
        matrix=<const float *>pointer(matrix.values), n_targets=rated.n_columns,
        codes=<const int32_t *>pointer(rated.indices), values=<const float *>pointer(rated.values), n=rated.n,
        n_neighbors=rule.n_neighbors, power=rule.power, damping=rule.damping,
        twice_power=<int>twice if is_whole else 0, positive_only=rule.positive_only,
    )


cdef void predict_stretch(const Entries *all_entries, const int64_t *indptr, int32_t holder,
                          Py_ssize_t stretch, float *tiles, double *out) noexcept nogil:
    """The targets of one stretch for one holder, whose row of results is `out`."""
    cdef Entries own = all_entries[0]
    cdef Py_ssize_t k, first
    own.codes += indptr[holder]
    own.values += indptr[holder]
    own.n = indptr[holder + 1] - indptr[holder]
    for k in range(STRETCH):
        first = (stretch * STRETCH + k) * WIDTH
        if first < own.n_targets:
            loops.target_means(&own, first, min(own.n_targets - first, <Py_ssize_t>WIDTH), tiles, out + first)
