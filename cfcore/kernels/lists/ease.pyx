"""EASE: the inverse of X'X + lambda I in place, and weights of items from it.

    P = (X'X + lambda I)^-1,  B = I - P diagMat(1 / diag P)

(Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019.) The inverse is found by sweeps
(Dempster, "Elements of continuous multivariate analysis", 1969, chapter 4): a sweep of the rows K of a
symmetric matrix A replaces

    A_ij by A_ij - A_iK A_KK^-1 A_Kj,  A_iK by A_iK A_KK^-1,  A_KK by -A_KK^-1,

and the sweeps of all rows leave -A^-1. As by Cholesky's factors, no pivoting is needed for a positive
definite matrix, and n^3 operations; all but few of them are products of tiles, and steps are alike from the
first to the last. The twin is `cfcore.reference.lists.ease`.
"""
cimport numpy as cnp
from cython.parallel cimport prange

from cfcore.kernels.common.arrays cimport check_record, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.lists.ease_loops cimport (
    DEPTH,
    GROUP,
    TILE,
    EaseLoops,
    SweepArrays,
)

from cfcore.kernels import simd
from cfcore.kernels.records import (
    GramMatrix,
    ItemWeights,
    SweepPanel,
    check_span,
    check_written,
)

cnp.import_array()

cdef const EaseLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const EaseLoops *>table_in(capsule)


simd.register("lists.ease_loops", _use)


cdef SweepArrays arrays_of(str who, gram, panel, begin):
    """Pointers to the arrays of the records, after checks that they fit together."""
    check_record(gram, GramMatrix, f"{who}: gram")
    check_record(panel, SweepPanel, f"{who}: panel")
    check_written((gram, panel))
    if panel.n != gram.n:
        raise ValueError(f"{who}: panel must have a row for each row of gram")
    first, last = check_span(who, (begin, gram.n), gram.n, "rows")  # begin may be any integer of NumPy
    last = min(first + DEPTH, last)
    if first % DEPTH:
        raise ValueError(f"{who}: begin must be a multiple of {DEPTH}, not {begin}")
    return SweepArrays(
        matrix=<double *>pointer(gram.values), rows=<double *>pointer(panel.rows),
        columns=<double *>pointer(panel.columns), pivot=<double *>pointer(panel.pivot),
        n=gram.n, begin=first, depth=last - first,
    )


def sweep_panel(gram, panel, begin, n_threads):
    """Prepare the sweep of the rows [begin, begin + 128) of a matrix, or of as many as there are.

    Parameters
    ----------
    gram : GramMatrix
    panel : SweepPanel, overwritten
    begin : int
        A multiple of 128.
    n_threads : int in [1, 1024]

    Returns
    -------
    bool
        False if the matrix is not positive definite: the panel must not be used.

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together or share memory.

    Notes
    -----
    O(128^2 n) operations. The same bits for any number of threads and any SIMD level: each number is a sum
    whose terms are added in ascending order of rows.
    """
    cdef int workers = 0, team = team_size(n_threads)
    cdef SweepArrays given = arrays_of("sweep_panel", gram, panel, begin)
    cdef Py_ssize_t k, n_groups = given.n // GROUP
    cdef bint positive = True
    with nogil:
        if given.depth:
            positive = loops.pivot(&given)
    if not positive:
        return False
    for k in prange(n_groups, nogil=True, schedule="dynamic", chunksize=4, num_threads=team):
        workers |= team_present()
        loops.group(&given, k)
    report_workers(workers)
    return True


def sweep_tiles(gram, panel, begin, span, n_threads):
    """Sweep the rows [begin, begin + 128) of a matrix: what becomes of some tiles of 64 rows.

    Parameters
    ----------
    gram : GramMatrix, changed in place
    panel : SweepPanel
        As `sweep_panel` filled it for `begin`.
    begin : int
    span : (int, int)
        The range of tiles; each of the ceil(n / 64) tiles must be given once.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError, ValueError
        As `sweep_panel`; or tiles that are not in the matrix.

    Notes
    -----
    128 multiplications for each entry up to the diagonal. The same bits for any number of threads, slicing
    and SIMD level.
    """
    cdef int workers = 0, team = team_size(n_threads)
    cdef SweepArrays given = arrays_of("sweep_tiles", gram, panel, begin)
    cdef Py_ssize_t k, first, last
    first, last = check_span("sweep_tiles", span, (given.n + TILE - 1) // TILE, "tiles")
    # The later a tile, the longer its rows: longest first, threads finish at about the same time.
    for k in prange(last - first, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        loops.tile(&given, last - 1 - k)
    report_workers(workers)


def item_weights(gram, weights, span, n_threads):
    """Weights of items from a matrix of which all rows were swept, B = I - P diagMat(1 / diag P).

    Parameters
    ----------
    gram : GramMatrix
        -P, up to the diagonal.
    weights : ItemWeights, changed in place
        Of the first n_items rows of `gram`.
    span : (int, int)
        The range of tiles of 64 items: their rows up to the diagonal, and their columns up to it.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError, ValueError
        When records are not what they should be, do not fit together or share memory; or tiles that are not
        in the matrix.
    """
    cdef int workers = 0, team = team_size(n_threads)
    check_record(gram, GramMatrix, "item_weights: gram")
    check_record(weights, ItemWeights, "item_weights: weights")
    check_written((weights,), (gram,))
    if weights.n_items > gram.n:
        raise ValueError("item_weights: gram must have a row for each item")
    cdef Py_ssize_t k, first, last, n = gram.n, n_items = weights.n_items
    cdef const double *matrix = <const double *>pointer(gram.values)
    cdef float *out = <float *>pointer(weights.values)
    first, last = check_span("item_weights", span, (n_items + TILE - 1) // TILE, "tiles")
    for k in prange(last - first, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        loops.weights(matrix, n, out, n_items, last - 1 - k)
    report_workers(workers)
