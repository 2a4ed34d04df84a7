"""The kernel `baseline`, its twin and a plain oracle give the same biases, and refuse the same input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels import baseline as compiled
from cfcore.kernels.records import Biases, RatingRows
from cfcore.reference.factorization import baseline as twin

BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]
MEAN = 3.2


class Case:
    """Rows of ratings, some of them empty, and biases of rows and columns."""

    def __init__(self, seed: int = 0, n_rows: int = 6, n_columns: int = 4, density: float = 0.7) -> None:
        rng = np.random.default_rng(seed)
        cells = rng.random((n_rows, n_columns)) < density
        indptr = np.append(0, np.cumsum(cells.sum(axis=1))).astype(np.int64)
        indices = np.nonzero(cells)[1].astype(np.int32)
        values = (rng.integers(1, 11, len(indices)) / 2).astype(np.float32)
        self.column_bias, self.row_bias = rng.normal(0, 0.4, n_columns), rng.normal(0, 0.4, n_rows)
        for array in (indptr, indices, values, self.column_bias, self.row_bias):
            array.flags.writeable = False
        self.rows = RatingRows(indptr, indices, values, n_columns)
        self.biases = Biases(self.row_bias, self.column_bias, MEAN)

    def each(self) -> Iterator[tuple[int, Any, Any]]:
        """Number, ratings, and biases of their columns, of each row."""
        for row in range(self.rows.n_rows):
            own = slice(self.rows.indptr[row], self.rows.indptr[row + 1])
            yield row, self.rows.values[own].astype(float), self.column_bias[self.rows.indices[own]]

    def to_solve(self) -> Biases:
        return Biases(np.full(self.rows.n_rows, 9.0), self.column_bias, MEAN)

    def solve(self, module: Any, reg: float = 2.0, n_threads: int = 1) -> Any:
        biases = self.to_solve()
        module.solve(self.rows, biases, reg, n_threads)
        return biases.row_bias

    def squared_error(self, module: Any, n_threads: int = 1) -> Any:
        squares = np.full(self.rows.n_rows, 9.0)
        module.squared_error(self.rows, self.biases, squares, n_threads)
        return squares


cases = st.builds(
    Case, st.integers(0, 10**6), st.integers(1, 90), st.integers(1, 9), st.sampled_from([0.0, 0.1, 0.5, 1.0])
)


@given(cases, st.sampled_from([0.0, 0.5, 10.0]))
def test_biases_are_damped_means(case: Case, reg: float) -> None:
    expected = [
        (values - MEAN - others).sum() / (reg + len(values)) if len(values) else 0.0
        for _, values, others in case.each()
    ]
    found = [case.solve(compiled, reg, n) for n in (1, 2, 3, 4, 200)]
    for bias in [*found, case.solve(twin, reg)]:
        np.testing.assert_allclose(bias, expected, rtol=1e-12, atol=1e-12)
    assert all(bias.tobytes() == found[0].tobytes() for bias in found)


@given(cases)
def test_squared_errors(case: Case) -> None:
    expected = [
        ((values - MEAN - case.row_bias[row] - others) ** 2).sum() for row, values, others in case.each()
    ]
    found = [case.squared_error(compiled, n) for n in (1, 2, 3, 4, 200)]
    for squares in [*found, case.squared_error(twin)]:
        np.testing.assert_allclose(squares, expected, rtol=1e-12, atol=1e-12)
    assert all(squares.tobytes() == found[0].tobytes() for squares in found)


@pytest.mark.parametrize("module", BOTH)
def test_no_rows_and_no_ratings(module: Any) -> None:
    assert Case(n_rows=0).solve(module).tolist() == []
    assert Case(density=0.0, n_columns=0).solve(module).tolist() == [0.0] * 6
    assert Case(density=0.0).squared_error(module).tolist() == [0.0] * 6


@pytest.mark.parametrize("module", BOTH)
def test_predictions_leave_out_unknown_users_and_items(module: Any) -> None:
    biases = Biases(np.array([0.5, -0.25]), np.array([1.0]), 3.0)
    users, items = np.array([0, 1, -1, 0, -1], dtype=np.int32), np.array([0, 0, 0, -1, -1], dtype=np.int32)
    out = np.empty(5)
    module.predict(users, items, biases, out, 2)
    assert out.tolist() == [4.5, 3.75, 4.0, 3.5, 3.0]


@pytest.mark.parametrize("module", BOTH)
class TestRefuses:
    def test_biases_of_other_numbers_of_rows_and_columns(self, module: Any) -> None:
        case = Case()
        for rows, columns in ((5, 4), (6, 3)):
            biases = Biases(np.zeros(rows), np.zeros(columns), MEAN)
            message = f"rows has 6 rows and 4 columns, biases has {rows} and {columns}"
            with pytest.raises(ValueError, match=f"solve: {message}"):
                module.solve(case.rows, biases, 1.0, 1)
            with pytest.raises(ValueError, match=f"squared_error: {message}"):
                module.squared_error(case.rows, biases, np.zeros(rows), 1)

    def test_squares_that_do_not_fit(self, module: Any) -> None:
        case = Case()
        for squares, message in (
            (np.zeros(5), "squares must have one entry a row"),
            (np.zeros(6, dtype=np.float32), "squares must be of float64, not float32"),
            (np.zeros(12)[::2], "squares must be contiguous"),
            (case.row_bias, "squares is read-only"),
        ):
            with pytest.raises(ValueError, match=f"squared_error: {message}"):
                module.squared_error(case.rows, case.biases, squares, 1)

    @pytest.mark.parametrize("reg", [-0.5, np.inf, np.nan])
    def test_regularisation_that_is_negative_or_not_finite(self, module: Any, reg: float) -> None:
        biases = Case().to_solve()
        with pytest.raises(ValueError, match="solve: reg must be finite and at least 0"):
            module.solve(Case().rows, biases, reg, 1)
        assert (biases.row_bias == 9.0).all()

    @pytest.mark.parametrize("n_threads", [0, -1, 1025])
    def test_numbers_of_threads_out_of_range(self, module: Any, n_threads: int) -> None:
        case = Case()
        codes = np.zeros(1, dtype=np.int32)
        message = f"n_threads must be between 1 and 1024, not {n_threads}"
        with pytest.raises(ValueError, match=message):
            case.solve(module, n_threads=n_threads)
        with pytest.raises(ValueError, match=message):
            case.squared_error(module, n_threads)
        with pytest.raises(ValueError, match=message):
            module.predict(codes, codes, case.biases, np.zeros(1), n_threads)

    def test_arguments_of_other_kinds(self, module: Any) -> None:
        case = Case()
        with pytest.raises(TypeError, match="solve: rows must be a RatingRows, not tuple"):
            module.solve((), case.to_solve(), 1.0, 1)
        with pytest.raises(TypeError, match="solve: biases must be a Biases, not ndarray"):
            module.solve(case.rows, case.row_bias, 1.0, 1)
        with pytest.raises(TypeError, match="squared_error: squares must be an ndarray, not list"):
            module.squared_error(case.rows, case.biases, [0.0] * 6, 1)

    def test_results_that_are_read_only_or_share_memory(self, module: Any) -> None:
        case = Case(n_rows=4)
        with pytest.raises(ValueError, match="Biases: row_bias is read-only"):
            module.solve(case.rows, case.biases, 1.0, 1)
        both = case.column_bias.copy()
        with pytest.raises(ValueError, match=r"Biases: .* and Biases: .* share memory"):
            module.solve(case.rows, Biases(both, both, MEAN), 1.0, 1)
        biases = Biases(np.zeros(4), np.zeros(4), MEAN)
        bounds = replace(case.rows, indptr=case.rows.indptr.copy())
        for squares in (biases.row_bias, biases.column_bias, bounds.indptr.view(np.float64)[1:]):
            with pytest.raises(ValueError, match="squared_error: squares shares memory"):
                module.squared_error(bounds, biases, squares, 1)

    def test_predictions_of_codes_out_of_range(self, module: Any) -> None:
        biases = Biases(np.zeros(2), np.zeros(3), 0.0)
        for user, item in ((2, 0), (-2, 0), (0, 3), (0, -2)):
            users, items = np.array([0, user], dtype=np.int32), np.array([0, item], dtype=np.int32)
            with pytest.raises(ValueError, match=rf"predict: pair 1 \({user}, {item}\) is out of range"):
                module.predict(users, items, biases, np.zeros(2), 1)

    def test_predictions_of_arrays_that_do_not_fit(self, module: Any) -> None:
        biases, codes, out = Biases(np.zeros(2), np.zeros(2), 0.0), np.zeros(2, dtype=np.int32), np.zeros(2)
        for users, items, found, message in (
            (codes, codes[:1], out, "of one length"),
            (codes, codes, np.zeros(1), "of one length"),
            (codes.astype(np.int64), codes, out, "users must be of int32, not int64"),
            (codes, codes.astype(">i4"), out, "items must be of int32, not >i4"),
            (codes, codes, np.zeros(4)[::2], "out must be contiguous"),
            (codes, codes, biases.row_bias, "out shares memory"),
            (codes, out.view(np.int32)[:2], out, "out shares memory"),
        ):
            with pytest.raises(ValueError, match=f"predict: .*{message}"):
                module.predict(users, items, biases, found, 1)
