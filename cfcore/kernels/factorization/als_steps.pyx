"""Rows of factors improved by steps of conjugate gradients, as alternating least squares may have them.

The twin is `cfcore.reference.factorization.als_steps`, the inner loops are in `als_steps_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.common.arrays cimport check_array, check_record, overlaps, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.factorization.als_loops cimport SolveArrays
from cfcore.kernels.factorization.als_steps_loops cimport VECTORS, StepLoops

from cfcore.kernels import simd
from cfcore.kernels.records import RatingRows, RowSolves, check_span, check_written

cnp.import_array()

cdef const StepLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const StepLoops *>table_in(capsule)


simd.register("factorization.als_steps_loops", _use)


def scratch_shape(n_threads, width):
    """Shape of the scratch of `improve_rows`.

    Parameters
    ----------
    n_threads : int in [1, 1024]
    width : int
        Of the padded rows.

    Raises
    ------
    ValueError
        When an argument is out of range.
    """
    team_size(n_threads)
    if not 0 <= width <= 2**20:
        raise ValueError("scratch_shape: width must be between 0 and 2^20")
    return int(n_threads), VECTORS * int(width) + 512  # a page apart


def improve_rows(ratings, solves, steps, scratch, span, n_threads):
    """Improve the row and the bias of each row, given those of the columns, by steps of conjugate gradients.

    They lessen what `als.solve_rows` finds the minimum of, from the rows and biases that `solves` has.

    Parameters
    ----------
    ratings : RatingRows
    solves : RowSolves
        `rows` and `biases` are improved, `squares` are overwritten.
    steps : int in [0, 1024]
    scratch : float64[a, b], overwritten
        Of at least `scratch_shape`.
    span : (begin, end)
        The rows to improve.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When dimensions differ, scratch is too small, what is written is read-only or shares
        memory with another array, or a row's matrix is not positive definite in double: the rows are then of
        no use.

    Notes
    -----
    O(n k steps) for rows of k numbers. Products with rows are in float32, and are summed in float32 in tiles
    of 64 ratings, tiles and all else in double: the same bits for any number of threads, spans and SIMD
    levels. The matrix is preconditioned by its diagonal. Hestenes and Stiefel, "Methods of conjugate
    gradients for solving linear systems" (1952); Takács, Pilászy and Tikk, "Applications of the conjugate
    gradient method for implicit feedback collaborative filtering" (RecSys 2011).
    """
    check_record(ratings, RatingRows, "improve_rows: ratings")
    check_record(solves, RowSolves, "improve_rows: solves")
    check_array(scratch, cnp.NPY_FLOAT64, 2, True, "improve_rows: scratch")
    if ratings.n_rows != solves.n_rows or ratings.n_columns != solves.n_columns:
        raise ValueError("improve_rows: ratings and solves must be of as many rows and columns")
    if solves.weights is not None and len(solves.weights) != ratings.n:
        raise ValueError("improve_rows: there must be as many weights as ratings")
    if not 0 <= steps <= 1024:
        raise ValueError(f"improve_rows: steps must be between 0 and 1024, not {steps}")
    check_written((solves,), (ratings,))
    cdef Py_ssize_t begin, end, row, n_steps = steps, failed = 0
    begin, end = check_span("improve_rows", span, solves.n_rows, "rows")
    if overlaps(scratch, tuple(held for record in (ratings, solves) for _, held, _ in record.arrays())):
        raise ValueError("improve_rows: scratch shares memory with another argument")
    wanted = scratch_shape(n_threads, solves.width)
    if scratch.shape[0] < wanted[0] or scratch.shape[1] < wanted[1]:
        raise ValueError(f"improve_rows: scratch must be of shape {wanted}, not {scratch.shape}")
    cdef int workers = 0, team = team_size(n_threads)
    cdef SolveArrays given = SolveArrays(
        indptr=<const int64_t *>pointer(ratings.indptr), indices=<const int32_t *>pointer(ratings.indices),
        values=<const float *>pointer(ratings.values), weights=NULL, rows=<float *>pointer(solves.rows),
        biases=<float *>pointer(solves.biases), columns=<const float *>pointer(solves.columns),
        column_biases=<const float *>pointer(solves.column_biases),
        penalty=<const double *>pointer(solves.penalty), centres=NULL, bias_penalty=NULL,
        squares=<double *>pointer(solves.squares), mean=solves.mean, width=solves.width,
    )
    if solves.weights is not None:
        given.weights = <const float *>pointer(solves.weights)
    if solves.centres is not None:
        given.centres = <const double *>pointer(solves.centres)
    if solves.bias_penalty is not None:
        given.bias_penalty = <const double *>pointer(solves.bias_penalty)
    cdef double *room = <double *>pointer(scratch)
    cdef Py_ssize_t apart = scratch.shape[1]
    for row in prange(begin, end, nogil=True, schedule="dynamic", chunksize=8, num_threads=team):
        workers |= team_present()
        failed += not loops.improve_row(&given, row, n_steps, room + threadid() * apart)
    report_workers(workers)
    if failed:
        raise ValueError(f"improve_rows: the matrices of {failed} rows are not positive definite")
