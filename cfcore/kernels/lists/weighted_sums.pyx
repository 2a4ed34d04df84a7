"""Scores of items by their weights in each other: sums of the rows of a matrix.

Terms are added in float32, in the order of the ratings: the same bits for any number of threads, any SIMD
level, and for a user alone or among many. The twin is `cfcore.reference.lists.weighted_sums`.
"""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.common.arrays cimport check_record, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.lists.ease_loops cimport USERS_TOGETHER, EaseLoops, ScoreArrays

from cfcore.kernels import simd
from cfcore.kernels.records import ItemWeights, RatingRows, UserScores, check_written

cnp.import_array()

cdef enum:
    PANEL = 64  # items whose weights, of all items, stay in the cache while users follow each other
    MANY = 16  # users from which on items are scored in panels

cdef const EaseLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const EaseLoops *>table_in(capsule)


simd.register("lists.ease_loops", _use)


def score_rows(rated, weights, out, n_threads):
    """Scores of all items for users: sums of the weights of the items that they rated.

    Parameters
    ----------
    rated : RatingRows
        What the ratings of each user weigh.
    weights : ItemWeights
    out : UserScores, changed in place
        scores[k, j] = sum_i x_i B_ij over the items i that users[k] rated.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError, ValueError
        When records are not what they should be, do not fit together or share memory; or a user who has no
        row of `rated`.

    Notes
    -----
    O(n_items) for each rating. Terms are added in float32, in the order of the ratings: the same bits for any
    number of threads, SIMD level, and other users. Items are taken in panels if there are many users, so that
    weights are read from the cache.
    """
    cdef int workers = 0, team = team_size(n_threads)
    check_record(rated, RatingRows, "score_rows: rated")
    check_record(weights, ItemWeights, "score_rows: weights")
    check_record(out, UserScores, "score_rows: out")
    check_written((out,), (rated, weights))
    if rated.n_columns != weights.n_items or out.n_items != weights.n_items:
        raise ValueError("score_rows: rated, weights and out must be of the same items")
    if out.n_lists and out.users.max() >= rated.n_rows:
        raise ValueError(f"score_rows: user {out.users.max()} is out of range")
    cdef Py_ssize_t k, n_items = weights.n_items, n_lists = out.n_lists
    cdef Py_ssize_t width = PANEL if n_lists >= MANY else max(n_items, 1)
    cdef Py_ssize_t n_panels = (n_items + width - 1) // width
    cdef Py_ssize_t n_groups = (n_lists + USERS_TOGETHER - 1) // USERS_TOGETHER
    cdef ScoreArrays given = ScoreArrays(
        indptr=<const int64_t *>pointer(rated.indptr), items=<const int32_t *>pointer(rated.indices),
        values=<const float *>pointer(rated.values), weights=<const float *>pointer(weights.values),
        users=<const int32_t *>pointer(out.users), scores=<float *>pointer(out.scores),
        n_items=n_items, n_lists=n_lists, width=width,
    )
    # All groups of users for one panel of items, then the next panel.
    for k in prange(n_panels * n_groups, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        loops.scores(&given, k % n_groups, k // n_groups)
    report_workers(workers)
