"""Assignment of users or items to clusters in float64; see `co_clustering.py`."""
from libc.stdint cimport int32_t, int64_t

import numpy as np


def assign(rows, sides, const double[:, ::1] of_both, bint of_users):
    """Move each user, or each item, to the cluster with the least sum of squared errors.

    Among equals it is the first.

    Parameters
    ----------
    rows : (int64[n + 1], int32[m], float64[m])
        Ratings of each, as `Columns` has them.
    sides : two of (int64[n], float64[n], float64[n_clusters])
        Cluster and mean of each, and averages of clusters: of those that are moved, whose clusters are
        changed in place, and of the others.
    of_both : float64[n_other_clusters, n_clusters]
        Averages of co-clusters.
    of_users : bool
        Whether users are moved: the estimate is (A(u, i) + mean of u - A(u)) + mean of i - A(i).
    """
    cdef const int64_t[::1] starts = rows[0]
    cdef const int32_t[::1] others = rows[1]
    cdef const double[::1] ratings = rows[2]
    own, other = sides
    cdef int64_t[::1] clusters = own[0]
    cdef const int64_t[::1] their_clusters = other[0]
    cdef const double[::1] means = own[1], their_means = other[1], average = own[2], their_average = other[2]
    cdef Py_ssize_t n = starts.shape[0] - 1, n_clusters = average.shape[0], n_others = their_clusters.shape[0]
    cdef Py_ssize_t one, entry, c, theirs, best
    cdef double difference, rating, mean, their_mean, their_level, least
    cdef double[::1] errors = np.empty(n_clusters + 1)
    if not n == clusters.shape[0] == means.shape[0] or their_means.shape[0] != n_others:
        raise ValueError("assign: one cluster and one mean is needed for each user and item")
    if of_both.shape[0] != their_average.shape[0] or of_both.shape[1] != n_clusters:
        raise ValueError("assign: of_both needs an average for each pair of clusters")
    if n_others and not 0 <= np.min(other[0]) <= np.max(other[0]) < their_average.shape[0]:
        raise ValueError("assign: a cluster is out of range")
    with nogil:
        for one in range(n):
            errors[:] = 0
            mean = means[one]
            for entry in range(starts[one], starts[one + 1]):
                theirs = their_clusters[others[entry]]
                rating = ratings[entry]
                their_mean, their_level = their_means[others[entry]], their_average[theirs]
                for c in range(n_clusters):
                    if of_users:
                        difference = of_both[theirs, c] + mean - average[c] + their_mean - their_level
                    else:
                        difference = of_both[theirs, c] + their_mean - their_level + mean - average[c]
                    difference = rating - difference
                    errors[c] += difference * difference
            best, least = 0, errors[0]
            for c in range(1, n_clusters):
                if errors[c] < least:
                    best, least = c, errors[c]
            clusters[one] = best
