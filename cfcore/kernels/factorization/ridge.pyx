"""The row of one user, or item, from ratings: the posterior mean of a linear model with a normal prior.

`solve_few` and `solve_many` give the same but for rounding, and differ in cost.

The twin is `cfcore.reference.factorization.ridge`, the inner loops are in `ridge_loops.pyx`.
"""
cimport numpy as cnp

from cfcore.kernels.common.arrays cimport check_array, length, overlaps, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.factorization.ridge_loops cimport FewArrays, ManyArrays, RidgeLoops

from cfcore.kernels import simd

cnp.import_array()

cdef const RidgeLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const RidgeLoops *>table_in(capsule)


simd.register("factorization.ridge_loops", _use)


def solve_few(rows, targets, mean, covariance, noise, scratch, out):
    """w = m + C Z' (Z C Z' + noise I)^-1 (y - Z m), by as many equations as ratings.

    Parameters
    ----------
    rows : float64[n, width]
        Z: a row for each rating, such as the factors of the item and 1.
    targets : float64[n]
        y: the ratings, less what is known of them.
    mean, covariance : float64[width], float64[width, width]
        m and C of the prior of w; C is symmetric.
    noise : float
        Variance of a rating around Z w.
    scratch : float64[n (width + n + 1)], overwritten
    out : float64[width], overwritten

    Returns
    -------
    bool
        False if Z C Z' + noise I is not positive definite in double, or not finite: there is no result then.

    Raises
    ------
    TypeError
        When an argument is not the array or number that it should be.
    ValueError
        When shapes do not fit together, width is no multiple of 8, scratch is too small, or an array that is
        written is read-only or shares memory with another argument.

    Notes
    -----
    O(n width^2 + n^2 width + n^3), by a Cholesky factorisation; one thread. The same bits at any SIMD level.
    (Woodbury's form of ridge regression; Rasmussen and Williams, "Gaussian processes for machine learning",
    2006, section 2.1.)
    """
    cdef Py_ssize_t n = check_shapes("solve_few", rows, targets, mean, covariance, out)
    cdef Py_ssize_t width = length(mean)
    cdef bint solved
    check_array(scratch, cnp.NPY_FLOAT64, 1, True, "solve_few: scratch")
    if length(scratch) < n * (width + n + 1):
        raise ValueError(f"solve_few: scratch must have {n * (width + n + 1)} numbers, not {length(scratch)}")
    read = rows, targets, mean, covariance
    if overlaps(scratch, (*read, out)) or overlaps(out, read):
        raise ValueError("solve_few: scratch or out shares memory with another argument")
    cdef double *room = <double *>pointer(scratch)
    cdef FewArrays given = FewArrays(
        rows=<const double *>pointer(rows), targets=<const double *>pointer(targets),
        mean=<const double *>pointer(mean), covariance=<const double *>pointer(covariance), noise=noise,
        n=n, width=width, products=room, gram=room + n * width, rest=room + n * (width + n),
        out=<double *>pointer(out),
    )
    with nogil:
        solved = loops.solve_few(&given)
    return bool(solved)


def solve_many(rows, targets, mean, penalty, scratch, out):
    """w = m + (Z'Z + noise C^-1)^-1 Z' (y - Z m), by as many equations as numbers in w.

    Parameters
    ----------
    rows, targets, mean
        As of `solve_few`.
    penalty : float64[width, width]
        noise C^-1, symmetric.
    scratch : float64[width^2], overwritten
    out : float64[width], overwritten

    Returns
    -------
    bool
        False if Z'Z + noise C^-1 is not positive definite in double, or not finite: there is no result then.

    Raises
    ------
    TypeError, ValueError
        As from `solve_few`.

    Notes
    -----
    O(n width^2 + width^3), by a Cholesky factorisation; one thread. The same bits at any SIMD level.
    """
    cdef Py_ssize_t n = check_shapes("solve_many", rows, targets, mean, penalty, out), width = length(mean)
    cdef bint solved
    check_array(scratch, cnp.NPY_FLOAT64, 1, True, "solve_many: scratch")
    if length(scratch) < width * width:
        raise ValueError(f"solve_many: scratch must have {width * width} numbers, not {length(scratch)}")
    read = rows, targets, mean, penalty
    if overlaps(scratch, (*read, out)) or overlaps(out, read):
        raise ValueError("solve_many: scratch or out shares memory with another argument")
    cdef ManyArrays given = ManyArrays(
        rows=<const double *>pointer(rows), targets=<const double *>pointer(targets),
        mean=<const double *>pointer(mean), penalty=<const double *>pointer(penalty), n=n, width=width,
        gram=<double *>pointer(scratch), out=<double *>pointer(out),
    )
    with nogil:
        solved = loops.solve_many(&given)
    return bool(solved)


cdef Py_ssize_t check_shapes(str function, rows, targets, mean, matrix, out) except -1:
    """Check the arguments that both functions have; the number of rows."""
    check_array(rows, cnp.NPY_FLOAT64, 2, False, f"{function}: rows")
    check_array(targets, cnp.NPY_FLOAT64, 1, False, f"{function}: targets")
    check_array(mean, cnp.NPY_FLOAT64, 1, False, f"{function}: mean")
    check_array(matrix, cnp.NPY_FLOAT64, 2, False, f"{function}: matrix")
    check_array(out, cnp.NPY_FLOAT64, 1, True, f"{function}: out")
    cdef Py_ssize_t n = length(rows), width = length(mean)
    if width % 8:
        raise ValueError(f"{function}: width must be a multiple of 8, not {width}")
    if cnp.PyArray_DIM(rows, 1) != width or length(targets) != n or length(out) != width or \
            length(matrix) != width or cnp.PyArray_DIM(matrix, 1) != width:
        raise ValueError(f"{function}: rows, targets, mean, matrix and out must be of one n and one width")
    return n
