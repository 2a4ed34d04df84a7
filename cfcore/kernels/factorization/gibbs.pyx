"""Draws of a Gibbs sampler of matrix factorisation: rows of factors, and their products.

The twin is `cfcore.reference.factorization.gibbs`, the inner loops are in `gibbs_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t, int64_t, uintptr_t
from libc.string cimport memset

from cfcore.kernels.common.arrays cimport check_array, check_record, overlaps, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.shares cimport Share, divide, take
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.factorization.gibbs_loops cimport (
    BATCH,
    LONG,
    PIECE,
    GibbsLoops,
    ProductArrays,
    RowArrays,
    scratch_size,
    sums_size,
)

from cfcore.kernels import simd
from cfcore.kernels.records import (
    DrawKey,
    RatingRows,
    RowDraws,
    RowProducts,
    check_span,
    check_written,
)

cnp.import_array()

cdef enum:
    MANY = 16  # rows that a thread multiplies at a time

cdef const GibbsLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const GibbsLoops *>table_in(capsule)


simd.register("factorization.gibbs_loops", _use)


def scratch_shape(n_threads, width, most):
    """Shape of the scratch of `draw_rows`, for rows of at most so many ratings.

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
    # A row for each thread, one for the prior's precision, and those of the pieces of a long row.
    pieces = (n // PIECE + 1) * sums_size(row) if n > LONG else 0
    return int(n_threads) + 1 + (pieces + size - 1) // size, size


def draw_rows(ratings, draws, key, scratch, span, n_threads):
    """Draw rows x_r of factors from their conditional normal distributions, given the rows z_c of columns.

    Precision and mean of row r are A = L + a_r sum w_c z_c z_c' and A^-1 (L m_r + a_r sum w_c z_c y_rc), with
    y the targets, L the precision and m_r the mean of the prior, a_r `row_precision`, w_c `column_weight`.

    Parameters
    ----------
    ratings : RatingRows
        Rows and columns, and as values the targets: ratings less all but x_r . z_c.
    draws : RowDraws
        `rows` are overwritten, and `means` where they are given.
    key : DrawKey
    scratch : float64[a, b], overwritten
        Of at least `scratch_shape`.
    span : (begin, end)
        The rows to draw.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When dimensions differ, scratch is too small, what is written is read-only or shares memory with
        another array, or a precision is not positive definite in double: the rows are then of no use.

    Notes
    -----
    O(n k^2 + n_rows k^3) for k factors. Products are summed in float32 in tiles of 64 ratings (an error of
    about 5e-7 of the sum), tiles in double in pieces of 2048 ratings, and pieces in their order: the same
    bits for any number of threads, spans and SIMD levels. Matrices are factorised in double, 8 at a time,
    those of more than 64 numbers alone. All threads sum the pieces of a row of more than 32768 ratings.
    Salakhutdinov and Mnih, "Bayesian probabilistic matrix factorization using Markov chain Monte Carlo" (ICML
    2008).
    """
    check_record(ratings, RatingRows, "draw_rows: ratings")
    check_record(draws, RowDraws, "draw_rows: draws")
    check_record(key, DrawKey, "draw_rows: key")
    check_array(scratch, cnp.NPY_FLOAT64, 2, True, "draw_rows: scratch")
    if ratings.n_rows != draws.n_rows or ratings.n_columns != draws.n_columns:
        raise ValueError("draw_rows: ratings and draws must be of as many rows and columns")
    if draws.weights is not None and len(draws.weights) != ratings.n:
        raise ValueError("draw_rows: there must be as many weights as ratings")
    check_written((draws,), (ratings,))
    cdef Py_ssize_t begin, end, row, piece, n, at, n_pieces
    begin, end = check_span("draw_rows", span, draws.n_rows, "rows")
    if overlaps(scratch, tuple(held for record in (ratings, draws) for _, held, _ in record.arrays())):
        raise ValueError("draw_rows: scratch shares memory with another argument")
    cdef int workers = 0, team = team_size(n_threads)
    cdef RowArrays given = RowArrays(
        indptr=<const int64_t *>pointer(ratings.indptr), indices=<const int32_t *>pointer(ratings.indices),
        targets=<const float *>pointer(ratings.values), rows=<float *>pointer(draws.rows), means=NULL,
        columns=<const float *>pointer(draws.columns), prior_mean=<const double *>pointer(draws.prior_mean),
        precision=<const double *>pointer(draws.precision),
        row_precision=<const double *>pointer(draws.row_precision),
        column_weight=<const float *>pointer(draws.column_weight), weights=NULL,
        padded=NULL, width=draws.width, n_factors=draws.n_factors, seed=key.seed, kind=key.kind,
        sweep=key.sweep, own_numbers=draws.own_numbers,
    )
    if draws.weights is not None:
        given.weights = <const float *>pointer(draws.weights)
    if draws.means is not None:
        given.means = <float *>pointer(draws.means)
    if given.weights == NULL and all_ones(given.column_weight, draws.n_columns):
        given.column_weight = NULL
    cdef Py_ssize_t most = 0
    for row in range(begin, end):
        most = max(most, <Py_ssize_t>(given.indptr[row + 1] - given.indptr[row]))
    wanted = scratch_shape(n_threads, draws.width, most)
    if scratch.shape[0] < wanted[0] or scratch.shape[1] < wanted[1]:
        raise ValueError(f"draw_rows: scratch must be of shape {wanted}, not {scratch.shape}")
    # The loops are faster in whole cache lines.
    cdef double *room = <double *>((<uintptr_t>pointer(scratch) + 63) // 64 * 64)
    cdef Py_ssize_t apart = (scratch.shape[1] - 8) // 8 * 8
    cdef double *padded = room + <Py_ssize_t>n_threads * apart
    cdef double *pieces = padded + apart
    cdef Py_ssize_t failed = 0, size = sums_size(given.width)
    cdef Share[64] shares  # MOST_SHARES
    cdef int worker, n_shares = divide(shares, team, given.indptr, begin, end, BATCH)
    given.padded = padded
    if end > begin:
        pad_precision(&given, padded)
    for worker in prange(team, nogil=True, schedule="static", chunksize=1, num_threads=team):
        workers |= team_present()
        failed += draw_share(&given, shares, n_shares, worker, begin, end, room + threadid() * apart)
    for row in range(begin, end):
        n = given.indptr[row + 1] - given.indptr[row]
        if n <= LONG:
            continue
        n_pieces = (n + PIECE - 1) // PIECE
        for piece in prange(n_pieces, nogil=True, schedule="dynamic", num_threads=team):
            loops.sum_piece(&given, given.indptr[row] + piece * PIECE,
                            min(given.indptr[row] + (piece + 1) * PIECE, given.indptr[row + 1]),
                            pieces + piece * size,
                            <float *>(room + threadid() * apart))
        with nogil:
            for piece in range(1, n_pieces):
                for at in range(size):
                    pieces[at] += pieces[piece * size + at]
            failed += loops.finish_row(&given, row, pieces, room)
    report_workers(workers)
    if failed:
        raise ValueError(f"draw_rows: the precisions of {failed} rows are not positive definite")


def multiply_rows(ratings, products, span, n_threads):
    """Multiply rows x_r and columns z_c: the product x_r . z_c for each rating, and sums for each row.

    They are the sums over the ratings of the row of y^2, y x_r . z_c and (x_r . z_c)^2, with the targets y,
    each times the weight of the rating.

    Parameters
    ----------
    ratings : RatingRows
        Rows and columns, and as values the targets.
    products : RowProducts
        `products` and `squares` are overwritten.
    span : (begin, end)
        The rows to multiply.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When dimensions differ, or what is written is read-only or shares memory with another array.

    Notes
    -----
    O(n k). Products are in float32, in the lanes of `lanes.h`; sums are in double, rating k of a tile of 64
    in lane k % 8: the same bits for any number of threads, spans and SIMD levels.
    """
    check_record(ratings, RatingRows, "multiply_rows: ratings")
    check_record(products, RowProducts, "multiply_rows: products")
    if (ratings.n_rows, ratings.n_columns, ratings.n) != (products.n_rows, products.n_columns, products.n):
        raise ValueError("multiply_rows: ratings and products must be of as many rows, columns and ratings")
    check_written((products,), (ratings,))
    cdef Py_ssize_t begin, end
    begin, end = check_span("multiply_rows", span, products.n_rows, "rows")
    cdef int workers = 0, team = team_size(n_threads)
    cdef ProductArrays given = ProductArrays(
        indptr=<const int64_t *>pointer(ratings.indptr), indices=<const int32_t *>pointer(ratings.indices),
        targets=<const float *>pointer(ratings.values), weights=NULL,
        rows=<const float *>pointer(products.rows), columns=<const float *>pointer(products.columns),
        products=<float *>pointer(products.products), squares=<double *>pointer(products.squares),
        width=products.width,
    )
    if products.weights is not None:
        given.weights = <const float *>pointer(products.weights)
    cdef Share[64] shares  # MOST_SHARES
    cdef int worker, n_shares = divide(shares, team, given.indptr, begin, end, MANY)
    for worker in prange(team, nogil=True, schedule="static", chunksize=1, num_threads=team):
        workers |= team_present()
        multiply_share(&given, shares, n_shares, worker, begin, end)
    report_workers(workers)


# A thread reads records of pointers from its own stack: what another thread writes may be in the same cache
# lines as those on the stack of the calling thread.
cdef Py_ssize_t draw_share(const RowArrays *given, Share *shares, int n_shares, int worker, Py_ssize_t begin,
                           Py_ssize_t end, double *room) noexcept nogil:
    cdef RowArrays own = given[0]
    cdef Py_ssize_t failed = 0, batch = take(shares, n_shares, worker)
    while batch >= 0:
        failed += loops.draw_batch(&own, begin + batch * BATCH, min(begin + (batch + 1) * BATCH, end), room)
        batch = take(shares, n_shares, worker)
    return failed


cdef void multiply_share(const ProductArrays *given, Share *shares, int n_shares, int worker,
                         Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    cdef ProductArrays own = given[0]
    cdef Py_ssize_t row, batch = take(shares, n_shares, worker)
    while batch >= 0:
        for row in range(begin + batch * MANY, min(begin + (batch + 1) * MANY, end)):
            loops.multiply_row(&own, row)
        batch = take(shares, n_shares, worker)


cdef bint all_ones(const float *numbers, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n):
        if numbers[k] != 1:
            return False
    return True


cdef void pad_precision(const RowArrays *given, double *padded) noexcept nogil:
    cdef Py_ssize_t i, j, n = given.n_factors, width = given.width
    memset(padded, 0, width * width * sizeof(double))
    for i in range(width):
        padded[i * width + i] = 1
    for i in range(n):
        for j in range(n):
            padded[i * width + j] = given.precision[i * n + j]
