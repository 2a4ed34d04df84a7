"""Twin of `cfcore.kernels.factorization.given` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import DrawKey, GivenRatings, GivenRows, GivenSamples, check_span, check_written
from cfcore.reference.common.checks import check_array, check_record, check_threads, overlaps
from cfcore.reference.factorization.gibbs import normal_numbers

Float64 = NDArray[np.float64]

TILE, FEW, TOGETHER = 64, 64, 8


def scratch_shape(n_threads: int, n_factors: int, n_lengths: int) -> tuple[int, int]:
    """Shape of the scratch of `solve_users`; see the kernel."""
    check_threads(n_threads)
    if not (1 <= n_factors <= 2**16 and 0 <= n_lengths <= 64):
        raise ValueError("scratch_shape: n_factors must be between 1 and 2^16, n_lengths at most 64")
    width, size = -(-n_factors // 16) * 16, n_factors // 8 * 8 + 8
    equations = width * (width + 2) + size * (size + 12) + 16
    each = equations + (n_lengths + 1) * (width + 3) + TILE * (width + 1)
    return n_threads, each * (TOGETHER if n_factors <= FEW else 1) + 512


def solve_users(
    ratings: GivenRatings,
    samples: GivenSamples,
    rows: GivenRows,
    scratch: Float64,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """Rows of users in each sample, given those of items; see the kernel."""
    check_record(ratings, GivenRatings, "solve_users: ratings")
    check_record(samples, GivenSamples, "solve_users: samples")
    check_record(rows, GivenRows, "solve_users: rows")
    check_array(scratch, np.float64, 2, True, "solve_users: scratch")
    for name, of_samples, others in (
        ("n_kept", samples.n_kept, (ratings.n_kept, rows.n_kept)),
        ("n_users", ratings.n_users, (rows.n_users,)),
        ("n_items", samples.n_items, (ratings.n_items,)),
        ("n_factors", samples.n_factors, (rows.n_factors,)),
        ("n_lengths", samples.n_lengths, (ratings.n_lengths,)),
        ("n_sessions", ratings.n_sessions, (rows.n_sessions,)),
    ):
        if any(other != of_samples for other in others):
            raise ValueError(f"solve_users: ratings, samples and rows must have one {name}")
    check_written((rows,), (ratings, samples))
    begin, end = check_span("solve_users", span, rows.n_users, "users")
    if overlaps(scratch, [held for record in (ratings, samples, rows) for _, held, _ in record.arrays()]):
        raise ValueError("solve_users: scratch shares memory with another argument")
    wanted = scratch_shape(n_threads, samples.n_factors, samples.n_lengths)
    if scratch.shape[0] < wanted[0] or scratch.shape[1] < wanted[1]:
        raise ValueError(f"solve_users: scratch must be of shape {wanted}, not {scratch.shape}")
    pairs = [(user, s) for user in range(begin, end) for s in range(samples.n_kept)]
    failed = sum(not _solve_user(ratings, samples, rows, user, s) for user, s in pairs)
    if failed:
        raise ValueError(f"solve_users: the precisions of {failed} rows are not positive definite")


def _solve_user(ratings: GivenRatings, samples: GivenSamples, rows: GivenRows, user: int, s: int) -> bool:
    k, noise = samples.n_factors, samples.noise[s]
    own = slice(ratings.indptr[user], ratings.indptr[user + 1])
    items, columns = ratings.items[own], slice(s * k, (s + 1) * k)
    z = np.ones((len(items), k + 1))
    z[:, :k] = samples.item_factors[items, columns]
    targets = ratings.targets[own, s].astype(np.float64)
    mean = rows.base[0 if rows.n_bases == 1 else user, s].copy()
    if samples.members is not None and len(items):
        members = samples.members[items, columns].astype(np.float64)
        mean[:k] += np.sum(members, axis=0) / np.sqrt(len(items))
    # The inverse of the covariance of the ratings' noise and of the biases of sessions.
    codes, of_sessions = ratings.sessions[own], samples.session_precisions[s]
    precisions = np.full(len(items), noise)
    if ratings.weights is not None:
        precisions = noise * ratings.weights[own].astype(np.float64)
    inverse = _noise_inverse(codes, precisions, of_sessions)
    prior = np.zeros((k + 1, k + 1))
    prior[:k, :k], prior[k, k] = samples.precisions[s], samples.bias_precisions[s]
    weighted = np.einsum("ni,nm->im", z, inverse)
    precision = prior + np.einsum("im,mj->ij", weighted, z)
    linear = np.einsum("ij,j->i", prior, mean) + np.einsum("im,m->i", weighted, targets)
    try:
        upper = np.linalg.cholesky(precision).T
    except np.linalg.LinAlgError:
        return False
    if not np.isfinite(upper).all():
        return False
    found = np.linalg.solve(precision, linear)
    rows.means[user, s] = found
    noises = normal_numbers(DrawKey(0, 0, samples.first + s), 0, 1, k // 2 + 1)[0, : k + 1]
    rows.draws[user, s] = np.linalg.solve(upper, noises)
    if len(items):
        _solve_sessions(codes, targets - np.einsum("nk,k->n", z, found), precisions, of_sessions, (rows, s))
    return True


def _noise_inverse(codes: NDArray[np.int32], noise: Float64, precisions: Float64) -> Float64:
    """The inverse of I / noise + the sum over lengths of S S' / precision."""
    covariance: Any = np.diag(1 / noise)
    for level in range(len(precisions)):
        together = codes[:, level, np.newaxis] == codes[np.newaxis, :, level]
        covariance += together / precisions[level]
    inverse: Float64 = np.linalg.inv(covariance)
    return inverse


def _solve_sessions(
    codes: NDArray[np.int32], errors: Float64, noise: Float64, precisions: Float64, to: tuple[GivenRows, int]
) -> None:
    """Means of the biases of sessions given errors, and slope and variance of their sums with the user's."""
    (rows, s), n_lengths = to, codes.shape[1]
    if not n_lengths:
        return
    distinct = [np.unique(codes[:, level]) for level in range(n_lengths)]
    together = np.concatenate(  # [n, n_sessions of this user]
        [(codes[:, level, np.newaxis] == found).astype(np.float64) for level, found in enumerate(distinct)],
        axis=1,
    )
    levels = np.repeat(np.arange(n_lengths), [len(found) for found in distinct])
    precision = np.diag(precisions[levels]) + np.einsum("ns,n,nt->st", together, noise, together)
    covariance = np.linalg.inv(precision)
    means = np.einsum("st,nt,n->s", covariance, together, noise * errors)
    # A bias b of the user moves errors by -b, and so the biases by this for each unit.
    per_bias = -np.einsum("st,nt,n->s", covariance, together, noise)
    sessions = np.concatenate(distinct)
    rows.session_means[s, sessions] = means
    for at, code in enumerate(sessions):
        within = codes[(codes[:, levels[at]] == code).argmax(), : levels[at] + 1]
        around = [((sessions == one) & (levels == level)).argmax() for level, one in enumerate(within)]
        rows.session_slopes[s, code] = 1 + per_bias[around].sum()
        rows.session_variances[s, code] = covariance[np.ix_(around, around)].sum()
