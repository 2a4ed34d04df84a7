"""The kernel `baseline`, its twin and a plain oracle give the same biases, and refuse the same input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels import available_levels, load_level
from cfcore.reference.factorization import baseline as twin

LEVELS = {level: load_level("factorization.baseline", level) for level in available_levels()}
compiled = LEVELS["baseline"]
BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]


class Case:
    """Rows of ratings, some of them empty."""

    def __init__(self, seed: int, n_rows: int, n_columns: int, density: float) -> None:
        rng = np.random.default_rng(seed)
        given_to = rng.random((n_rows, n_columns)) < density
        self.indptr = np.append(0, np.cumsum(given_to.sum(axis=1))).astype(np.int64)
        self.indices = np.nonzero(given_to)[1].astype(np.int32)
        self.values = (rng.integers(1, 11, len(self.indices)) / 2).astype(np.float32)
        self.column_bias = rng.normal(0, 0.4, n_columns)
        self.row_bias = rng.normal(0, 0.4, n_rows)
        for array in (self.indptr, self.indices, self.values, self.column_bias, self.row_bias):
            array.flags.writeable = False

    def rows(self) -> Any:
        for row in range(len(self.row_bias)):
            own = slice(self.indptr[row], self.indptr[row + 1])
            yield row, self.values[own].astype(float), self.column_bias[self.indices[own]]

    def solve(self, module: Any, reg: float = 2.0, n_threads: int = 1) -> Any:
        bias = np.full(len(self.row_bias), 9.0)
        module.solve(self.indptr, self.indices, self.values, self.column_bias, bias, 3.2, reg, n_threads)
        return bias

    def squared_error(self, module: Any, n_threads: int = 1) -> Any:
        squares = np.full(len(self.row_bias), 9.0)
        module.squared_error(
            self.indptr, self.indices, self.values, self.row_bias, self.column_bias, squares, 3.2, n_threads
        )
        return squares


cases = st.builds(
    Case, st.integers(0, 10**6), st.integers(1, 90), st.integers(1, 9), st.sampled_from([0.0, 0.1, 0.5, 1.0])
)


@given(cases, st.sampled_from([0.0, 0.5, 10.0]))
def test_biases_are_damped_means(case: Case, reg: float) -> None:
    expected = [
        (values - 3.2 - others).sum() / (reg + len(values)) if len(values) else 0.0
        for _, values, others in case.rows()
    ]
    found = [case.solve(module, reg, n) for module in LEVELS.values() for n in (1, 2, 3, 4)]
    for bias in [*found, case.solve(twin, reg)]:
        np.testing.assert_allclose(bias, expected, rtol=1e-12, atol=1e-12)
    assert all(bias.tobytes() == found[0].tobytes() for bias in found)


@given(cases)
def test_squared_errors(case: Case) -> None:
    expected = [
        ((values - 3.2 - case.row_bias[row] - others) ** 2).sum() for row, values, others in case.rows()
    ]
    found = [case.squared_error(module, n) for module in LEVELS.values() for n in (1, 2, 3, 4)]
    for squares in [*found, case.squared_error(twin)]:
        np.testing.assert_allclose(squares, expected, rtol=1e-12, atol=1e-12)
    assert all(squares.tobytes() == found[0].tobytes() for squares in found)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("method", ["solve", "squared_error"])
def test_bad_rows_are_refused(module: Any, method: str) -> None:
    for name, value, message in (
        ("indices", np.array([0, 3], dtype=np.int32), "a column is out of range"),
        ("indices", np.array([0, -1], dtype=np.int32), "a column is out of range"),
        ("values", np.ones(3, dtype=np.float32), "of one length"),
        ("indptr", np.array([0, 1]), "one longer than the rows"),
        ("indptr", np.array([0, 1, 3]), "from 0 to the number of ratings"),
        ("indptr", np.array([1, 1, 2]), "from 0 to the number of ratings"),
    ):
        case = Case(0, 2, 3, 0.0)
        case.indptr = np.array([0, 1, 2])
        case.indices, case.values = np.array([0, 1], dtype=np.int32), np.ones(2, dtype=np.float32)
        setattr(case, name, value)
        with pytest.raises(ValueError, match=message):
            getattr(case, method)(module)
    case = Case(0, 3, 3, 1.0)
    case.indptr = np.array([0, 6, 3, 9])
    with pytest.raises(ValueError, match="falls at row 1"):
        getattr(case, method)(module)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("module", BOTH)
def test_predictions_leave_out_what_is_unknown(module: Any, dtype: str) -> None:
    user_bias, item_bias = np.array([0.5, -0.25], dtype=dtype), np.array([1.0], dtype=dtype)
    users, items = np.array([0, 1, -1, 0, -1], dtype=np.int32), np.array([0, 0, 0, -1, -1], dtype=np.int32)
    out = np.empty(5)
    module.predict(users, items, user_bias, item_bias, out, 3.0, 2)
    assert out.tolist() == [4.5, 3.75, 4.0, 3.5, 3.0]
    with pytest.raises(ValueError, match=r"pair 0 \(2, 0\) is out of range"):
        module.predict(users[:1] + 2, items[:1], user_bias, item_bias, out[:1], 3.0, 1)
    with pytest.raises(ValueError, match="of one length"):
        module.predict(users, items[:4], user_bias, item_bias, out, 3.0, 1)
