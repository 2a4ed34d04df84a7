"""Rows of users whose ratings are given, in each kept sample of a Gibbs sampler.

The twin is `cfcore.reference.factorization.given`, the inner loops are in `given_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.common.arrays cimport check_array, check_record, overlaps, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.factorization.given_loops cimport TILE, TOGETHER, GivenArrays, GivenLoops

from cfcore.kernels import simd
from cfcore.kernels.records import GivenRatings, GivenRows, GivenSamples, check_span, check_written

cnp.import_array()

cdef enum:
    FEW = 64   # factors up to which TOGETHER samples are solved for at a time

cdef const GivenLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const GivenLoops *>table_in(capsule)


simd.register("factorization.given_loops", _use)


def scratch_shape(n_threads, n_factors, n_lengths):
    """Shape of the scratch of `solve_users`.

    Parameters
    ----------
    n_threads : int in [1, 1024]
    n_factors : int in [1, 2^16]
    n_lengths : int in [0, 64]

    Raises
    ------
    ValueError
        When an argument is out of range.
    """
    team_size(n_threads)
    cdef Py_ssize_t width, size, n
    if not (1 <= n_factors <= 2**16 and 0 <= n_lengths <= 64):
        raise ValueError("scratch_shape: n_factors must be between 1 and 2^16, n_lengths at most 64")
    n = n_factors  # of any integer type, whose own arithmetic may overflow
    width, size = (n + 15) // 16 * 16, n // 8 * 8 + 8
    # Sums of squares, of rows and of targets; the equations; sums of sessions; two tiles of float32.
    cdef Py_ssize_t equations = width * (width + 2) + size * (size + 12) + 16
    cdef Py_ssize_t each = equations + (<Py_ssize_t>n_lengths + 1) * (width + 3) + TILE * (width + 1)
    return int(n_threads), each * (TOGETHER if n <= FEW else 1) + 512


def solve_users(ratings, samples, rows, scratch, span, n_threads):
    """Solve for the rows x_u of users, biases included, in each sample, given the rows z of items.

    Precision and mean are A = L + a (sum v z z' - sum_s f_s f_s' / (t_s + w_s)) and A^-1 (L m + a ...), with
    L the precision of the prior, m its mean (`base`, and the mean of the members of the items times the root
    of their number), a the precision of ratings and v their weights. f_s and w_s are a times the sums of v z
    and of v over the ratings of session s, less what the sessions within it account for, and t_s is the
    precision of its bias: the biases of sessions are integrated out, and solved for given the row.

    Parameters
    ----------
    ratings : GivenRatings
    samples : GivenSamples
    rows : GivenRows
        All but `base` are overwritten, for the users of the span and for their sessions.
    scratch : float64[a, b], overwritten
        Of at least `scratch_shape`.
    span : (begin, end)
        The users to solve for.
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
    O(n_kept (n k^2 + n_users k^3)) for n ratings and k factors. Products are summed in float32 in tiles of 64
    ratings and sessions, tiles in double in their order. The same bits for any number of
    threads, spans, other users and SIMD levels. Draws are from the random numbers of
    seed 0, kind 0, row 0 and the sample's number as sweep, the same for all users.
    """
    check_record(ratings, GivenRatings, "solve_users: ratings")
    check_record(samples, GivenSamples, "solve_users: samples")
    check_record(rows, GivenRows, "solve_users: rows")
    check_array(scratch, cnp.NPY_FLOAT64, 2, True, "solve_users: scratch")
    for name, of_samples, others in (
        ("n_kept", samples.n_kept, (ratings.n_kept, rows.n_kept)),
        ("n_users", ratings.n_users, (rows.n_users,)),
        ("n_items", samples.n_items, (ratings.n_items,)), ("n_factors", samples.n_factors, (rows.n_factors,)),
        ("n_lengths", samples.n_lengths, (ratings.n_lengths,)),
        ("n_sessions", ratings.n_sessions, (rows.n_sessions,)),
    ):
        if any(other != of_samples for other in others):
            raise ValueError(f"solve_users: ratings, samples and rows must have one {name}")
    check_written((rows,), (ratings, samples))
    cdef Py_ssize_t begin, end, block, n_kept = samples.n_kept
    begin, end = check_span("solve_users", span, rows.n_users, "users")
    records = ratings, samples, rows
    if overlaps(scratch, tuple(held for record in records for _, held, _ in record.arrays())):
        raise ValueError("solve_users: scratch shares memory with another argument")
    wanted = scratch_shape(n_threads, samples.n_factors, samples.n_lengths)
    if scratch.shape[0] < wanted[0] or scratch.shape[1] < wanted[1]:
        raise ValueError(f"solve_users: scratch must be of shape {wanted}, not {scratch.shape}")
    cdef int workers = 0, team = team_size(n_threads)
    cdef GivenArrays given = GivenArrays(
        indptr=<const int64_t *>pointer(ratings.indptr), items=<const int32_t *>pointer(ratings.items),
        targets=<const float *>pointer(ratings.targets), weights=NULL,
        sessions=<const int32_t *>pointer(ratings.sessions),
        item_factors=<const float *>pointer(samples.item_factors), members=NULL,
        precisions=<const double *>pointer(samples.precisions),
        bias_precisions=<const double *>pointer(samples.bias_precisions),
        noise=<const double *>pointer(samples.noise),
        session_precisions=<const double *>pointer(samples.session_precisions),
        base=<const double *>pointer(rows.base), means=<float *>pointer(rows.means),
        draws=<float *>pointer(rows.draws), session_means=<float *>pointer(rows.session_means),
        session_slopes=<float *>pointer(rows.session_slopes),
        session_variances=<float *>pointer(rows.session_variances), n_kept=n_kept,
        n_factors=samples.n_factors, n_lengths=samples.n_lengths, n_sessions=ratings.n_sessions,
        width=(samples.n_factors + 15) // 16 * 16, one_base=rows.n_bases == 1,
        first=samples.first,
    )
    if ratings.weights is not None:
        given.weights = <const float *>pointer(ratings.weights)
    if samples.members is not None:
        given.members = <const float *>pointer(samples.members)
    cdef double *room = <double *>pointer(scratch)
    cdef Py_ssize_t apart = scratch.shape[1], failed = 0, first
    cdef Py_ssize_t together = TOGETHER if given.n_factors <= FEW else 1
    cdef Py_ssize_t n_blocks = (n_kept + together - 1) // together
    for block in prange(begin * n_blocks, end * n_blocks, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        first = block % n_blocks * together
        failed += loops.solve_user(&given, block // n_blocks, first, min(first + together, n_kept),
                                   room + threadid() * apart)
    report_workers(workers)
    if failed:
        raise ValueError(f"solve_users: the precisions of {failed} rows are not positive definite")
