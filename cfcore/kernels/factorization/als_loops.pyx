"""Loops of `cfcore.kernels.factorization.als`."""
from libc.math cimport INFINITY
from libc.stdint cimport int32_t
from libc.string cimport memset

from cfcore.kernels.common.lanes cimport cf_dot_f64
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.factorization.als_loops cimport SCALARS, ALSLoops, SolveArrays, sums_size
from cfcore.kernels.factorization.gibbs_loops cimport BATCH, LONG, PIECE, TILE, WIDEST

cdef extern from "factorization/gibbs.h" nogil:
    void add_products "cf_add_products"(double *gram, const float *scaled, const float *z, Py_ssize_t n,
                                        Py_ssize_t width, double *rest, const float *targets) noexcept
    void add_targets "cf_add_targets"(double *rest, const float *scaled, const float *targets, Py_ssize_t n,
                                      Py_ssize_t width) noexcept
    void gather_rows "cf_gather_rows"(float *z, double *ones, const float *columns, const int32_t *indices,
                                      Py_ssize_t n, Py_ssize_t ahead, Py_ssize_t width) noexcept

cdef extern from "factorization/cholesky.h" nogil:
    bint factorise_groups "cf_factorise_groups"(double *a, double *inverses, Py_ssize_t n,
                                                Py_ssize_t stride) noexcept
    void solve_lower_two "cf_solve_lower_two"(const double *a, const double *inverses, double *first,
                                              double *second, Py_ssize_t n, Py_ssize_t stride) noexcept
    void solve_upper_groups "cf_solve_upper_groups"(const double *a, const double *inverses, double *right,
                                                    Py_ssize_t n, Py_ssize_t stride) noexcept

cdef extern from "factorization/row_batches.h" nogil:
    void to_lanes "cf_to_lanes"(double *out, const double **rows, Py_ssize_t at, const double *factors,
                                const double *added, Py_ssize_t n) noexcept
    void factorise_batch "cf_factorise_batch"(double *batch, double *inverses, Py_ssize_t n,
                                              Py_ssize_t stride, int rights) noexcept
    void solve_upper_batch "cf_solve_batch"(const double *batch, const double *inverses, double *right,
                                            Py_ssize_t n, Py_ssize_t stride) noexcept


cdef inline void sum_tiles(const SolveArrays *given, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t width,
                           bint weighted, double *room, float *tiles) noexcept nogil:
    """Sums of z z', z t, z, t t, t and 1, each times the weight: of vectors as in `gibbs_loops`."""
    cdef double *gram = room + SCALARS
    cdef double *rest = gram + width * width
    cdef double *ones = rest + width
    cdef float *z = tiles
    cdef float *scaled = z
    cdef float[64] targets  # TILE
    cdef float[64] units
    cdef const float *row
    cdef float weight = 1, target
    cdef double product, squares = 0, total = 0, n_weights = 0
    cdef Py_ssize_t first, k, n, f
    cdef int32_t column
    memset(gram, 0, (width + 2) * width * sizeof(double))
    if weighted:
        scaled = z + TILE * width
        for k in range(TILE):
            units[k] = 1
    for first in range(begin, end, 64):  # TILE, as a literal: Cython makes a C loop of it
        n = min(<Py_ssize_t>TILE, end - first)
        for k in range(n):
            column = given.indices[first + k]
            target = <float>(given.values[first + k] - given.mean - given.column_biases[column])
            targets[k] = target
            product = target
            if weighted:
                weight = given.weights[first + k]
                product *= weight
                row = given.columns + column * width
                for f in range(width):
                    scaled[k * width + f] = row[f] * weight
                    z[k * width + f] = row[f]
            squares += product * target
            total += product
            n_weights += weight
        if weighted:
            add_targets(ones, scaled, units, n, width)
        else:
            gather_rows(z, ones, given.columns, given.indices + first, n, end - first, width)
        add_products(gram, scaled, z, n, width, rest, targets)
    room[0], room[1], room[2] = squares, total, n_weights


cdef void sum_piece(const SolveArrays *given, Py_ssize_t begin, Py_ssize_t end, double *sums,
                    float *tiles) noexcept nogil:
    """`sum_tiles`, compiled for up to 16, 32 and 64 factors separately: rows are unrolled."""
    if given.weights != NULL:
        sum_tiles(given, begin, end, given.width, True, sums, tiles)
    elif given.width == 16:
        sum_tiles(given, begin, end, 16, False, sums, tiles)
    elif given.width == 32:
        sum_tiles(given, begin, end, 32, False, sums, tiles)
    elif given.width == 64:
        sum_tiles(given, begin, end, 64, False, sums, tiles)
    else:
        sum_tiles(given, begin, end, given.width, False, sums, tiles)


cdef inline void sum_row(const SolveArrays *given, Py_ssize_t row, double *sums, double *spare,
                         float *tiles) noexcept nogil:
    """The sums of all pieces of a row, which are added in their order."""
    cdef Py_ssize_t first, at, end = given.indptr[row + 1]
    sum_piece(given, given.indptr[row], min(given.indptr[row] + PIECE, end), sums, tiles)
    for first in range(given.indptr[row] + PIECE, end, 2048):  # PIECE, as a literal
        sum_piece(given, first, min(first + PIECE, end), spare, tiles)
        for at in range(sums_size(given.width)):
            sums[at] += spare[at]


cdef inline Py_ssize_t solve_together(const SolveArrays *given, const Py_ssize_t *rows, Py_ssize_t n_rows,
                                      double **sums, double *batch, Py_ssize_t width) noexcept nogil:
    """Up to 8 rows from their sums: see `solve_alone`, of which this is each step for all rows."""
    cdef Py_ssize_t stride = width + 2, f, lane, begin, row, failed = 0
    cdef double *inverses = batch + BATCH * width * stride
    cdef double *x = inverses + BATCH * width  # the solutions
    cdef double *rest = x + BATCH * width
    cdef double *ones = rest + BATCH * width
    cdef double[8] units  # BATCH
    cdef double[8] penalty
    cdef double[8] bias
    cdef double[8] squares
    cdef double[8] pivot
    cdef double[64] zeros  # WIDEST
    cdef const double *held[8]
    cdef bint is_good
    cdef double right, centre
    memset(zeros, 0, sizeof(zeros))
    for lane in range(8):
        units[lane] = 1
        held[lane] = sums[min(lane, n_rows - 1)]
        penalty[lane] = given.penalty[rows[min(lane, n_rows - 1)]]
    for f in range(width):
        begin = f // 8 * 8
        to_lanes(batch + (f * stride + begin) * 8, held, SCALARS + f * width + begin, units, zeros,
                 width - begin)
    to_lanes(rest, held, SCALARS + width * width, units, zeros, width)
    to_lanes(ones, held, SCALARS + width * (width + 1), units, zeros, width)
    for f in range(width):
        for lane in range(8):
            right = rest[f * 8 + lane]
            if given.centres != NULL:
                centre = given.centres[rows[min(lane, n_rows - 1)] * width + f]
                right += penalty[lane] * centre
            batch[(f * stride + f) * 8 + lane] += penalty[lane]
            batch[(f * stride + width) * 8 + lane] = right
            batch[(f * stride + width + 1) * 8 + lane] = ones[f * 8 + lane]
    factorise_batch(batch, inverses, width, stride, 2)
    for lane in range(8):
        bias[lane] = 0
        squares[lane] = held[lane][0]
        pivot[lane] = 1
    if given.bias_penalty != NULL:
        for lane in range(8):
            pivot[lane] = held[lane][2] + given.bias_penalty[rows[min(lane, n_rows - 1)]]
            bias[lane] = held[lane][1]
        for f in range(width):
            for lane in range(8):
                right = batch[(f * stride + width + 1) * 8 + lane]
                pivot[lane] -= right * right
                bias[lane] -= right * batch[(f * stride + width) * 8 + lane]
        for lane in range(8):
            bias[lane] /= pivot[lane]
            squares[lane] += bias[lane] * (bias[lane] * held[lane][2] - 2 * held[lane][1])
    for f in range(width):
        for lane in range(8):
            right = batch[(f * stride + width) * 8 + lane]
            right -= bias[lane] * batch[(f * stride + width + 1) * 8 + lane]
            squares[lane] += right * right
            x[f * 8 + lane] = right
    solve_upper_batch(batch, inverses, x, width, stride)
    for f in range(width):
        for lane in range(8):
            right = 2 * (bias[lane] * ones[f * 8 + lane] - rest[f * 8 + lane])
            squares[lane] += x[f * 8 + lane] * (right - penalty[lane] * x[f * 8 + lane])
    for lane in range(n_rows):
        row = rows[lane]
        is_good = pivot[lane] > 0
        for f in range(width):
            is_good &= 0 < inverses[f * 8 + lane] < INFINITY
        failed += not is_good
        for f in range(width):
            given.rows[row * width + f] = <float>x[f * 8 + lane]
        if given.bias_penalty != NULL:
            given.biases[row] = <float>bias[lane]
        given.squares[row] = max(squares[lane], 0.0)
    return failed


cdef inline bint solve_alone(const SolveArrays *given, Py_ssize_t row, double *sums,
                             double *room) noexcept nogil:
    """A wide row from its sums, which are overwritten."""
    cdef Py_ssize_t width = given.width, f
    cdef double *gram = sums + SCALARS
    cdef double *rest = gram + width * width
    cdef double *ones = rest + width
    cdef double *solution = room
    cdef double *border = solution + width
    cdef double *inverses = border + width
    cdef double penalty = given.penalty[row], bias = 0, pivot, squares = sums[0]
    for f in range(width):
        gram[f * width + f] += penalty
        solution[f] = rest[f]
        border[f] = ones[f]
    if given.centres != NULL:
        for f in range(width):
            solution[f] += penalty * given.centres[row * width + f]
    if not factorise_groups(gram, inverses, width, width):
        return False
    solve_lower_two(gram, inverses, solution, border, width, width)
    if given.bias_penalty != NULL:
        # The bias is one more row and column of the matrix, whose factor is `border` and the root of `pivot`.
        pivot = sums[2] + given.bias_penalty[row]
        bias = sums[1]
        if width:
            pivot -= cf_dot_f64(border, border, width)
            bias -= cf_dot_f64(border, solution, width)
        if not pivot > 0:
            return False
        bias /= pivot
        for f in range(width):
            solution[f] -= bias * border[f]
        given.biases[row] = <float>bias
        squares += bias * (bias * sums[2] - 2 * sums[1])
    # The product of factor and row: its square is that of the row by the matrix.
    if width:
        squares += cf_dot_f64(solution, solution, width)
        solve_upper_groups(gram, inverses, solution, width, width)
        for f in range(width):
            border[f] = 2 * (bias * ones[f] - rest[f]) - penalty * solution[f]
        squares += cf_dot_f64(solution, border, width)
    for f in range(width):
        given.rows[row * width + f] = <float>solution[f]
    given.squares[row] = max(squares, 0.0)
    return True


cdef inline Py_ssize_t batch_size(Py_ssize_t width) noexcept nogil:
    return 1 if width > WIDEST else BATCH


cdef inline double *solver_room(double *room, Py_ssize_t width) noexcept nogil:
    return room + (batch_size(width) + 1) * sums_size(width) + TILE * width


cdef inline Py_ssize_t finish_batch(const SolveArrays *given, const Py_ssize_t *rows, Py_ssize_t n_rows,
                                    double **sums, double *room) noexcept nogil:
    """`solve_together`, compiled for 16, 32 and 64 numbers separately."""
    if given.width > WIDEST:
        return not solve_alone(given, rows[0], sums[0], room)
    if given.width == 16:
        return solve_together(given, rows, n_rows, sums, room, 16)
    if given.width == 32:
        return solve_together(given, rows, n_rows, sums, room, 32)
    if given.width == 64:
        return solve_together(given, rows, n_rows, sums, room, 64)
    return solve_together(given, rows, n_rows, sums, room, given.width)


cdef Py_ssize_t finish_row(const SolveArrays *given, Py_ssize_t row, double *sums,
                           double *room) noexcept nogil:
    return finish_batch(given, &row, 1, &sums, solver_room(room, given.width))


cdef Py_ssize_t solve_batch(const SolveArrays *given, Py_ssize_t begin, Py_ssize_t end,
                            double *room) noexcept nogil:
    cdef Py_ssize_t size = sums_size(given.width), n = 0, row, failed = 0
    cdef Py_ssize_t most = batch_size(given.width)
    cdef double *spare = room + most * size
    cdef float *tiles = <float *>(spare + size)
    cdef double *solver = solver_room(room, given.width)
    cdef Py_ssize_t[8] rows  # BATCH
    cdef double *sums[8]
    for row in range(begin, end):
        if given.indptr[row + 1] - given.indptr[row] <= LONG:
            rows[n], sums[n] = row, room + n * size
            sum_row(given, row, sums[n], spare, tiles)
            n += 1
        if n == most:
            failed += finish_batch(given, rows, n, sums, solver)
            n = 0
    return failed + (finish_batch(given, rows, n, sums, solver) if n else 0)


cdef ALSLoops loops = ALSLoops(sum_piece=sum_piece, solve_batch=solve_batch, finish_row=finish_row)
table = capsule_of(&loops)
