"""Neighbourhood prediction: the weighted mean of a holder's ratings of the nearest neighbours of a target.

With targets = items, a holder is a user and has the items it rated; with roles exchanged, targets are users
and a holder is an item with the users who rated it. For a request (holder h, target t),

    prediction = sum_{j in N} sign(s_tj) |s_tj|^power v_hj / (damping + sum_{j in N} |s_tj|^power),

N being the n_neighbors entries j of h with the largest |s_tj| (Herlocker et al. 1999; damping toward 0 as in
Bell and Koren 2007). The values v are ratings, deviations from a mean, z-scores or residuals of a baseline,
as the caller chooses. The twin is `cfcore.reference.neighbors.predict`, the inner loops are in
`predict_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t, int64_t, uint64_t

from cfcore.kernels.common.arrays cimport check_record, pointer
from cfcore.kernels.common.lanes cimport cf_prefetch_read
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.neighbors.predict_loops cimport Predict, PredictLoops, Rule

import numpy as np

from cfcore.kernels import simd
from cfcore.kernels.records import (
    NearestRows,
    PredictionRequests,
    PredictionRule,
    PredictionScratch,
    RatingRows,
    SimilarityMatrix,
    check_span,
    check_written,
)

cnp.import_array()

cdef enum:
    CHUNK = 256  # requests of a chunk: enough for neighbours in `order` to share a row of similarities

cdef double NAN = float("nan")
cdef const PredictLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const PredictLoops *>table_in(capsule)


simd.register("neighbors.predict_loops", _use)


# What the threads of a call share.
cdef struct Call:
    const int64_t *indptr
    const int32_t *indices
    const float *values
    const int32_t *holders
    const int32_t *targets
    const int64_t *order
    double *out
    const float *similarities  # of all pairs, or of the nearest
    const int32_t *codes  # of the nearest
    Py_ssize_t n_targets, n_kept
    Rule rule
    Predict predict


cdef Rule rule_of(rule, Py_ssize_t room):
    cdef double twice = 2 * rule.power
    cdef bint is_whole = twice <= 16 and twice == <int>twice
    return Rule(n_neighbors=rule.n_neighbors, room=room, power=rule.power, damping=rule.damping,
                positive_only=rule.positive_only, twice_power=<int>twice if is_whole else 0)


cdef Call call_of(rated, requests, rule, scratch):
    """Pointers to the arrays of the records, without those of the similarities."""
    return Call(
        indptr=<const int64_t *>pointer(rated.indptr), indices=<const int32_t *>pointer(rated.indices),
        values=<const float *>pointer(rated.values), holders=<const int32_t *>pointer(requests.holders),
        targets=<const int32_t *>pointer(requests.targets), order=<const int64_t *>pointer(requests.order),
        out=<double *>pointer(requests.out), similarities=NULL, codes=NULL, n_targets=rated.n_columns,
        n_kept=0, rule=rule_of(rule, scratch.room), predict=loops.predict,
    )


cdef int check_call(str who, rated, requests, rule, scratch, span) except -1:
    """Raise unless the arguments are records that fit together."""
    check_record(rated, RatingRows, f"{who}: rated")
    check_record(requests, PredictionRequests, f"{who}: requests")
    check_record(rule, PredictionRule, f"{who}: rule")
    check_record(scratch, PredictionScratch, f"{who}: scratch")
    if requests.n_targets != rated.n_columns or requests.n_holders != rated.n_rows:
        raise ValueError(f"{who}: requests must be for the rows and columns of rated")
    check_span(who, span, requests.n, "requests")
    return 0


cdef int check_compared(str who, rated, compared, rule, scratch, int n_threads) except -1:
    """Raise unless the similarities fit the ratings, and the scratch the rule."""
    if compared.n_rows != rated.n_columns:
        raise ValueError(f"{who}: similarities must have {rated.n_columns} rows, as rated has columns; "
                         f"they have {compared.n_rows}")
    if compared.dtype != np.float32:
        raise ValueError(f"{who}: similarities must be of float32, not {compared.dtype}")
    if scratch.n_threads < n_threads or (rule.n_neighbors > 0 and scratch.room <= rule.n_neighbors):
        raise ValueError(f"{who}: scratch.keys needs a row for each thread, longer than n_neighbors")
    return 0


def predict_dense(matrix, rated, requests, rule, scratch, span, n_threads):
    """Weighted means over the nearest neighbours, from the similarities of all pairs.

    Parameters
    ----------
    matrix : SimilarityMatrix
        Of float32, a row for each target. NaN means: no neighbour.
    rated : RatingRows
        The values of each holder (row) for targets (columns), the columns ascending in each row.
    requests : PredictionRequests
        ``out[order[begin:end]]`` is overwritten. A prediction is NaN where weights and damping sum to 0.
    rule : PredictionRule
        The target itself is never a neighbour.
    scratch : PredictionScratch, overwritten
    span : (int, int)
        The range [begin, end) of `requests.order`.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together or share memory that would be written.

    Notes
    -----
    O(ratings of the holder) a request. Sums in double precision. The same bits for any number of threads, any
    slices and any SIMD level.
    """
    cdef int workers = 0, team = team_size(n_threads)
    check_call("predict_dense", rated, requests, rule, scratch, span)
    check_record(matrix, SimilarityMatrix, "predict_dense: matrix")
    check_compared("predict_dense", rated, matrix, rule, scratch, n_threads)
    check_written((requests, scratch), (matrix, rated))
    cdef Py_ssize_t k, begin = span[0], end = span[1], n_chunks = (end - begin + CHUNK - 1) // CHUNK
    cdef Py_ssize_t room = scratch.room
    cdef uint64_t *keys = <uint64_t *>pointer(scratch.keys)
    cdef Call call = call_of(rated, requests, rule, scratch)
    call.similarities = <const float *>pointer(matrix.values)
    for k in prange(n_chunks, schedule="dynamic", num_threads=team, nogil=True):
        workers |= team_present()
        predict_chunk(&call, keys + threadid() * room, begin + k * CHUNK, min(end, begin + (k + 1) * CHUNK))
    report_workers(workers)


cdef void predict_chunk(const Call *call, uint64_t *keys, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    cdef Py_ssize_t k, at
    for k in range(begin, end):
        if k + 1 < end:
            prefetch_holder(call, call.holders[call.order[k + 1]])
        at = call.order[k]
        if call.holders[at] < 0 or call.targets[at] < 0:
            call.out[at] = NAN
        else:
            call.out[at] = prediction(call, at, call.similarities + call.targets[at] * call.n_targets, keys)


cdef inline void prefetch_holder(const Call *call, int32_t holder) noexcept nogil:
    """Prefetch the beginning of a holder's row; the rest is a stream that the processor follows by itself."""
    if holder >= 0:
        cf_prefetch_read(call.indices + call.indptr[holder], 1)
        cf_prefetch_read(call.values + call.indptr[holder], 1)


cdef inline double prediction(const Call *call, Py_ssize_t at, const float *row,
                              uint64_t *keys) noexcept nogil:
    """Prediction for one request of a known holder and target."""
    cdef int32_t holder = call.holders[at]
    cdef int64_t first = call.indptr[holder]
    return call.predict(row, call.indices + first, call.values + first, call.indptr[holder + 1] - first,
                        call.targets[at], &call.rule, keys)


def predict_rows(nearest, rated, requests, rule, scratch, span, n_threads):
    """As `predict_dense`, from the most similar ones of each target alone.

    Parameters
    ----------
    nearest : NearestRows
        Of float32, a row for each target. All other pairs count as similarity 0.
    scratch : PredictionScratch, overwritten
        With `rows`: zeros, and zeros again on return.
    rated, requests, rule, span, n_threads
        As for `predict_dense`; so are errors and notes.
    """
    cdef int workers = 0, team = team_size(n_threads)
    check_call("predict_rows", rated, requests, rule, scratch, span)
    check_record(nearest, NearestRows, "predict_rows: nearest")
    check_compared("predict_rows", rated, nearest, rule, scratch, n_threads)
    check_written((requests, scratch), (nearest, rated))
    if scratch.rows is None or scratch.rows.shape[1] != nearest.n_rows:
        raise ValueError(f"predict_rows: scratch.rows needs {nearest.n_rows} columns")
    cdef Py_ssize_t k, begin = span[0], end = span[1], n_chunks = (end - begin + CHUNK - 1) // CHUNK
    cdef Py_ssize_t room = scratch.room, n_targets = nearest.n_rows
    cdef uint64_t *keys = <uint64_t *>pointer(scratch.keys)
    cdef float *rows = <float *>pointer(scratch.rows)
    cdef Call call = call_of(rated, requests, rule, scratch)
    cdef bint sound
    call.similarities = <const float *>pointer(nearest.values)
    call.codes = <const int32_t *>pointer(nearest.codes)
    call.n_kept = nearest.n_kept
    with nogil:
        sound = are_codes_sound(&call, begin, end)
    if not sound:
        raise ValueError(f"predict_rows: codes must lie in [-1, {n_targets})")
    for k in prange(n_chunks, schedule="dynamic", num_threads=team, nogil=True):
        workers |= team_present()
        predict_chunk_of_rows(&call, rows + threadid() * n_targets, keys + threadid() * room,
                              begin + k * CHUNK, min(end, begin + (k + 1) * CHUNK))
    report_workers(workers)


cdef bint are_codes_sound(const Call *call, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Whether the codes of the nearest are in range for the targets of the requests [begin, end)."""
    cdef Py_ssize_t j, k
    cdef int32_t target, seen = -1
    cdef const int32_t *codes
    cdef bint sound = True
    for k in range(begin, end):
        target = call.targets[call.order[k]]
        if target >= 0 and target != seen:
            codes = call.codes + target * call.n_kept
            for j in range(call.n_kept):
                sound &= codes[j] >= -1 and codes[j] < call.n_targets
            seen = target
    return sound


cdef void predict_chunk_of_rows(const Call *call, float *row, uint64_t *keys, Py_ssize_t begin,
                                Py_ssize_t end) noexcept nogil:
    cdef Py_ssize_t k, at
    cdef int32_t laid_out = -1
    for k in range(begin, end):
        if k + 1 < end:
            prefetch_holder(call, call.holders[call.order[k + 1]])
        at = call.order[k]
        if call.holders[at] < 0 or call.targets[at] < 0:
            call.out[at] = NAN
            continue
        if call.targets[at] != laid_out:
            lay_out(call, laid_out, row, False)
            laid_out = call.targets[at]
            lay_out(call, laid_out, row, True)
        call.out[at] = prediction(call, at, row, keys)
    lay_out(call, laid_out, row, False)


cdef inline void lay_out(const Call *call, int32_t target, float *row, bint present) noexcept nogil:
    """Scatter a target's similarities (-1: none) over a row of zeros, or zeros over them."""
    cdef Py_ssize_t j
    cdef const int32_t *codes
    cdef const float *similarities
    if target < 0:
        return
    codes = call.codes + target * call.n_kept
    similarities = call.similarities + target * call.n_kept
    for j in range(call.n_kept):
        if codes[j] >= 0:
            row[codes[j]] = similarities[j] if present else 0
