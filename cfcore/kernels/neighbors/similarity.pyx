"""Similarities of all pairs of items, or of users, from one pass over their co-raters.

Rows are compared with each other (items, say); co-raters are of the other side (users). For a row x every
co-rater's own row is read once, and each entry y on it adds to the sums n, Sx, Sy, Sxx, Syy, Sxy of the pair
(x, y). `half_rows` reads only as far as x itself, so each pair is summed once, and `mirror` copies the half.
The order of summation is that of the co-raters' codes, whatever the threads: same bits. The twin is
`cfcore.reference.neighbors.similarity`, the inner loops are in `similarity_loops.pyx`.

Measures: Pearson, cosine (with centred values: adjusted cosine; with the residuals of a baseline: the Pearson
of Koren, "Factor in the neighbors", TKDD 2010), mean squared difference, Jaccard. `measures.pxd` says how to
add one.
"""
cimport numpy as cnp
from cython cimport floating
from cython.parallel cimport prange, threadid
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cfcore.kernels.common.arrays cimport check_record, is_float32, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.neighbors.measures cimport Rule, n_doubles_of
from cfcore.kernels.neighbors.pair_sums cimport Sides, code_of, entry_t, scratch_bytes, wide_sums_at
from cfcore.kernels.neighbors.similarity_loops cimport HalfRow, SimilarityLoops, TopRow

from cfcore.kernels import simd
from cfcore.kernels.records import (
    MEASURES,
    LevelRatings,
    NearestRows,
    PackedRatings,
    SimilarityMatrix,
    SimilarityRule,
    SimilarityScratch,
    check_span,
    check_written,
)

cnp.import_array()

cdef enum:
    TILE = 64  # rows and columns of the tiles in which `mirror` copies: both sides stay in the cache

cdef const SimilarityLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const SimilarityLoops *>table_in(capsule)


simd.register("neighbors.similarity_loops", _use)


def row_bytes(ratings, rule):
    """Bytes of scratch that a thread needs, a multiple of 64.

    Parameters
    ----------
    ratings : LevelRatings or ValueRatings
    rule : SimilarityRule
    """
    check_record(ratings, PackedRatings, "row_bytes: ratings")
    check_record(rule, SimilarityRule, "row_bytes: rule")
    cdef bint is_packed = isinstance(ratings, LevelRatings)
    return scratch_bytes(ratings.n_rows, is_packed, is_packed and ratings.longest > ratings.spill_every,
                         n_doubles_of(MEASURES[rule.measure]))


cdef Rule rule_of(ratings, rule):
    """What a `SimilarityRule` says about ratings on their scale."""
    # Sums of levels are exact.
    return Rule(measure=MEASURES[rule.measure], offset=ratings.offset, step=ratings.step,
                shrinkage=rule.shrinkage, min_support=rule.min_support, no_overlap=rule.no_overlap,
                tolerance=0 if isinstance(ratings, LevelRatings) else 1e-12)


cdef Sides sides_of(ratings, int measure, bint halves):
    """Pointers to the arrays of packed ratings, and how they are summed."""
    cdef Sides sides = Sides(
        entries=pointer(ratings.entries), indptr=<const int64_t *>pointer(ratings.indptr), ends=NULL,
        co_entries=pointer(ratings.co_entries), co_indptr=<const int64_t *>pointer(ratings.co_indptr),
        products=NULL, n_rows=ratings.n_rows, spill_every=ratings.n + 1, n_doubles=n_doubles_of(measure),
        wide_at=wide_sums_at(ratings.n_rows), halves=halves,
    )
    if halves:
        sides.ends = <const int64_t *>pointer(ratings.ends)
    if isinstance(ratings, LevelRatings):
        sides.products = <const int16_t *>pointer(ratings.products)
        sides.spill_every = ratings.spill_every
    return sides


cdef int check_call(str who, ratings, rule, scratch, span, int n_threads) except -1:
    """Raise unless the scratch and the range of rows fit the ratings."""
    check_record(ratings, PackedRatings, f"{who}: ratings")
    check_record(rule, SimilarityRule, f"{who}: rule")
    check_record(scratch, SimilarityScratch, f"{who}: scratch")
    check_span(who, span, ratings.n_rows, "rows")
    if scratch.n_threads < n_threads or scratch.n_bytes < row_bytes(ratings, rule):
        raise ValueError(f"{who}: scratch needs n_threads rows of row_bytes(...) bytes")
    return 0


cdef Py_ssize_t bad_end(const entry_t *entries, const Sides *sides, Py_ssize_t begin,
                        Py_ssize_t end) noexcept nogil:
    """The first entry [begin, end) whose `ends` is outside the row of its co-rater, or -1."""
    cdef Py_ssize_t e
    cdef int64_t co
    for e in range(begin, end):
        co = code_of(entries[e])
        if not sides.co_indptr[co] <= sides.ends[e] <= sides.co_indptr[co + 1]:
            return e
    return -1


def half_rows(ratings, rule, matrix, scratch, span, n_threads):
    """Similarity of each of the rows [begin, end) to every row before it.

    Parameters
    ----------
    ratings : LevelRatings or ValueRatings
        With `ends`.
    rule : SimilarityRule
    matrix : SimilarityMatrix, changed in place
        Row x gets columns 0..x, the diagonal 1; the rest is left to `mirror`.
    scratch : SimilarityScratch, overwritten
    span : (int, int)
        The range [begin, end) of rows.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together, share memory that would be written, or `ends` is out of range.

    Notes
    -----
    O(sum of the co-raters' row lengths) additions of one 128-bit vector (levels) or of four or six doubles
    (values). Sums of levels are exact. The same bits for any n_threads, slicing and SIMD level.
    """
    cdef int workers = 0, team = team_size(n_threads)
    check_call("half_rows", ratings, rule, scratch, span, n_threads)
    check_record(matrix, SimilarityMatrix, "half_rows: matrix")
    check_written((matrix, scratch), (ratings,))
    if ratings.ends is None:
        raise ValueError("half_rows: ratings needs ends")
    if matrix.n_rows != ratings.n_rows:
        raise ValueError("half_rows: matrix must have a row for each row of ratings")
    cdef Rule r = rule_of(ratings, rule)
    cdef Sides sides = sides_of(ratings, r.measure, True)
    cdef Py_ssize_t k, bad, begin = span[0], end = span[1], n_bytes = scratch.n_bytes
    cdef Py_ssize_t row_size = sides.n_rows * (4 if is_float32(matrix.values) else 8)
    cdef char *sums = <char *>pointer(scratch.sums)
    cdef char *out = <char *>pointer(matrix.values)
    cdef bint levels = isinstance(ratings, LevelRatings), single = is_float32(matrix.values)
    cdef HalfRow half_row = loops.half_values_f64
    if levels:
        half_row = loops.half_levels_f32 if single else loops.half_levels_f64
    elif single:
        half_row = loops.half_values_f32
    with nogil:
        if levels:
            bad = bad_end(<const uint32_t *>sides.entries, &sides, sides.indptr[begin], sides.indptr[end])
        else:
            bad = bad_end(<const uint64_t *>sides.entries, &sides, sides.indptr[begin], sides.indptr[end])
    if bad >= 0:
        raise ValueError(f"half_rows: ends[{bad}] is outside the row of its co-rater")
    # The later a row, the more partners before it: longest first, threads finish at about the same time.
    for k in prange(end - begin, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        half_row(&sides, &r, end - 1 - k, sums + threadid() * n_bytes, out + (end - 1 - k) * row_size)
    report_workers(workers)


def top_rows(ratings, rule, nearest, scratch, span, n_threads):
    """The most similar rows of each of the rows [begin, end).

    Parameters
    ----------
    ratings : LevelRatings or ValueRatings
    rule : SimilarityRule
        `no_overlap` is of no effect: pairs without co-raters are left out.
    nearest : NearestRows, changed in place
        Row x gets the n_kept rows most similar to it, the most similar first, ties in the order of their
        codes; code -1 and similarity 0 fill up. Left out are x and rows with which it has fewer than
        max(1, min_support) co-raters.
    scratch : SimilarityScratch, overwritten
    span : (int, int)
        The range [begin, end) of rows.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together or share memory that would be written.

    Notes
    -----
    Every pair is summed twice, once for each side, so that memory is that of the result and of `scratch`.
    """
    cdef int workers = 0, team = team_size(n_threads)
    check_call("top_rows", ratings, rule, scratch, span, n_threads)
    check_record(nearest, NearestRows, "top_rows: nearest")
    check_written((nearest, scratch), (ratings,))
    if nearest.n_rows != ratings.n_rows or nearest.n_kept < 1:
        raise ValueError("top_rows: nearest must have a row for each row of ratings, and at least one column")
    cdef Rule r = rule_of(ratings, rule)
    cdef Sides sides = sides_of(ratings, r.measure, False)
    cdef Py_ssize_t x, begin = span[0], end = span[1], n_bytes = scratch.n_bytes, top = nearest.n_kept
    cdef Py_ssize_t value_size = 4 if is_float32(nearest.values) else 8
    cdef char *sums = <char *>pointer(scratch.sums)
    cdef int32_t *codes = <int32_t *>pointer(nearest.codes)
    cdef char *values = <char *>pointer(nearest.values)
    cdef bint levels = isinstance(ratings, LevelRatings), single = is_float32(nearest.values)
    cdef TopRow top_row = loops.top_values_f64
    if levels:
        top_row = loops.top_levels_f32 if single else loops.top_levels_f64
    elif single:
        top_row = loops.top_values_f32
    memset(sums, 0, scratch.n_threads * n_bytes)
    for x in prange(begin, end, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        top_row(&sides, &r, x, sums + threadid() * n_bytes, top, codes + x * top,
                values + x * top * value_size)
    report_workers(workers)


def mirror(matrix, span, n_threads):
    """Copy the half below the diagonal to the half above it, for the target rows [begin, end).

    Parameters
    ----------
    matrix : SimilarityMatrix, changed in place
    span : (int, int)
        The range [begin, end) of rows.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When `matrix` is not the record that it should be.
    ValueError
        When it is read-only or the rows are not in it.
    """
    cdef int workers = 0, team = team_size(n_threads)
    check_record(matrix, SimilarityMatrix, "mirror: matrix")
    check_written((matrix,))
    cdef Py_ssize_t k, n = matrix.n_rows, begin, end
    begin, end = check_span("mirror", span, n, "rows")
    cdef Py_ssize_t n_tiles = (end - begin + TILE - 1) // TILE
    cdef void *out = pointer(matrix.values)
    cdef bint single = is_float32(matrix.values)
    for k in prange(n_tiles, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        if single:
            mirror_tile(<float *>out, n, begin + TILE * k, min(begin + TILE * (k + 1), end))
        else:
            mirror_tile(<double *>out, n, begin + TILE * k, min(begin + TILE * (k + 1), end))
    report_workers(workers)


cdef void mirror_tile(floating *out, Py_ssize_t n, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Fill rows [first, last) right of the diagonal, tile by tile."""
    cdef Py_ssize_t i, j, left = first
    while left < n:
        for i in range(first, last):
            for j in range(max(left, i + 1), min(left + TILE, n)):
                out[i * n + j] = out[j * n + i]
        left += TILE
