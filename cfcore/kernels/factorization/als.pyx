"""Rows of factors by least squares, as alternating least squares needs them.

The twin is `cfcore.reference.factorization.als`, the inner loops are in `als_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t, int64_t, uintptr_t

from cfcore.kernels.common.arrays cimport check_array, check_record, overlaps, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.factorization.als_loops cimport ALSLoops, SolveArrays, scratch_size, sums_size
from cfcore.kernels.factorization.gibbs_loops cimport BATCH, LONG, PIECE

from cfcore.kernels import simd
from cfcore.kernels.records import RatingRows, RowSolves, check_span, check_written

cnp.import_array()

cdef const ALSLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const ALSLoops *>table_in(capsule)


simd.register("factorization.als_loops", _use)


def scratch_shape(n_threads, width, most):
    """Shape of the scratch of `solve_rows`, for rows of at most so many ratings.

    Parameters
    ----------
    n_threads : int in [1, 1024]
    width : int
        Of the padded rows, at most 2^20.
    most : int
        Ratings of the row that has most.

    Raises
    ------
    ValueError
        When an argument is out of range.
    """
    team_size(n_threads)
    cdef Py_ssize_t row, n
    if not (0 <= width <= 2**20 and 0 <= most < 2**48):
        raise ValueError("scratch_shape: width must be at most 2^20 and most below 2^48, both at least 0")
    row, n = width, most
    size = scratch_size(row) + 512  # a page apart
    # A row for each thread, and those of the pieces of a long row.
    pieces = (n // PIECE + 1) * sums_size(row) if n > LONG else 0
    return int(n_threads) + (pieces + size - 1) // size, size


def solve_rows(ratings, solves, scratch, span, n_threads):
    """Solve for the row x_r of factors and the bias b_r of each row, given those of the columns.

    They minimise sum w_rc (v_rc - mean - b_c - b_r - x_r . z_c)^2 + l_r |x_r - m_r|^2 + h_r b_r^2, with the
    ratings v and their weights w, the columns' rows z and biases b_c, the penalties l and h and centres m.

    Parameters
    ----------
    ratings : RatingRows
    solves : RowSolves
        `rows`, `biases` and `squares` are overwritten.
    scratch : float64[a, b], overwritten
        Of at least `scratch_shape`.
    span : (begin, end)
        The rows to solve for.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When dimensions differ, scratch is too small, what is written is read-only or shares memory with
        another array, or a row's matrix is not positive definite in double: the rows are then of no use.

    Notes
    -----
    O(n k^2 + n_rows k^3) for rows of k numbers. Products are summed in float32 in tiles of 64 ratings (an
    error of about 5e-7 of the sum), tiles in double in pieces of 2048 ratings, and pieces in their order: the
    same bits for any number of threads, spans and SIMD levels. All threads sum the pieces of a row of more
    than 32768 ratings. Matrices are factorised, and the bias is eliminated, in double, 8 at a time, those of
    more than 64 numbers alone. Zhou et al., "Large-scale parallel
    collaborative filtering for the Netflix Prize" (2008).
    """
    check_record(ratings, RatingRows, "solve_rows: ratings")
    check_record(solves, RowSolves, "solve_rows: solves")
    check_array(scratch, cnp.NPY_FLOAT64, 2, True, "solve_rows: scratch")
    if ratings.n_rows != solves.n_rows or ratings.n_columns != solves.n_columns:
        raise ValueError("solve_rows: ratings and solves must be of as many rows and columns")
    if solves.weights is not None and len(solves.weights) != ratings.n:
        raise ValueError("solve_rows: there must be as many weights as ratings")
    check_written((solves,), (ratings,))
    cdef Py_ssize_t begin, end, row, piece, n, at, n_pieces
    begin, end = check_span("solve_rows", span, solves.n_rows, "rows")
    if overlaps(scratch, tuple(held for record in (ratings, solves) for _, held, _ in record.arrays())):
        raise ValueError("solve_rows: scratch shares memory with another argument")
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
    cdef Py_ssize_t most = 0
    for row in range(begin, end):
        most = max(most, <Py_ssize_t>(given.indptr[row + 1] - given.indptr[row]))
    wanted = scratch_shape(n_threads, solves.width, most)
    if scratch.shape[0] < wanted[0] or scratch.shape[1] < wanted[1]:
        raise ValueError(f"solve_rows: scratch must be of shape {wanted}, not {scratch.shape}")
    # The loops are faster in whole cache lines.
    cdef double *room = <double *>((<uintptr_t>pointer(scratch) + 63) // 64 * 64)
    cdef Py_ssize_t apart = (scratch.shape[1] - 8) // 8 * 8
    cdef double *pieces = room + <Py_ssize_t>n_threads * apart
    cdef Py_ssize_t failed = 0, size = sums_size(given.width)
    cdef Py_ssize_t batch, n_batches = (end - begin + BATCH - 1) // BATCH
    for batch in prange(n_batches, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        failed += loops.solve_batch(&given, begin + batch * BATCH, min(begin + (batch + 1) * BATCH, end),
                                    room + threadid() * apart)
    for row in range(begin, end):
        n = given.indptr[row + 1] - given.indptr[row]
        if n <= LONG:
            continue
        n_pieces = (n + PIECE - 1) // PIECE
        for piece in prange(n_pieces, nogil=True, schedule="dynamic", num_threads=team):
            loops.sum_piece(&given, given.indptr[row] + piece * PIECE,
                            min(given.indptr[row] + (piece + 1) * PIECE, given.indptr[row + 1]),
                            pieces + piece * size, <float *>(room + threadid() * apart))
        with nogil:
            for piece in range(1, n_pieces):
                for at in range(size):
                    pieces[at] += pieces[piece * size + at]
            failed += loops.finish_row(&given, row, pieces, room)
    report_workers(workers)
    if failed:
        raise ValueError(f"solve_rows: the matrices of {failed} rows are not positive definite")
