"""Kernel `given` and its twin: rows given ratings in each sample, with biases of sessions integrated out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfcore.kernels import available_levels, use_level
from cfcore.kernels.factorization import given as compiled
from cfcore.kernels.records import GivenRatings, GivenRows, GivenSamples
from cfcore.reference.factorization import given as twin

BOTH = pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])
N_ITEMS = 9
WRITTEN = ("means", "draws", "session_means", "session_slopes", "session_variances")


def case(
    counts: Any, k: int, n_lengths: int = 0, n_kept: int = 2, seed: int = 0, has_members: bool = True
) -> tuple[GivenRatings, GivenSamples, GivenRows]:
    rng = np.random.default_rng(seed)
    indptr = np.append(0, np.cumsum(counts)).astype(np.int64)
    n, n_users = int(indptr[-1]), len(counts)
    owners = np.repeat(np.arange(n_users), counts)
    codes, n_sessions, inner = np.zeros((n, n_lengths), dtype=np.int32), 0, owners
    for level in range(n_lengths):  # each session is cut at random
        begins = np.diff(inner, prepend=-1) != 0
        inner = np.cumsum(begins | ((rng.random(n) < 0.4) & (level > 0)))
        codes[:, level] = inner - 1 + n_sessions
        n_sessions += int(inner.max(initial=0))
    ratings = GivenRatings(
        indptr, rng.integers(0, N_ITEMS, n).astype(np.int32),
        rng.normal(0, 1, (n, n_kept)).astype(np.float32), codes, N_ITEMS, n_sessions,
    )  # fmt: skip
    root = rng.normal(0, 1, (n_kept, k, 2 * k))
    items = rng.normal(0, 0.7, (2, N_ITEMS, n_kept * k)).astype(np.float32)
    samples = GivenSamples(
        items[0], np.einsum("sif,sjf->sij", root, root), rng.uniform(1, 3, n_kept),
        rng.uniform(0.5, 2, n_kept), rng.uniform(1, 9, (n_kept, n_lengths)),
        items[1] if has_members else None,
    )  # fmt: skip
    rows = GivenRows(
        rng.normal(0, 1, (n_users, n_kept, k + 1)),
        *(np.full((n_users, n_kept, k + 1), np.nan, dtype=np.float32) for _ in range(2)),
        *(np.full((n_kept, n_sessions), np.nan, dtype=np.float32) for _ in range(3)),
    )
    return ratings, samples, rows


def solved(module: Any, given_case: Any, n_threads: int = 1, cuts: Any = None) -> dict[str, Any]:
    ratings, samples, rows = given_case
    rows = replace(rows, **{name: getattr(rows, name).copy() for name in WRITTEN})
    scratch = np.full(module.scratch_shape(n_threads, samples.n_factors, samples.n_lengths), np.nan)
    ends = cuts or [0, rows.n_users]
    for span in pairwise(ends):
        module.solve_users(ratings, samples, rows, scratch, span, n_threads)
    return {name: getattr(rows, name) for name in WRITTEN}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=4), st.sampled_from([1, 7, 8, 16, 17, 32]),
    st.integers(0, 4), st.integers(1, 3), st.integers(0, 99), st.booleans(), st.booleans(),
)  # fmt: skip
def test_the_twin_has_the_same_rows(
    counts: list[int], k: int, n_lengths: int, n_kept: int, seed: int, has_members: bool, has_weights: bool
) -> None:
    ratings, *others = case(counts, k, n_lengths, n_kept, seed, has_members)
    if has_weights:
        weights = np.random.default_rng(seed).uniform(0.5, 4, ratings.n).astype(np.float32)
        ratings = replace(ratings, weights=weights)
    args = ratings, *others
    found, expected = solved(compiled, args), solved(twin, args)
    for name in WRITTEN:
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-4, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("n_lengths", [0, 1, 3])
def test_many_ratings_fill_several_tiles(n_lengths: int) -> None:
    args = case([300, 0, 64, 63], 5, n_lengths)
    found, expected = solved(compiled, args), solved(twin, args)
    for name in WRITTEN:
        np.testing.assert_allclose(found[name], expected[name], rtol=5e-4, atol=5e-4, err_msg=name)


@BOTH
def test_rows_and_biases_are_those_of_the_joint_normal_distribution(module: Any) -> None:
    """Rows, the user's bias and those of sessions solved for together, in one system of equations."""
    ratings, samples, rows = args = case([12], 3, 2, n_kept=1)
    found = solved(module, args)
    k, noise, codes = 3, samples.noise[0], ratings.sessions
    n_sessions = ratings.n_sessions
    design = np.zeros((12, k + 1 + n_sessions))
    design[:, :k], design[:, k] = samples.item_factors[ratings.items], 1
    for level in range(2):
        design[np.arange(12), k + 1 + codes[:, level]] = 1
    levels = np.array([int(np.isin(code, codes[:, 1])) for code in range(n_sessions)])
    prior = np.zeros((len(design.T), len(design.T)))
    prior[:k, :k], prior[k, k] = samples.precisions[0], samples.bias_precisions[0]
    prior[range(k + 1, len(prior)), range(k + 1, len(prior))] = samples.session_precisions[0, levels]
    mean = np.zeros(len(prior))
    mean[: k + 1] = rows.base[0, 0]
    assert samples.members is not None
    mean[:k] += samples.members[ratings.items].sum(axis=0) / np.sqrt(12)
    covariance = np.linalg.inv(prior + noise * design.T @ design)
    expected = covariance @ (prior @ mean + noise * design.T @ ratings.targets[:, 0])
    np.testing.assert_allclose(found["means"][0, 0], expected[: k + 1], atol=1e-4)
    np.testing.assert_allclose(found["session_means"][0], expected[k + 1 :], atol=1e-4)


def test_draws_have_the_covariance_of_the_conditional_distribution() -> None:
    ratings, samples, rows = case([6], 2, 0, n_kept=4000, seed=3)
    same = {
        name: np.repeat(getattr(samples, name)[:1], 4000, axis=0)
        for name in ("precisions", "bias_precisions", "noise", "session_precisions")
    }
    items = np.tile(samples.item_factors[:, :2], 4000)
    found = solved(compiled, (ratings, replace(samples, item_factors=items, **same), rows))["draws"][0]
    z = np.column_stack([items[ratings.items, :2], np.ones(6)]).astype(np.float64)
    precision = samples.noise[0] * z.T @ z
    precision[:2, :2] += samples.precisions[0]
    precision[2, 2] += samples.bias_precisions[0]
    covariance = np.linalg.inv(precision)
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    np.testing.assert_allclose(np.cov(found.T) / scale, covariance / scale, atol=0.08)


@pytest.mark.parametrize("k", [5, 16, 32, 40])
def test_same_bits_for_threads_levels_spans_and_users_apart(k: int) -> None:
    ratings, samples, rows = args = case([70, 3, 0, 5], k, 2, n_kept=3)
    expected = solved(compiled, args)
    found = [solved(compiled, args, n_threads=3), solved(compiled, args, cuts=[0, 1, 3, 4])]
    for level in available_levels():
        with use_level(level):
            found.append(solved(compiled, args, n_threads=2))
    for one in found:
        assert {name: held.tobytes() for name, held in one.items()} == {
            name: held.tobytes() for name, held in expected.items()
        }
    part = slice(70, 73)  # the second user alone
    alone = GivenRatings(
        np.array([0, 3], dtype=np.int64), ratings.items[part], ratings.targets[part], ratings.sessions[part],
        N_ITEMS, ratings.n_sessions,
    )  # fmt: skip
    own = {name: getattr(rows, name)[1:2] for name in ("base", "means", "draws")}
    other = solved(compiled, (alone, samples, replace(rows, **own)))
    assert other["means"].tobytes() == expected["means"][1].tobytes()
    assert other["draws"].tobytes() == expected["draws"][1].tobytes()


@BOTH
def test_what_does_not_fit_is_refused(module: Any) -> None:
    ratings, samples, rows = args = case([3, 2], 3, 1)
    with pytest.raises(ValueError, match="one n_kept"):
        solved(module, (ratings, samples, case([3, 2], 3, 1, n_kept=3)[2]))
    with pytest.raises(ValueError, match="one n_lengths"):
        solved(module, (ratings, case([3, 2], 3, 2)[1], rows))
    with pytest.raises(ValueError, match="not positive definite"):
        solved(module, (ratings, replace(samples, precisions=-9 * samples.precisions), rows))
    with pytest.raises(ValueError, match="scratch must be of shape"):
        module.solve_users(ratings, samples, rows, np.empty((1, 3)), (0, 2), 1)
    shared, scratch = replace(rows, draws=rows.means), np.empty(module.scratch_shape(1, 3, 1))
    with pytest.raises(ValueError, match="share memory"):
        module.solve_users(ratings, samples, shared, scratch, (0, 2), 1)
    with pytest.raises(ValueError, match="not within the 2 users"):
        solved(module, args, cuts=[0, 3])
    with pytest.raises(ValueError, match="at most 64"):
        module.scratch_shape(1, 3, 65)


def test_records_check_themselves() -> None:
    ratings, samples, rows = case([3, 2], 3, 1)
    with pytest.raises(ValueError, match="items holds 9"):
        replace(ratings, items=np.array([0, 1, 2, 3, 9], dtype=np.int32))
    with pytest.raises(ValueError, match="sessions holds"):
        replace(ratings, n_sessions=1)
    with pytest.raises(ValueError, match="must have 8 columns"):
        replace(samples, precisions=np.zeros((2, 4, 4)))
    with pytest.raises(ValueError, match="of 1 or 2 users"):
        replace(rows, base=np.zeros((3, 2, 4)))
