"""Loops of `cfcore.kernels.factorization.gibbs`."""
from libc.math cimport INFINITY, sqrt
from libc.stdint cimport uint32_t
from libc.string cimport memset

from cfcore.kernels.common.lanes cimport cf_dot_f32, cf_prefetch_read
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.common.normals cimport normals
from cfcore.kernels.factorization.gibbs_loops cimport (
    BATCH,
    LONG,
    PIECE,
    TILE,
    WIDEST,
    GibbsLoops,
    ProductArrays,
    RowArrays,
    sums_size,
)

cdef extern from "factorization/gibbs.h" nogil:
    void add_products "cf_add_products"(double *gram, const float *scaled, const float *z, Py_ssize_t n,
                                        Py_ssize_t width, double *rest, const float *targets) noexcept
    void add_squares "cf_add_squares"(double (*sums)[8], const float *targets, const float *products,
                                      const float *weights, Py_ssize_t n) noexcept

cdef extern from "factorization/row_solutions.h" nogil:
    void add_combination "cf_add_combination"(double *to, const double *rows, const double *times,
                                              Py_ssize_t n) noexcept
    bint factorise "cf_factorise"(double *gram, double *inverse, double *scaled, Py_ssize_t n,
                                  Py_ssize_t width) noexcept
    void solve_lower "cf_solve_lower"(const double *factor, double *rest, Py_ssize_t n,
                                      Py_ssize_t width) noexcept
    void solve_upper "cf_solve_upper"(const double *factor, double *rest, Py_ssize_t n,
                                      Py_ssize_t width) noexcept

cdef extern from "factorization/row_batches.h" nogil:
    void to_lanes "cf_to_lanes"(double *out, const double **rows, Py_ssize_t at, const double *factors,
                                const double *added, Py_ssize_t n) noexcept
    void factorise_batch "cf_factorise_batch"(double *batch, double *inverses, Py_ssize_t n,
                                              Py_ssize_t stride, int rights) noexcept
    void solve_upper_batch "cf_solve_batch"(const double *batch, const double *inverses, double *right,
                                            Py_ssize_t n, Py_ssize_t stride) noexcept

cdef enum:
    AHEAD = 24  # ratings between asking for the row of a column and copying it


cdef inline void sum_tiles(const RowArrays *given, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t width,
                           bint weighted, double *sums, float *tiles) noexcept nogil:
    """Sums of z z' and of z times target: tiles in float32, in the order of the ratings, then in double."""
    cdef double *rest = sums + width * width
    cdef float *z = tiles
    cdef float *scaled = z
    cdef const float *row
    cdef float weight
    cdef Py_ssize_t first, k, n, f
    memset(sums, 0, sums_size(width) * sizeof(double))
    if weighted:
        scaled = z + TILE * width
    for first in range(begin, end, 64):  # TILE, as a literal: Cython makes a C loop of it
        n = min(<Py_ssize_t>TILE, end - first)
        for k in range(n):
            if first + k + AHEAD < end:
                cf_prefetch_read(given.columns + given.indices[first + k + AHEAD] * width,
                                 width * sizeof(float))
            row = given.columns + given.indices[first + k] * width
            for f in range(width):
                z[k * width + f] = row[f]
            if weighted:
                weight = given.column_weight[given.indices[first + k]]
                if given.weights != NULL:
                    weight *= given.weights[first + k]
                for f in range(width):
                    scaled[k * width + f] = row[f] * weight
        add_products(sums, scaled, z, n, width, rest, given.targets + first)


cdef void sum_piece(const RowArrays *given, Py_ssize_t begin, Py_ssize_t end, double *sums,
                    float *tiles) noexcept nogil:
    """`sum_tiles`, compiled for up to 16 and up to 32 factors separately: rows are unrolled."""
    if given.width == 16:
        if given.column_weight == NULL:
            sum_tiles(given, begin, end, 16, False, sums, tiles)
        else:
            sum_tiles(given, begin, end, 16, True, sums, tiles)
    elif given.width == 32:
        if given.column_weight == NULL:
            sum_tiles(given, begin, end, 32, False, sums, tiles)
        else:
            sum_tiles(given, begin, end, 32, True, sums, tiles)
    else:
        sum_tiles(given, begin, end, given.width, given.column_weight != NULL, sums, tiles)


cdef inline void sum_row(const RowArrays *given, Py_ssize_t row, double *sums, double *spare,
                         float *tiles) noexcept nogil:
    """The sums of all pieces of a row, which are added in their order."""
    cdef Py_ssize_t first, at, end = given.indptr[row + 1]
    sum_piece(given, given.indptr[row], min(given.indptr[row] + PIECE, end), sums, tiles)
    for first in range(given.indptr[row] + PIECE, end, 2048):  # PIECE, as a literal
        sum_piece(given, first, min(first + PIECE, end), spare, tiles)
        for at in range(sums_size(given.width)):
            sums[at] += spare[at]


cdef inline void add_prior(const RowArrays *given, Py_ssize_t row, double *rest) noexcept nogil:
    """The right-hand side of a row from its sum of targets."""
    cdef Py_ssize_t i, n = given.n_factors
    for i in range(n):
        rest[i] *= given.row_precision[row]
    add_combination(rest, given.precision, given.prior_mean + row * n, n)


cdef inline Py_ssize_t solve_batch(const RowArrays *given, const Py_ssize_t *rows, Py_ssize_t n_rows,
                                   const double **sums, double *batch, Py_ssize_t width) noexcept nogil:
    """The draws of up to 8 rows from their sums."""
    cdef Py_ssize_t n = given.n_factors, stride = width + 1, i, lane, begin, failed = 0
    cdef Py_ssize_t size = (n + 7) // 8 * 8
    cdef double *inverses = batch + BATCH * width * stride
    cdef double *solutions = inverses + BATCH * width
    cdef double[8] factors  # BATCH
    cdef double[8] ones
    cdef double[64] zeros  # WIDEST
    cdef double[8][64] numbers
    cdef const double *held[8]
    cdef bint is_good
    memset(zeros, 0, sizeof(zeros))
    for lane in range(8):
        ones[lane] = 1
        factors[lane] = given.row_precision[rows[min(lane, n_rows - 1)]]
        held[lane] = sums[min(lane, n_rows - 1)]
    for i in range(size):
        begin = i // 8 * 8
        to_lanes(batch + (i * stride + begin) * 8, held, i * width + begin, factors,
                 given.padded + i * width + begin, size - begin)
    to_lanes(solutions, held, width * width, ones, zeros, size)
    for i in range(size):
        for lane in range(8):
            batch[(i * stride + size) * 8 + lane] = solutions[i * 8 + lane]
    factorise_batch(batch, inverses, size, stride, 1)
    for lane in range(n_rows):
        is_good = True
        for i in range(size):
            is_good &= 0 < inverses[i * 8 + lane] < INFINITY
        failed += not is_good
    for lane in range(8):
        held[lane] = numbers[min(lane, n_rows - 1)]
        if lane < n_rows:
            for i in range(0, n, 16):  # 2 CF_SLOTS, as a literal
                normals(given.seed, given.kind, given.sweep, <uint32_t>rows[lane] * given.own_numbers,
                        <uint32_t>(i // 2), numbers[lane] + i)
    to_lanes(solutions, held, 0, ones, zeros, size)
    for i in range(size):
        for lane in range(8):
            solutions[i * 8 + lane] += batch[(i * stride + size) * 8 + lane]
    solve_upper_batch(batch, inverses, solutions, size, stride)
    for lane in range(n_rows):
        for i in range(n):
            given.rows[rows[lane] * width + i] = <float>solutions[i * 8 + lane]
    if given.means != NULL:
        for i in range(size):
            for lane in range(8):
                solutions[i * 8 + lane] = batch[(i * stride + size) * 8 + lane]
        solve_upper_batch(batch, inverses, solutions, size, stride)
        for lane in range(n_rows):
            for i in range(n):
                given.means[rows[lane] * width + i] = <float>solutions[i * 8 + lane]
    return failed


cdef inline bint solve_alone(const RowArrays *given, Py_ssize_t row, double *sums,
                             double *room) noexcept nogil:
    """The draw of a wide row from its sums, which are overwritten."""
    cdef Py_ssize_t n = given.n_factors, width = given.width, i, j
    cdef Py_ssize_t size = (n + 7) // 8 * 8  # whole blocks
    cdef double alpha = given.row_precision[row]
    cdef double *rest = sums + width * width
    cdef double *inverse = room  # of the diagonal of the factor
    cdef double *noise = inverse + width
    cdef double *scaled = noise + width  # 8 rows, in place of the tiles
    for i in range(size):
        for j in range(i // 8 * 8, size):
            sums[i * width + j] = alpha * sums[i * width + j] + given.padded[i * width + j]
    if not factorise(sums, inverse, scaled, size, width):
        return False
    solve_lower(sums, rest, size, width)
    for i in range(0, n, 16):  # 2 CF_SLOTS, as a literal
        normals(given.seed, given.kind, given.sweep, <uint32_t>row * given.own_numbers, <uint32_t>(i // 2),
                noise + i)
    for i in range(size):
        rest[i] *= inverse[i]
        noise[i] = rest[i] + noise[i] * sqrt(inverse[i])
    solve_upper(sums, noise, size, width)
    for i in range(n):
        given.rows[row * width + i] = <float>noise[i]
    if given.means != NULL:
        solve_upper(sums, rest, size, width)
        for i in range(n):
            given.means[row * width + i] = <float>rest[i]
    return True


cdef inline Py_ssize_t finish_batch(const RowArrays *given, const Py_ssize_t *rows, Py_ssize_t n_rows,
                                    double **sums, double *room) noexcept nogil:
    """`solve_batch`, compiled for up to 16 and up to 32 factors separately."""
    cdef Py_ssize_t lane, failed, width = given.width
    for lane in range(n_rows):
        add_prior(given, rows[lane], sums[lane] + width * width)
    if width > WIDEST:
        failed = not solve_alone(given, rows[0], sums[0], room)
    elif width == 16:
        failed = solve_batch(given, rows, n_rows, <const double **>sums, room, 16)
    elif width == 32:
        failed = solve_batch(given, rows, n_rows, <const double **>sums, room, 32)
    else:
        failed = solve_batch(given, rows, n_rows, <const double **>sums, room, width)
    return failed


cdef Py_ssize_t finish_row(const RowArrays *given, Py_ssize_t row, double *sums,
                           double *room) noexcept nogil:
    return finish_batch(given, &row, 1, &sums, solver_room(room, given.width))


cdef inline Py_ssize_t batch_size(Py_ssize_t width) noexcept nogil:
    return 1 if width > WIDEST else BATCH


cdef inline double *solver_room(double *room, Py_ssize_t width) noexcept nogil:
    return room + (batch_size(width) + 1) * sums_size(width) + TILE * width


cdef Py_ssize_t draw_batch(const RowArrays *given, Py_ssize_t begin, Py_ssize_t end,
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


cdef inline void multiply(const ProductArrays *given, Py_ssize_t row, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t first, k, n, end = given.indptr[row + 1]
    cdef double[3][8] sums
    cdef const float *x = given.rows + row * width
    memset(sums, 0, sizeof(sums))
    for first in range(given.indptr[row], end, 64):  # TILE, as a literal
        n = min(<Py_ssize_t>TILE, end - first)
        for k in range(first, first + n):
            given.products[k] = cf_dot_f32(x, given.columns + given.indices[k] * width, width)
        if given.weights == NULL:
            add_squares(sums, given.targets + first, given.products + first, NULL, n)
        else:
            add_squares(sums, given.targets + first, given.products + first, given.weights + first, n)
    for k in range(3):
        given.squares[3 * row + k] = (((sums[k][0] + sums[k][4]) + (sums[k][2] + sums[k][6]))
                                      + ((sums[k][1] + sums[k][5]) + (sums[k][3] + sums[k][7])))


cdef void multiply_row(const ProductArrays *given, Py_ssize_t row) noexcept nogil:
    """`multiply`, compiled for up to 16 and up to 32 factors separately: rows are unrolled."""
    if given.width == 16:
        multiply(given, row, 16)
    elif given.width == 32:
        multiply(given, row, 32)
    else:
        multiply(given, row, given.width)


cdef GibbsLoops loops = GibbsLoops(
    sum_piece=sum_piece, draw_batch=draw_batch, finish_row=finish_row, multiply_row=multiply_row,
)
table = capsule_of(&loops)
