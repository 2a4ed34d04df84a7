"""The row of one user, or item, from a few ratings: the posterior mean of a linear model with a normal prior.

The twin is `cfcore.reference.factorization.ridge`, the inner loops are in `ridge_loops.pyx`.
"""
cimport numpy as cnp

from cfcore.kernels.common.arrays cimport check_array, length, overlaps, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.factorization.ridge_loops cimport FewArrays, RidgeLoops

from cfcore.kernels import simd

cnp.import_array()

cdef const RidgeLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const RidgeLoops *>table_in(capsule)


simd.register("factorization.ridge_loops", _use)


def solve_few(rows, targets, mean, covariance, noise, scratch, out):
    """w = m + C Z' (Z C Z' + noise I)^-1 (y - Z m), which is exact for any number of ratings n.

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
    check_array(rows, cnp.NPY_FLOAT64, 2, False, "solve_few: rows")
    check_array(targets, cnp.NPY_FLOAT64, 1, False, "solve_few: targets")
    check_array(mean, cnp.NPY_FLOAT64, 1, False, "solve_few: mean")
    check_array(covariance, cnp.NPY_FLOAT64, 2, False, "solve_few: covariance")
    check_array(scratch, cnp.NPY_FLOAT64, 1, True, "solve_few: scratch")
    check_array(out, cnp.NPY_FLOAT64, 1, True, "solve_few: out")
    cdef Py_ssize_t n = length(rows), width = length(mean)
    cdef bint solved
    if width % 8:
        raise ValueError(f"solve_few: width must be a multiple of 8, not {width}")
    if cnp.PyArray_DIM(rows, 1) != width or length(targets) != n or length(out) != width or \
            length(covariance) != width or cnp.PyArray_DIM(covariance, 1) != width:
        raise ValueError("solve_few: rows, targets, mean, covariance and out must be of one n and one width")
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
