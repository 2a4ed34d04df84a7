"""Kernels `gibbs_rows`, `gibbs_sums` and `gibbs_blocks` and their twins: passes over rows between draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cfcore.kernels import available_levels, use_level
from cfcore.kernels.factorization import gibbs_blocks, gibbs_priors, gibbs_rows, gibbs_sums
from cfcore.reference.factorization import gibbs_blocks as blocks_twin
from cfcore.reference.factorization import gibbs_rows as rows_twin
from cfcore.reference.factorization import gibbs_sums as sums_twin

ROWS = pytest.mark.parametrize("module", [gibbs_rows, rows_twin], ids=["compiled", "reference"])
SUMS = pytest.mark.parametrize("module", [gibbs_sums, sums_twin], ids=["compiled", "reference"])
BLOCKS = pytest.mark.parametrize("module", [gibbs_blocks, blocks_twin], ids=["compiled", "reference"])
SHAPES = pytest.mark.parametrize(("n", "k"), [(1, 1), (9, 5), (300, 11), (1000, 32)])


def normal(*shape: int) -> Any:
    return np.random.default_rng(shape).normal(size=shape)


@ROWS
@SHAPES
@pytest.mark.parametrize("n_threads", [1, 2])
def test_rows_have_the_bits_of_the_same_operations_in_numpy(
    module: Any, n: int, k: int, n_threads: int
) -> None:
    width = -(-k // 16) * 16
    before, drawn, means = (normal(n, width, at).mean(axis=2).astype(np.float32) for at in (1, 2, 3))
    rows = before.copy()
    module.overrelax_rows(rows, drawn, means, (-0.85, 0.5), n_threads)
    expected = (drawn - means) * np.float32(0.5) + (before - means) * np.float32(-0.85) + means
    assert rows.tobytes() == expected.tobytes()
    sums, mean, out = normal(n, k), normal(k), np.full((n, k), np.nan)
    module.subtract_sums(drawn, None, sums, out, n_threads)
    assert out.tobytes() == (drawn[:, :k] - sums).tobytes()
    module.subtract_sums(drawn, mean, sums, out, n_threads)
    assert out.tobytes() == (drawn[:, :k] - mean - sums).tobytes()
    out = np.full((n, k + 2), np.nan)
    module.extend_rows(drawn, np.array([1.0, 0.0]), out, n_threads)
    np.testing.assert_array_equal(out[:, :k], drawn[:, :k])
    np.testing.assert_array_equal(out[:, k:], np.full((n, 2), (1.0, 0.0)))


def test_an_over_relaxed_row_is_on_the_other_side_of_its_mean() -> None:
    rows, drawn, means = (np.full((1, 16), number, dtype=np.float32) for number in (7, 5, 5))
    gibbs_rows.overrelax_rows(rows, drawn, means, (-1.0, 0.0), 1)
    np.testing.assert_array_equal(rows, np.full((1, 16), 3))


@SUMS
@SHAPES
@pytest.mark.parametrize("n_threads", [1, 2])
def test_sums_are_in_one_order(module: Any, n: int, k: int, n_threads: int) -> None:
    rows, weights = normal(n, k), normal(n)
    mean, out, sums = np.full(k, np.nan), np.full((n, k), np.nan), np.full(k, np.nan)
    module.centre_rows(rows, mean, out, n_threads)
    total, weighted = np.zeros(k), np.zeros(k)
    for row, weight in zip(rows, weights, strict=True):
        total += row
        weighted += row * weight
    assert mean.tobytes() == (total / n).tobytes()
    assert out.tobytes() == (rows - mean).tobytes()
    module.weigh_rows(rows, weights, sums, n_threads)
    assert sums.tobytes() == weighted.tobytes()


@SUMS
@pytest.mark.parametrize("n", [0, 1, 7, 8, 127, 128, 129, 1000, 8191, 8192, 100_003])
def test_the_sum_of_products_is_pairwise(module: Any, n: int) -> None:
    left, right = normal(n, 1), normal(1, n).T.copy()
    expected = float(np.sum(left * right))
    assert module.sum_pairs(left, right, 1) == module.sum_pairs(left, right, 2) == expected
    assert module.sum_pairs(left, left, 2) == float(np.sum(left * left))


@SHAPES
def test_products_in_blocks_have_the_bits_of_products_in_rows(n: int, k: int) -> None:
    rows, mean, matrix = normal(n, k), normal(k), normal(k, k)
    n_blocks = -(-k // 8)
    expected, again = np.empty((n, k)), np.empty((n, k))
    gibbs_priors.multiply_matrix(rows - mean, matrix, expected, 1)
    gibbs_priors.multiply_matrix(expected, matrix, again, 1)
    for level in available_levels():
        for n_threads in (1, 2):
            blocks, scratch = np.full((n_blocks, n, 8), np.nan), np.empty((2, 128 * k))
            held, product = np.full((n, k), np.nan), np.full((n, k), np.nan)
            with use_level(level):
                gibbs_blocks.multiply_into_blocks(rows, mean, matrix, blocks, scratch, n_threads)
                gibbs_blocks.multiply_blocks(blocks, matrix, held, product, n_threads)
            wide = blocks.transpose(1, 0, 2).reshape(n, 8 * n_blocks)
            assert np.ascontiguousarray(wide[:, :k]).tobytes() == expected.tobytes()
            assert not wide[:, k:].any()
            assert held.tobytes() == expected.tobytes()
            assert product.tobytes() == again.tobytes()
    of_twin, scratch = np.full((n_blocks, n, 8), np.nan), np.empty((1, 128 * k))
    blocks_twin.multiply_into_blocks(rows, mean, matrix, of_twin, scratch, 1)
    np.testing.assert_allclose(of_twin, blocks, rtol=1e-10, atol=1e-12)
    blocks_twin.multiply_blocks(of_twin, matrix, held, product, 1)
    np.testing.assert_allclose(product, again, rtol=1e-10, atol=1e-10)
    blocks_twin.multiply_into_blocks(rows, None, matrix, of_twin, scratch, 1)
    gibbs_blocks.multiply_into_blocks(rows, None, matrix, blocks, scratch, 1)
    np.testing.assert_allclose(of_twin, blocks, rtol=1e-10, atol=1e-12)


@ROWS
def test_refusals_of_rows(module: Any) -> None:
    rows, sums = np.zeros((3, 16), dtype=np.float32), np.zeros((3, 5))
    with pytest.raises(ValueError, match=r"drawn and means must be of shape \(3, 16\)"):
        module.overrelax_rows(rows, rows[:2], rows, (0.0, 1.0), 1)
    with pytest.raises(ValueError, match="share memory"):
        module.overrelax_rows(rows, rows, rows.copy(), (0.0, 1.0), 1)
    with pytest.raises(ValueError, match="sums must be of float64"):
        module.subtract_sums(rows, None, rows, sums, 1)
    with pytest.raises(ValueError, match="at most 16 numbers"):
        module.subtract_sums(rows, None, np.zeros((3, 17)), np.zeros((3, 17)), 1)
    with pytest.raises(ValueError, match="mean must be of 5 numbers, not 4"):
        module.subtract_sums(rows, np.zeros(4), sums, sums.copy(), 1)
    with pytest.raises(ValueError, match="3 rows of 2 to 18 numbers"):
        module.extend_rows(rows, np.zeros(2), np.zeros((3, 19)), 1)
    with pytest.raises(ValueError, match="n_threads must be between 1 and 1024"):
        module.extend_rows(rows, np.zeros(2), np.zeros((3, 18)), 0)


@SUMS
def test_refusals_of_sums(module: Any) -> None:
    rows = np.zeros((3, 5))
    with pytest.raises(ValueError, match="at least one"):
        module.centre_rows(np.zeros((0, 5)), np.zeros(5), np.zeros((0, 5)), 1)
    with pytest.raises(ValueError, match="share memory"):
        module.centre_rows(rows, np.zeros(5), rows, 1)
    with pytest.raises(ValueError, match=r"weights must be of shape \(3,\)"):
        module.weigh_rows(rows, np.zeros(4), np.zeros(5), 1)
    with pytest.raises(ValueError, match="of one shape"):
        module.sum_pairs(rows, np.zeros((5, 3)), 1)


@BLOCKS
def test_refusals_of_blocks(module: Any) -> None:
    rows, matrix, blocks, scratch = np.zeros((3, 5)), np.eye(5), np.zeros((1, 3, 8)), np.zeros((1, 640))
    with pytest.raises(ValueError, match=r"scratch must be of shape \(2, 640\)"):
        module.multiply_into_blocks(rows, None, matrix, blocks, scratch, 2)
    with pytest.raises(ValueError, match="a mean of 5 numbers"):
        module.multiply_into_blocks(rows, np.zeros(4), matrix, blocks, scratch, 1)
    with pytest.raises(ValueError, match=r"\(1, 3, 8\)"):
        module.multiply_into_blocks(rows, None, matrix, np.zeros((2, 3, 8)), scratch, 1)
    with pytest.raises(ValueError, match="share memory"):
        module.multiply_blocks(blocks, matrix, rows, rows, 1)
