"""Kernel `gibbs_priors` and its twin: members of sets from their distributions, and products of rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfcore.kernels import available_levels, use_level
from cfcore.kernels.factorization import gibbs_priors as compiled
from cfcore.kernels.records import DrawKey, MemberDraws
from cfcore.reference.factorization import gibbs_priors as twin

BOTH = pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])
KEY = DrawKey(12_345_678_901, 3, 7)


def members_case(
    seed: int = 0, n_blocks: int = 2, n_members: int = 7, n_owners: int = 9, valued: bool = False
) -> MemberDraws:
    rng = np.random.default_rng(seed)
    held = rng.random((n_members, n_owners)) < 0.5
    indptr = np.append(0, np.cumsum(held.sum(axis=1))).astype(np.int64)
    weights = 1 / np.sqrt(np.maximum(held.sum(axis=0), 1))
    return MemberDraws(
        indptr, np.nonzero(held)[1].astype(np.int32), weights, rng.normal(0, 1, (n_blocks, n_members, 8)),
        rng.normal(0, 1, (n_blocks, n_owners, 8)), 1.7,
        rng.normal(0, 1, indptr[-1]).astype(np.float32) if valued else None,
    )  # fmt: skip


def sums_of(draws: MemberDraws) -> Any:
    """Weighted sums of each owner's members."""
    matrix = np.zeros((draws.n_owners, draws.n_members))
    for j in range(draws.n_members):
        owners = draws.owners[draws.indptr[j] : draws.indptr[j + 1]]
        values = 1 if draws.values is None else draws.values[draws.indptr[j] : draws.indptr[j + 1]]
        matrix[owners, j] = draws.weights[owners] * values
    return matrix, np.einsum("uj,bjf->buf", matrix, draws.members)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.integers(1, 3), st.booleans())
def test_members_and_the_errors_of_their_owners(seed: int, n_blocks: int, valued: bool) -> None:
    found, expected, first = (members_case(seed, n_blocks, valued=valued) for _ in range(3))
    compiled.draw_members(found, KEY, (0, 3), 2)
    compiled.draw_members(found, KEY, (3, 7), 1)
    twin.draw_members(expected, KEY, (0, 7), 1)
    np.testing.assert_allclose(found.members, expected.members, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.errors, expected.errors, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.errors + sums_of(found)[1], first.errors + sums_of(first)[1], atol=1e-12)


@BOTH
def test_blocks_apart_have_the_bits_of_all_at_once(module: Any) -> None:
    whole, parts = members_case(n_blocks=3), []
    for begin, end in ((0, 1), (1, 3)):
        of_all = members_case(n_blocks=3)
        blocks = {name: getattr(of_all, name)[begin:end].copy() for name in ("members", "errors")}
        parts.append(replace(of_all, **blocks, first_block=begin))
        module.draw_members(parts[-1], KEY, (0, 7), 1)
    module.draw_members(whole, KEY, (0, 7), 1)
    np.testing.assert_array_equal(np.concatenate([part.members for part in parts]), whole.members)
    np.testing.assert_array_equal(np.concatenate([part.errors for part in parts]), whole.errors)


@pytest.mark.parametrize("valued", [False, True])
def test_members_settle_at_the_posterior_of_the_regression(valued: bool) -> None:
    """Over many sweeps, mean and covariance of a column are those of ridge regression."""
    draws = members_case(4, n_blocks=1, valued=valued)
    matrix, sums = sums_of(draws)
    rows = draws.errors[0] + sums[0]
    covariance = np.linalg.inv(matrix.T @ matrix + draws.penalty * np.eye(draws.n_members))
    expected = covariance @ matrix.T @ rows
    total, squares, n = np.zeros_like(expected), np.zeros((7, 7)), 6000
    for sweep in range(n):
        compiled.draw_members(draws, DrawKey(5, 2, sweep), (0, 7), 1)
        total += draws.members[0]
        apart = draws.members[0] - expected
        squares += apart @ apart.T / 8
    np.testing.assert_allclose(total / n, expected, atol=0.06)
    np.testing.assert_allclose(squares / n, covariance, atol=0.04)


def test_members_without_noise_are_the_means_that_they_are_drawn_around() -> None:
    """Many rounds without noise end at the solution of ridge regression."""
    draws = replace(members_case(4, n_blocks=1), noise=0.0)
    matrix, sums = sums_of(draws)
    rows = draws.errors[0] + sums[0]
    gram = matrix.T @ matrix + draws.penalty * np.eye(draws.n_members)
    for _ in range(200):
        compiled.draw_members(draws, KEY, (0, 7), 1)
    np.testing.assert_allclose(draws.members[0], np.linalg.solve(gram, matrix.T @ rows), atol=1e-9)
    one, other = (replace(members_case(5), noise=0.0) for _ in range(2))
    compiled.draw_members(one, KEY, (0, 7), 1)
    twin.draw_members(other, KEY, (0, 7), 1)
    np.testing.assert_allclose(one.members, other.members, rtol=1e-10, atol=1e-12)


def summed(module: Any, rows: Any, n_threads: int = 1) -> Any:
    k = rows.shape[1]
    parts, sums = np.full((module.n_parts(len(rows)), k, k), np.nan), np.full((k, k), np.nan)
    module.sum_products(rows, parts, sums, n_threads)
    return sums


def multiplied(module: Any, rows: Any, matrix: Any, n_threads: int = 1) -> Any:
    found = np.full(rows.shape, np.nan)
    module.multiply_matrix(rows, matrix, found, n_threads)
    return found


@pytest.mark.parametrize("n", [0, 1, 256, 1000])
@pytest.mark.parametrize("k", [1, 11, 32])
def test_products_of_rows(n: int, k: int) -> None:
    rng = np.random.default_rng(n + k)
    rows, matrix = rng.normal(size=(n, k)), rng.normal(size=(k, k))
    sums, product = summed(compiled, rows), multiplied(compiled, rows, matrix)
    for module in (compiled, twin):
        np.testing.assert_allclose(summed(module, rows), rows.T @ rows, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(multiplied(module, rows, matrix), rows @ matrix, rtol=1e-10, atol=1e-10)
    for level in available_levels():
        with use_level(level):
            assert summed(compiled, rows, 2).tobytes() == sums.tobytes()
            assert multiplied(compiled, rows, matrix, 2).tobytes() == product.tobytes()


@BOTH
def test_refusals(module: Any) -> None:
    rows = np.zeros((5, 3))
    with pytest.raises(TypeError, match="draws must be a MemberDraws"):
        module.draw_members(rows, KEY, (0, 1), 1)
    with pytest.raises(ValueError, match=r"parts must be of shape \(1, 3, 3\)"):
        module.sum_products(rows, np.zeros((2, 3, 3)), np.zeros((3, 3)), 1)
    with pytest.raises(ValueError, match=r"matrix must be of shape \(3, 3\)"):
        module.multiply_matrix(rows, np.zeros((2, 3)), rows.copy(), 1)
    with pytest.raises(ValueError, match="share memory"):
        module.multiply_matrix(rows, np.zeros((3, 3)), rows, 1)
