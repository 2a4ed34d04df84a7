# What `ridge.pyx` calls of `ridge_loops.pyx`, which is compiled once per SIMD level.

# Arguments of `solve_few`, and its scratch in parts.
cdef struct FewArrays:
    const double *rows
    const double *targets
    const double *mean
    const double *covariance
    double noise
    Py_ssize_t n, width
    double *products   # [n][width]: Z C
    double *gram       # [n][n]: the upper triangle of Z C Z' + noise I, then of its Cholesky factor
    double *rest       # [n]
    double *out

# Arguments of `solve_many`, and its scratch in parts.
cdef struct ManyArrays:
    const double *rows
    const double *targets
    const double *mean
    const double *penalty
    Py_ssize_t n, width
    double *gram       # [width][width]: the upper triangle of Z'Z + penalty, then of its Cholesky factor
    double *out

# False if the matrix is not positive definite.
ctypedef bint (*SolveFew)(const FewArrays *given) noexcept nogil
ctypedef bint (*SolveMany)(const ManyArrays *given) noexcept nogil

cdef struct RidgeLoops:
    SolveFew solve_few
    SolveMany solve_many
