"""The kernel of EASE, its twin and NumPy agree; the same bits for any threads, slices and SIMD levels."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from cfcore import kernels
from cfcore.kernels.lists import ease as compiled
from cfcore.kernels.records import (
    GramMatrix,
    ItemWeights,
    SweepPanel,
)
from cfcore.reference.lists import ease as twin

Array = np.ndarray[Any, Any]
#: Less than a tile, a tile, a block, and more of each, not in whole ones.
SIZES = [16, 48, 64, 128, 144, 272]


def gram_of(n: int, seed: int = 0) -> Array:
    """X'X + 2 I."""
    rows = np.random.default_rng(seed).integers(0, 6, (2 * n, n)) / 5
    gram: Array = rows.T @ rows + 2 * np.eye(n)
    return gram


def panel_for(n: int) -> SweepPanel:
    """Scratch that holds anything."""
    shapes = ((n, 128), (n // 16, 128, 16), (8, 128, 16))
    return SweepPanel(*(np.full(shape, np.nan) for shape in shapes))


def swept(kernel: ModuleType, values: Array, n_threads: int = 1, step: int = 100) -> GramMatrix:
    """The matrix after the sweeps of all rows, `step` tiles a call; above the diagonal it is NaN first."""
    n = len(values)
    gram, panel = GramMatrix(np.where(np.tri(n, dtype=bool), values, np.nan)), panel_for(n)
    for begin in range(0, n, 128):
        assert kernel.sweep_panel(gram, panel, begin, n_threads)
        for first in range(0, -(-n // 64), step):
            kernel.sweep_tiles(gram, panel, begin, (first, min(first + step, -(-n // 64))), n_threads)
    return gram


def weights_of(kernel: ModuleType, gram: GramMatrix, n_items: int, step: int = 100) -> Array:
    """B of the first items."""
    weights = ItemWeights(np.full((n_items, n_items), np.nan, dtype=np.float32))
    for first in range(0, -(-n_items // 64), step):
        kernel.item_weights(gram, weights, (first, min(first + step, -(-n_items // 64))), 1)
    return weights.values


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kernel", [compiled, twin], ids=["compiled", "twin"])
def test_sweeps_leave_the_negative_inverse(kernel: ModuleType, n: int) -> None:
    values = gram_of(n)
    expected = -np.linalg.inv(values)
    found = np.tril(swept(kernel, values, step=2).values)
    np.testing.assert_allclose(found, np.tril(expected), atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kernel", [compiled, twin], ids=["compiled", "twin"])
def test_weights_are_those_of_the_paper(kernel: ModuleType, n: int) -> None:
    values, n_items = gram_of(n), n - 5
    inverse = np.linalg.inv(values)
    expected = (np.eye(n) - inverse / np.diag(inverse))[:n_items, :n_items]
    found = weights_of(kernel, swept(kernel, values), n_items, step=1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (np.diag(found) == 0).all()


@pytest.mark.parametrize("n", SIZES)
def test_same_bits_for_any_threads_slices_and_levels(n: int) -> None:
    values, found = gram_of(n), set()
    for level in kernels.available_levels():
        with kernels.use_level(level):
            for n_threads, step in ((1, 100), (2, 1), (3, 2)):
                gram = swept(compiled, values, n_threads, step)
                found.add((np.tril(gram.values).tobytes(), weights_of(compiled, gram, n - 3, step).tobytes()))
    assert len(found) == 1


def test_sweeps_of_blocks_are_those_of_their_rows() -> None:
    n = 144
    a = gram_of(n)
    for k in range(n):
        column = np.where(np.arange(n) < k, a[k], a[:, k])
        a -= np.multiply.outer(column * (1 / a[k, k]), column)
        inverse = 1 / column[k]
        a[k], a[:, k] = column * inverse, column * inverse
        a[k, k] = -inverse
    found = swept(compiled, gram_of(n)).values
    np.testing.assert_allclose(np.tril(found), np.tril(a), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("kernel", [compiled, twin], ids=["compiled", "twin"])
def test_a_matrix_that_is_not_positive_definite_is_told(kernel: ModuleType) -> None:
    for values in (np.zeros((16, 16)), -np.eye(16), np.full((16, 16), np.nan)):
        assert not kernel.sweep_panel(GramMatrix(values.copy()), panel_for(16), 0, 1)


@pytest.mark.parametrize("kernel", [compiled, twin], ids=["compiled", "twin"])
def test_a_row_may_be_any_integer_of_numpy(kernel: ModuleType) -> None:
    gram, panel = GramMatrix(gram_of(16)), panel_for(16)
    assert kernel.sweep_panel(gram, panel, np.int8(0), 1)


@pytest.mark.parametrize("kernel", [compiled, twin], ids=["compiled", "twin"])
def test_what_does_not_fit_is_refused(kernel: ModuleType) -> None:
    gram, panel = GramMatrix(gram_of(144)), panel_for(144)
    with pytest.raises(ValueError, match="multiple of 16"):
        GramMatrix(np.eye(15))
    with pytest.raises(ValueError, match="panel must have a row for each row of gram"):
        kernel.sweep_panel(gram, panel_for(128), 0, 1)
    with pytest.raises(ValueError, match="begin must be a multiple of 128, not 64"):
        kernel.sweep_tiles(gram, panel, 64, (0, 1), 1)
    for begin in (-128, 256, 2**40):
        with pytest.raises(ValueError, match="not within the 144 rows"):
            kernel.sweep_panel(gram, panel, begin, 1)
    with pytest.raises(ValueError, match="not within the 3 tiles"):
        kernel.sweep_tiles(gram, panel, 0, (0, 4), 1)
    with pytest.raises(ValueError, match="a row for each item"):
        kernel.item_weights(gram, ItemWeights(np.zeros((145, 145), dtype=np.float32)), (0, 1), 1)
    with pytest.raises(TypeError, match="gram must be a GramMatrix"):
        kernel.sweep_panel(panel, gram, 0, 1)
    values = gram_of(16)
    values.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        kernel.sweep_panel(GramMatrix(values), panel_for(16), 0, 1)
