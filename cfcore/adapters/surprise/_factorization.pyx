"""SVD and SVD++ in float64, in the order of `all_ratings`; see `matrix_factorization.py`.

The numbers are those of one rating after the other. Ratings without a common user or item may change places
or run side by side without changing them.
"""
cimport numpy as cnp
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

cnp.import_array()

cdef extern from "factorization.h" nogil:
    enum:
        WIDTH "CF_WIDTH"

    ctypedef struct Model "cf_model":
        double *pu
        double *qi
        double *yj
        double *bu
        double *bi
        Py_ssize_t n_factors
        double mean
        double lr_bu, lr_bi, lr_pu, lr_qi, lr_yj
        double reg_bu, reg_bi, reg_pu, reg_qi, reg_yj
        int biased

    void svd_groups "cf_svd"(const Model *model, const int32_t *users, const int32_t *items,
                             const double *ratings, const int32_t *order, const int64_t *starts,
                             Py_ssize_t n_groups, int avx2)
    void svdpp_user "cf_svdpp"(const Model *model, Py_ssize_t u, const int32_t *items, const double *ratings,
                               Py_ssize_t n, double *blocks, double *rows, int avx2)
    void svdpp_repeated "cf_svdpp_repeated"(const Model *model, Py_ssize_t u, const int32_t *items,
                                            const double *ratings, Py_ssize_t n, double *rows)

cdef enum:
    OPEN = 32  # users whose ratings may take turns


cdef Py_ssize_t model_of(Model *model, parameters, constants, columns) except -1:
    """The records as one of C; returns the number of ratings."""
    cdef double[:, ::1] pu = parameters.pu, qi = parameters.qi, yj
    cdef double[::1] bu = parameters.bu, bi = parameters.bi
    cdef Py_ssize_t n_users = columns.n_users, n_items = columns.n_items
    if pu.shape[0] != n_users or bu.shape[0] != n_users or qi.shape[0] != n_items or bi.shape[0] != n_items:
        raise ValueError("pu, bu, qi and bi need one row for each user or item of the training set")
    if pu.shape[1] != qi.shape[1]:
        raise ValueError("pu and qi need the same number of factors")
    model.n_factors = pu.shape[1]
    model.pu, model.qi = first_of(pu), first_of(qi)
    model.bu = &bu[0] if n_users else NULL
    model.bi = &bi[0] if n_items else NULL
    model.yj = NULL
    if parameters.yj is not None:
        yj = parameters.yj
        if yj.shape[0] != n_items or yj.shape[1] != model.n_factors:
            raise ValueError("yj needs the shape of qi")
        model.yj = first_of(yj)
    model.mean, model.biased = constants.mean, constants.biased
    model.lr_bu, model.lr_bi, model.lr_pu, model.lr_qi, model.lr_yj = constants.rates
    model.reg_bu, model.reg_bi, model.reg_pu, model.reg_qi, model.reg_yj = constants.regs
    return columns.users.shape[0]


cdef inline double *first_of(double[:, ::1] rows):
    return &rows[0, 0] if rows.shape[0] and rows.shape[1] else NULL


def schedule(columns):
    """Groups of ratings without a common user or item, in an order that gives the numbers of `all_ratings`.

    A rating comes after all earlier ones of its user and of its item; so it meets the parameters that it
    would meet in the order of `all_ratings`. Up to 32 users take turns.

    Parameters
    ----------
    columns : Columns

    Returns
    -------
    order : int32[n]
        Positions in `columns.users`.
    starts : int64[n_groups + 1]
        Group g is ``order[starts[g]:starts[g + 1]]``, of at most 8 ratings.
    """
    cdef const int32_t[::1] users = columns.users, items = columns.items
    cdef Py_ssize_t n = users.shape[0], done = 0, next_row = 0, n_open = 0, n_groups = 0, s, kept, in_group
    cdef Py_ssize_t n_items = columns.n_items
    order, starts = np.empty(n, dtype=np.int32), np.empty(n + 1, dtype=np.int64)
    ranks, counts = np.empty(n, dtype=np.int32), np.zeros(n_items, dtype=np.int32)
    cdef int32_t[::1] orders = order, rank = ranks, count = counts
    cdef int64_t[::1] start = starts
    cdef Py_ssize_t[OPEN] at
    cdef Py_ssize_t[OPEN] end
    with nogil:
        for s in range(n):  # the how-manieth of its item a rating is
            rank[s] = count[items[s]]
            count[items[s]] += 1
        count[:] = 0
        start[0] = 0
        while done < n:
            while n_open < OPEN and next_row < n:
                at[n_open] = next_row
                next_row += 1
                while next_row < n and users[next_row] == users[at[n_open]]:
                    next_row += 1
                end[n_open] = next_row
                n_open += 1
            # The ranks of a group's ratings are all taken before any is counted: no two of an item.
            in_group = 0
            for s in range(n_open):
                if in_group < WIDTH and rank[at[s]] == count[items[at[s]]]:
                    orders[done + in_group] = <int32_t>at[s]
                    in_group += 1
                    at[s] += 1
            kept = 0
            for s in range(n_open):
                if at[s] < end[s]:
                    at[kept], end[kept] = at[s], end[s]
                    kept += 1
            n_open = kept
            for s in range(done, done + in_group):
                count[items[orders[s]]] += 1
            done += in_group
            n_groups += 1
            start[n_groups] = done
    return order, starts[:n_groups + 1].copy()


def svd(columns, plan, parameters, constants, bint avx2):
    """An epoch of SVD by stochastic gradient descent.

    Parameters
    ----------
    columns : Columns
    plan : (int32[n], int64[n_groups + 1])
        As `schedule` returns it for these columns.
    parameters : Parameters, changed in place
    constants : Constants
    avx2 : bool
        Whether the processor has AVX2 and FMA.
    """
    cdef Model model
    cdef Py_ssize_t n = model_of(&model, parameters, constants, columns)
    cdef const int32_t[::1] users = columns.users, items = columns.items, order = plan[0]
    cdef const double[::1] ratings = columns.ratings
    cdef const int64_t[::1] starts = plan[1]
    if order.shape[0] != n or (n and starts[starts.shape[0] - 1] != n):
        raise ValueError("plan: it is of other ratings")
    if n:
        with nogil:
            svd_groups(&model, &users[0], &items[0], &ratings[0], &order[0], &starts[0], starts.shape[0] - 1,
                       avx2)


def svdpp(columns, repeated, span, parameters, constants, bint avx2):
    """The ratings of some users in an epoch of SVD++ by stochastic gradient descent.

    Parameters
    ----------
    columns : Columns
    repeated : uint8[n_users]
        Whether a user rated an item more than once.
    span : (int, int)
        Rows of `columns.users`: all of some users, who are next to each other.
    parameters : Parameters, changed in place
    constants : Constants
    avx2 : bool
        Whether the processor has AVX2 and FMA.
    """
    cdef Model model
    cdef Py_ssize_t n = model_of(&model, parameters, constants, columns)
    cdef const int32_t[::1] users = columns.users, items = columns.items
    cdef const double[::1] ratings = columns.ratings
    cdef const uint8_t[::1] twice = repeated
    cdef Py_ssize_t first = span[0], last = span[1], end, longest = 0, padded
    if not 0 <= first <= last <= n or twice.shape[0] != columns.n_users or parameters.yj is None:
        raise ValueError("svdpp: span, repeated or yj does not fit to the ratings")
    end = first
    while end < last:
        n = end
        while end < last and users[end] == users[n]:
            end += 1
        longest = max(longest, end - n)
    padded = (model.n_factors + WIDTH - 1) // WIDTH * WIDTH
    cdef double[::1] blocks = np.empty(longest * padded + 1), rows = np.empty(2 * padded + 1)
    with nogil:
        while first < last:
            end = first
            while end < last and users[end] == users[first]:
                end += 1
            if twice[users[first]]:
                svdpp_repeated(&model, users[first], &items[first], &ratings[first], end - first, &rows[0])
            else:
                svdpp_user(&model, users[first], &items[first], &ratings[first], end - first, &blocks[0],
                           &rows[0], avx2)
            first = end


cdef extern from *:
    """
    #include <numpy/arrayobject.h>
    typedef void (*cfcore_dot)(void *a, npy_intp step_a, void *b, npy_intp step_b, void *out, npy_intp n,
                               void *array);
    static cfcore_dot cfcore_dot_of(void)
    {
        PyArray_Descr *kind = PyArray_DescrFromType(NPY_DOUBLE);
        cfcore_dot found = (cfcore_dot)PyDataType_GetArrFuncs(kind)->dotfunc;
        Py_DECREF(kind);
        return found;
    }
    """
    ctypedef void (*Dot "cfcore_dot")(void *a, Py_ssize_t step_a, void *b, Py_ssize_t step_b, void *out,
                                      Py_ssize_t n, void *array) noexcept nogil
    Dot dot_of "cfcore_dot_of"()


def products(const double[:, ::1] qi, const double[:, ::1] pu, const int32_t[::1] items,
             const int32_t[::1] users, double[::1] out):
    """``numpy.dot(qi[i], pu[u])`` of many pairs, by the function that `numpy.dot` calls.

    Parameters
    ----------
    qi, pu : float64[n_items, n_factors], float64[n_users, n_factors]
    items, users : int32[n]
        Pairs with a negative id are left as they are in `out`.
    out : float64[n], changed in place
    """
    cdef Dot dot = dot_of()
    cdef Py_ssize_t r, n = users.shape[0], k = pu.shape[1], n_users = pu.shape[0], n_items = qi.shape[0]
    cdef Py_ssize_t step = sizeof(double)
    if items.shape[0] != n or out.shape[0] != n or qi.shape[1] != k:
        raise ValueError("products: shapes of the arguments differ")
    for r in range(n):
        if users[r] >= n_users or items[r] >= n_items:
            raise ValueError("pu and qi need one row for each user or item of the training set")
    if k == 0:
        return
    with nogil:
        for r in range(n):
            if users[r] >= 0 and items[r] >= 0:
                dot(<void *>&qi[items[r], 0], step, <void *>&pu[users[r], 0], step, &out[r], k, NULL)


def implicit_rows(columns, const int32_t[::1] users, const double[:, ::1] pu, const double[:, ::1] yj,
                  double[:, ::1] out):
    """Factors of users with the implicit part of SVD++: p_u + sum of y_j / sqrt(number of ratings of u).

    Parameters
    ----------
    columns : Columns
    users : int32[n]
        Users that are wanted; negative ids are skipped.
    pu, yj : float64[n_users, n_factors], float64[n_items, n_factors]
    out : float64[n_users, n_factors], overwritten in the rows of `users`
        The sum is one of y_j after the other, in the order of the user's ratings.
    """
    cdef const int64_t[::1] starts = columns.user_indptr
    cdef const int32_t[::1] items = columns.user_items
    cdef Py_ssize_t n_users = columns.n_users, n_items = columns.n_items, k = pu.shape[1], u, f, entry, r
    cdef double root
    if pu.shape[0] < n_users or yj.shape[0] < n_items or yj.shape[1] != k:
        raise ValueError("pu and yj need one row for each user or item of the training set")
    if out.shape[0] != pu.shape[0] or out.shape[1] != k:
        raise ValueError("out needs the shape of pu")
    done = np.zeros(n_users + 1, dtype=np.uint8)
    cdef uint8_t[::1] seen = done
    for r in range(users.shape[0]):
        if users[r] >= n_users:
            raise ValueError("users: an id is not among those of the training set")
    with nogil:
        for r in range(users.shape[0]):
            u = users[r]
            if u < 0 or seen[u]:
                continue
            seen[u] = 1
            out[u, :] = 0
            for entry in range(starts[u], starts[u + 1]):
                for f in range(k):
                    out[u, f] += yj[items[entry], f]
            root = sqrt(<double>(starts[u + 1] - starts[u]))
            for f in range(k):
                out[u, f] = pu[u, f] + out[u, f] / root
