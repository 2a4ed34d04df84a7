"""Passes over ratings and rows: the same bits for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from cfcore.models.factorization.bayesian_passes import in_slices, squares, times
from cfcore.threads import policy


@pytest.mark.parametrize("n", [0, 1, 5_000])
def test_products_and_sums_do_not_depend_on_threads(n: int) -> None:
    rng = np.random.default_rng(0)
    rows, matrix = rng.normal(size=(n, 5)), rng.normal(size=(5, 4))
    expected = times(rows, matrix, 1), squares(rows, 1)
    np.testing.assert_allclose(expected[0], rows @ matrix, atol=1e-12)
    np.testing.assert_allclose(expected[1], rows.T @ rows, atol=1e-9)
    with policy(minimum_work=0):
        assert times(rows, matrix, 3).tobytes() == expected[0].tobytes()
        assert squares(rows, 4).tobytes() == expected[1].tobytes()


def test_slices_are_all_of_a_range_once() -> None:
    seen = np.zeros(1_001, dtype=int)

    def add(part: slice) -> None:
        seen[part] += 1

    with policy(minimum_work=0):
        in_slices(add, len(seen), 4)
    assert (seen == 1).all()
