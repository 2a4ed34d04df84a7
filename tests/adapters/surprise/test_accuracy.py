"""Errors of predictions, by values recorded from scikit-surprise 1.1.5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cfcore.surprise import Prediction, accuracy

PREDICTIONS = [
    Prediction(user, item, true, estimated, {})
    for user, item, true, estimated in [
        (0, 0, 3.0, 2.0), (0, 1, 4.0, 3.5), (0, 2, 1, 2.1), (1, 0, 2, 2), (1, 1, 5, 2), (2, 1, 5, 2)
    ]
]  # fmt: skip


@pytest.mark.parametrize(
    ("measure", "value", "line"),
    [
        (accuracy.rmse, 1.8466185312619388, "RMSE: 1.8466\n"),
        (accuracy.mse, 3.41, "MSE: 3.4100\n"),
        (accuracy.mae, 1.4333333333333333, "MAE:  1.4333\n"),
        (accuracy.fcp, 0.6666666666666666, "FCP:  0.6667\n"),
    ],
)
def test_values(
    measure: Callable[..., Any], value: float, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure(PREDICTIONS) == value
    assert capsys.readouterr().out == line
    assert measure(iter(PREDICTIONS), verbose=False) == value
    assert capsys.readouterr().out == ""
    assert isinstance(measure(PREDICTIONS, verbose=False), np.float64)
    with pytest.raises(ValueError, match="Prediction list is empty"):
        measure([])


def test_fcp_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    true, estimated = rng.integers(1, 6, 900), rng.integers(10, 50, 900) / 10
    rows = [Prediction(0, item, t, e, {}) for item, (t, e) in enumerate(zip(true, estimated, strict=True))]
    pairs = [(a, b) for a in range(900) for b in range(900) if true[a] > true[b]]
    right = sum(estimated[a] > estimated[b] for a, b in pairs)
    assert accuracy.fcp(rows, verbose=False) == right / len(pairs)


def test_fcp_needs_pairs() -> None:
    for rows in (
        [Prediction(0, 0, 3.0, 3.0, {})],
        [Prediction(0, 0, 3.0, 3.0, {}), Prediction(0, 1, 3.0, 2.0, {})],
    ):
        with pytest.raises(ValueError, match="Does every user have at least two predictions"):
            accuracy.fcp(rows)


def test_predictions_without_a_true_rating_are_refused() -> None:
    for measure in (accuracy.rmse, accuracy.mse, accuracy.mae, accuracy.fcp):
        with pytest.raises(TypeError, match="no true rating"):
            measure([Prediction(0, 0, None, 3.0, {}), Prediction(0, 1, 4.0, 2.0, {})])


def test_fcp_leaves_out_estimates_that_are_no_numbers() -> None:
    rows = [Prediction(0, 0, 3.0, float("nan"), {}), Prediction(0, 1, 4.0, 3.0, {})]
    with pytest.raises(ValueError, match="Does every user have at least two predictions"):
        accuracy.fcp(rows)
    assert accuracy.fcp([*rows, Prediction(0, 2, 5.0, 4.0, {})], verbose=False) == 1
