"""SVD++ by stochastic gradient descent: a user's factors have a part that depends on which items were rated.

Users are cut into batches; the users of a batch start from the same implicit factors y and do not see what
the others change. `user_batches.pxd` works through a batch, and the inner loops are in `svdpp_loops.pyx`. The
twin is `cfcore.reference.factorization.svdpp`.
"""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.common.arrays cimport check_record, is_float32, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.search cimport lower_bound
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.factorization.implicit_terms cimport TermLoops, Terms
from cfcore.kernels.factorization.svdpp_loops cimport SVDppLoops, SVDppModel
from cfcore.kernels.factorization.user_batches cimport (
    N_PROGRESS,
    WORKERS,
    Batches,
    batch_terms,
    batches_of,
    check_outcome,
    terms_of,
    train_batches,
)

from cfcore.kernels import simd
from cfcore.kernels.records import (
    UserBatchLayout,
    UserBatchScratch,
    UserBatchVisits,
    ImplicitRows,
    ImplicitSets,
    SVDppFactors,
    SVDppRates,
    check_user_batches,
    check_cuts,
    check_sums,
)

cnp.import_array()

cdef enum:
    USERS = 64  # that a thread works on before it takes the next

cdef const SVDppLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const SVDppLoops *>table_in(capsule)


simd.register("factorization.svdpp_loops", _use)


def implicit_sums(sets, rows, n_threads):
    """s_u = sum of w_uj y_j over j in N(u), for every user.

    Parameters
    ----------
    sets : ImplicitSets
    rows : ImplicitRows
        Its `sums` are overwritten.
    n_threads : int

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together, or a set is not ascending or out of range.

    Notes
    -----
    O(n_members x width). Summed in the precision of the table, in the order of N(u); the same bits for any
    number of threads and any SIMD level.
    """
    check_record(sets, ImplicitSets, "implicit_sums: sets")
    check_record(rows, ImplicitRows, "implicit_sums: rows")
    check_sums(sets, rows)
    cdef Py_ssize_t k, bad = 0, n_users = sets.n_users
    cdef int workers = 0, team = team_size(n_threads)
    cdef TermLoops own = loops.terms_f32 if is_float32(rows.table) else loops.terms_f64
    cdef Terms terms = terms_of(sets, rows.table, rows.sums)
    for k in prange((n_users + USERS - 1) // USERS, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        bad += not own.sum_users(&terms, k * USERS, min((k + 1) * USERS, n_users))
    report_workers(workers)
    if bad:
        raise ValueError("implicit_sums: sets are not ascending or out of range")


def cut_sets(sets, layout, n_threads):
    """Find where in every N(u) each part of the table begins, for `train`.

    Parameters
    ----------
    sets : ImplicitSets
    layout : UserBatchLayout
        Its `cuts` are overwritten.
    n_threads : int

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together.

    Notes
    -----
    O(n_users x n_parts) binary searches. The result is that of one thread.
    """
    check_record(sets, ImplicitSets, "cut_sets: sets")
    check_record(layout, UserBatchLayout, "cut_sets: layout")
    check_cuts(sets, layout)
    cdef Py_ssize_t u, part, n_users = sets.n_users, n_bounds = layout.n_parts + 1
    cdef int workers = 0, team = team_size(n_threads)
    cdef const int64_t *indptr = <const int64_t *>pointer(sets.indptr)
    cdef const int32_t *members = <const int32_t *>pointer(sets.members)
    cdef const int32_t *parts = <const int32_t *>pointer(layout.parts)
    cdef int64_t *cuts = <int64_t *>pointer(layout.cuts)
    for u in prange(n_users, nogil=True, schedule="dynamic", chunksize=USERS, num_threads=team):
        workers |= team_present()
        for part in range(n_bounds):
            cuts[u * n_bounds + part] = lower_bound(members, indptr[u], indptr[u + 1], parts[part])
    report_workers(workers)


def train(layout, sets, factors, rates, visits, scratch, span, n_threads):
    """Work through user batches ``visits.batches[begin:end]`` of an epoch of SVD++.

    For each rating, with s_u = sum of w_uj y_j over j in N(u) and e = r - mu - b_u - b_i - q_i . (p_u + s_u):

        b_u += lr_bias (e - reg_bias b_u)        p_u += lr_user (e q_i - reg p_u)
        b_i += lr_bias (e - reg_bias b_i)        q_i += lr (e (p_u + s_u) - reg q_i)
        y_j += lr_implicit (e w_uj q_i - reg_implicit y_j)        for all j in N(u)

    Koren, "Factorization meets the neighborhood" (KDD 2008), where w_uj is |N(u)|^-1/2. Summed over j, the
    last line is s_u += lr_implicit (e c_u q_i - reg_implicit s_u), c_u being the sum of w_uj^2: the sum is
    updated by itself, and once the user's ratings are done, the change of the sum is written to the y, in
    O(|N(u)| + ratings) for a user rather than O(|N(u)| x ratings). The arithmetic is the same but for one
    thing: the users of a batch all start from the y before the batch, and what each adds and decays is
    applied after it.

    Parameters
    ----------
    layout : UserBatchLayout
        No two blocks of a batch may share a user unless they share the user stripe, likewise items. Its
        `cuts` are those of `cut_sets`.
    sets : ImplicitSets
    factors : SVDppFactors, changed in place
        Padding stays zero.
    rates : SVDppRates
    visits : UserBatchVisits
    scratch : UserBatchScratch, overwritten
    span : (int, int)
        The range [begin, end) of `visits.batches`.
    n_threads : int

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together, or sets, cuts or codes of ratings are wrong. Ratings before a bad
        one may have been used.

    Notes
    -----
    O((ratings + members) x width). The same bits for any number of threads and any SIMD level.
    """
    check_record(layout, UserBatchLayout, "train: layout")
    check_record(sets, ImplicitSets, "train: sets")
    check_record(factors, SVDppFactors, "train: factors")
    check_record(rates, SVDppRates, "train: rates")
    check_record(visits, UserBatchVisits, "train: visits")
    check_record(scratch, UserBatchScratch, "train: scratch")
    check_user_batches(layout, sets, factors, visits, scratch, span)
    cdef int team = team_size(n_threads)
    cdef bint single = is_float32(factors.user_factors)
    cdef SVDppModel model = SVDppModel(
        user_factors=pointer(factors.user_factors), item_factors=pointer(factors.item_factors),
        user_bias=pointer(factors.user_bias), item_bias=pointer(factors.item_bias),
        sums=pointer(scratch.sums), gains=pointer(scratch.gains), n_users=factors.n_users,
        n_items=factors.n_items, width=factors.width, mean=factors.mean,
        plain=sets.weights is None and rates.lr_user == rates.lr, lr=rates.lr, reg=rates.reg,
        lr_user=rates.lr_user, lr_bias=rates.lr_bias, reg_bias=rates.reg_bias, lr_implicit=rates.lr_implicit,
        reg_implicit=rates.reg_implicit,
    )
    cdef Batches work = batches_of(layout, visits, scratch, span)
    work.terms = batch_terms(layout, sets, factors.implicit_factors, scratch)
    work.terms.keep = 1 - model.lr_implicit * model.reg_implicit
    work.loops = loops.terms_f32 if single else loops.terms_f64
    work.sweep = loops.sweep_f32 if single else loops.sweep_f64
    work.model = &model
    if layout.n == 0:
        return
    cdef int32_t[N_PROGRESS] progress
    with nogil:
        train_batches(&work, team, progress)
    report_workers(progress[WORKERS])
    check_outcome(&work, progress, "a user or an item")
