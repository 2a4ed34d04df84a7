"""Scores by weights of items: the kernel, its twin and NumPy agree."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from cfcore import kernels
from cfcore.kernels.lists import weighted_sums as compiled
from cfcore.kernels.records import ItemWeights, RatingRows, UserScores
from cfcore.reference.lists import weighted_sums as twin

Array = np.ndarray[Any, Any]


@st.composite
def sessions(draw: Any) -> tuple[RatingRows, ItemWeights, Array]:
    """Ratings of some users, weights, and users whose scores are asked for."""
    n_items, n_users = draw(st.integers(0, 150)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    rated = rng.random((n_users, n_items)) < draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]))
    indptr = np.append(0, np.cumsum(rated.sum(axis=1)))
    items = np.nonzero(rated)[1].astype(np.int32)
    rows = RatingRows(indptr, items, rng.random(len(items), dtype=np.float32), n_items)
    weights = rng.normal(size=(n_items, n_items)).astype(np.float32)
    weights.flags.writeable = False
    users = rng.integers(0, n_users, draw(st.integers(0, 70))).astype(np.int32)
    return rows, ItemWeights(weights), users


def scores_of(kernel: ModuleType, case: Any, users: Array, n_threads: int = 1) -> Array:
    rows, weights, _ = case
    out = UserScores(users, np.full((len(users), rows.n_columns), np.nan, dtype=np.float32))
    kernel.score_rows(rows, weights, out, n_threads)
    return out.scores


@given(sessions())
def test_scores_are_products_with_the_weights(case: Any) -> None:
    rows, weights, users = case
    dense = np.zeros((rows.n_rows, rows.n_columns))
    dense[np.repeat(np.arange(rows.n_rows), np.diff(rows.indptr)), rows.indices] = rows.values
    expected = dense[users] @ weights.values.astype(np.float64)
    for kernel in (compiled, twin):
        np.testing.assert_allclose(scores_of(kernel, case, users), expected, rtol=1e-4, atol=1e-5)


@given(sessions())
def test_a_user_alone_has_the_bits_of_a_user_among_many(case: Any) -> None:
    _, _, users = case
    expected = scores_of(compiled, case, users)
    for level in kernels.available_levels():
        with kernels.use_level(level):
            assert scores_of(compiled, case, users, 3).tobytes() == expected.tobytes()
            alone = [scores_of(compiled, case, users[k : k + 1]) for k in range(len(users))]
            assert b"".join(one.tobytes() for one in alone) == expected.tobytes()


@pytest.mark.parametrize("kernel", [compiled, twin], ids=["compiled", "twin"])
def test_what_does_not_fit_is_refused(kernel: ModuleType) -> None:
    rows = RatingRows(np.array([0, 1]), np.zeros(1, np.int32), np.ones(1, np.float32), 3)
    weights, scores = ItemWeights(np.zeros((3, 3), np.float32)), np.zeros((1, 3), np.float32)
    with pytest.raises(ValueError, match="user 1 is out of range"):
        kernel.score_rows(rows, weights, UserScores(np.ones(1, np.int32), scores), 1)
    with pytest.raises(ValueError, match="of the same items"):
        kernel.score_rows(rows, weights, UserScores(np.zeros(1, np.int32), np.zeros((1, 4), np.float32)), 1)
    with pytest.raises(ValueError, match="share memory"):
        kernel.score_rows(rows, weights, UserScores(np.zeros(1, np.int32), weights.values[:1]), 1)
    with pytest.raises(ValueError, match="which is not in"):
        UserScores(np.full(1, -1, np.int32), scores)
