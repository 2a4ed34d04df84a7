"""Arguments that the kernel `predict`, its twin and their records refuse; refused arrays stay unchanged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cfcore.kernels.neighbors import predict as compiled
from cfcore.kernels.records import (
    NearestRows,
    PredictionRequests,
    PredictionRule,
    PredictionScratch,
    RatingRows,
    SimilarityMatrix,
)
from cfcore.reference.neighbors import predict as twin
from tests.kernels.neighbors.test_predict import Case

BOTH = pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])
N_HOLDERS, N_TARGETS, N = 5, 6, 20


class Call:
    """Valid arguments of `predict_dense` and `predict_rows`, by name."""

    def __init__(self) -> None:
        case = Case(seed=3, n_holders=N_HOLDERS, n_targets=N_TARGETS, density=0.9, n=N)
        self.matrix = SimilarityMatrix(case.similarity)
        codes = np.tile(np.array([0, 5, -1], dtype=np.int32), (N_TARGETS, 1))
        self.nearest = NearestRows(codes, np.full(codes.shape, 0.5, dtype=np.float32))
        self.rated, self.requests = case.rated(), case.requests()
        self.rule = PredictionRule(3, 0.1, 1.0)
        rows = np.zeros((2, N_TARGETS), dtype=np.float32)
        self.scratch = PredictionScratch(np.zeros((2, 8), dtype=np.uint64), rows)
        self.span: Any = (0, N)
        self.n_threads: Any = 2

    def predict_dense(self, module: Any) -> None:
        module.predict_dense(self.matrix, *self._common())

    def predict_rows(self, module: Any) -> None:
        module.predict_rows(self.nearest, *self._common())

    def _common(self) -> Any:
        return self.rated, self.requests, self.rule, self.scratch, self.span, self.n_threads

    def with_keys(self, n_threads: int, room: int) -> PredictionScratch:
        return PredictionScratch(np.zeros((n_threads, room), dtype=np.uint64), self.scratch.rows)


def requests(**changes: Any) -> PredictionRequests:
    given: dict[str, Any] = {
        "holders": np.zeros(N, dtype=np.int32),
        "targets": np.zeros(N, dtype=np.int32),
        "order": np.arange(N),
        "out": np.zeros(N),
        "n_holders": N_HOLDERS,
        "n_targets": N_TARGETS,
    }
    return PredictionRequests(**{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": np.zeros(N - 1, np.int32)}, "targets must be of shape"),
        ({"out": np.zeros(N - 1)}, "out must be of shape"),
        ({"out": np.zeros(N, np.float32)}, "out must be of float64"),
        ({"holders": np.full(N, 5, np.int32)}, r"holders must lie in \[-1, 5\)"),
        ({"holders": np.full(N, -2, np.int32)}, "holders must lie"),
        ({"targets": np.full(N, 6, np.int32)}, r"targets must lie in \[-1, 6\)"),
        ({"targets": np.full(N, -2, np.int32)}, "targets must lie"),
        ({"order": np.full(N, N)}, r"order must lie in \[0, 20\)"),
        ({"order": np.full(N, -1)}, "order must lie"),
        ({"n_targets": -1}, "n_targets"),
    ],
)
def test_requests_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    requests()
    with pytest.raises(ValueError, match=message):
        requests(**changes)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"n_neighbors": -1}, ValueError),
        ({"n_neighbors": 1.5}, TypeError),
        ({"damping": -0.1}, ValueError),
        ({"damping": math.nan}, ValueError),
        ({"power": 0.0}, ValueError),
        ({"power": math.nan}, ValueError),
    ],
)
def test_rules_out_of_range_are_refused(changes: dict[str, Any], error: Any) -> None:
    with pytest.raises(error, match=next(iter(changes))):
        PredictionRule(**{"n_neighbors": 3, "damping": 0.0, "power": 1.0, **changes})


def test_rows_of_ratings_are_checked() -> None:
    indices, values = np.array([0, 1], dtype=np.int32), np.ones(2, dtype=np.float32)
    for indptr, columns, message in (
        ([0, 2], 1, r"indices holds 1 at 1, which is not in \[0, 1\)"),
        ([0, 2**40], 2, "indptr must run from 0 to 2"),
        ([], 2, "indptr"),
        ([0, 3, 2], 2, "indptr falls at row 1"),
    ):
        with pytest.raises(ValueError, match=message):
            RatingRows(np.array(indptr, dtype=np.int64), indices, values, columns)
    with pytest.raises(ValueError, match="values must be of shape"):
        RatingRows(np.array([0, 2]), indices, values[:1], 2)


@BOTH
@pytest.mark.parametrize("function", ["predict_dense", "predict_rows"])
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"span": (-1, 3)}, ValueError, "span"),
        ({"span": (0, 21)}, ValueError, r"span \(0, 21\) is not within the 20 requests"),
        ({"span": (9, 8)}, ValueError, "span"),
        ({"n_threads": 0}, ValueError, "n_threads must be between 1 and 1024"),
        ({"n_threads": 1025}, ValueError, "n_threads"),
        ({"n_threads": 3}, ValueError, "keys needs a row for each thread"),
        ({"rule": PredictionRule(8, 0.0, 1.0)}, ValueError, "keys needs .* longer than n_neighbors"),
        ({"requests": requests(n_holders=N_HOLDERS + 1)}, ValueError, "requests must be for the rows"),
        ({"requests": requests(n_targets=N_TARGETS + 1)}, ValueError, "requests must be for the rows"),
        ({"rated": None}, TypeError, "rated must be a RatingRows, not NoneType"),
        ({"requests": None}, TypeError, "requests must be a PredictionRequests"),
        ({"rule": None}, TypeError, "rule must be a PredictionRule"),
        ({"scratch": None}, TypeError, "scratch must be a PredictionScratch"),
        ({"matrix": np.zeros((6, 6)), "nearest": np.zeros((6, 2))}, TypeError, "must be a .*, not ndarray"),
        (
            {
                "matrix": SimilarityMatrix(np.zeros((2, 2), np.float32)),
                "nearest": NearestRows(np.zeros((2, 2), np.int32), np.zeros((2, 2), np.float32)),
            },
            ValueError,
            "similarities must have 6 rows, as rated has columns; they have 2",
        ),
        (
            {
                "matrix": SimilarityMatrix(np.zeros((6, 6))),
                "nearest": NearestRows(np.zeros((6, 2), np.int32), np.zeros((6, 2))),
            },
            ValueError,
            "similarities must be of float32, not float64",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    module: Any, function: str, changes: dict[str, Any], error: Any, message: str
) -> None:
    call = Call()
    getattr(call, function)(module)
    vars(call).update(changes)
    with pytest.raises(error, match=message):
        getattr(call, function)(module)


@BOTH
def test_codes_of_the_nearest_and_scratch_for_them_are_checked(module: Any) -> None:
    for code in (-2, N_TARGETS):
        call = Call()
        call.predict_rows(module)
        call.nearest.codes[call.requests.targets.max(), 1] = code
        with pytest.raises(ValueError, match=r"codes must lie in \[-1, 6\)"):
            call.predict_rows(module)
    for rows in (None, np.zeros((2, N_TARGETS - 1), dtype=np.float32)):
        call = Call()
        call.scratch = PredictionScratch(call.scratch.keys, rows)
        with pytest.raises(ValueError, match="rows needs 6 columns"):
            call.predict_rows(module)
        call.predict_dense(module)
    with pytest.raises(ValueError, match="rows must be of shape"):
        PredictionScratch(np.zeros((2, 8), dtype=np.uint64), np.zeros((1, N_TARGETS), dtype=np.float32))


@BOTH
@pytest.mark.parametrize("function", ["predict_dense", "predict_rows"])
def test_only_the_slice_is_written_and_inputs_may_be_read_only(module: Any, function: str) -> None:
    call = Call()
    for record in (call.matrix, call.nearest, call.rated):
        for _, array, _ in record.arrays():
            array.flags.writeable = False
    for name in ("holders", "targets", "order"):
        getattr(call.requests, name).flags.writeable = False
    call.requests.out[:] = 7
    call.span = (5, 9)
    getattr(call, function)(module)
    written = np.isin(np.arange(N), call.requests.order[5:9])
    assert (call.requests.out[~written] == 7).all()
    assert (call.requests.out[written] != 7).all()


@BOTH
@pytest.mark.parametrize("function", ["predict_dense", "predict_rows"])
def test_results_that_are_read_only_or_share_memory_are_refused(module: Any, function: str) -> None:
    call = Call()
    call.requests.out.flags.writeable = False
    with pytest.raises(ValueError, match=r"out is read-only"):
        getattr(call, function)(module)
    memory = np.zeros(N, dtype=np.int64)
    call = Call()
    call.requests = requests(order=memory, out=memory.view(np.float64))
    with pytest.raises(ValueError, match="share memory"):
        getattr(call, function)(module)
    call = Call()
    call.scratch = PredictionScratch(memory[:16].view(np.uint64).reshape(2, 8), call.scratch.rows)
    call.requests = requests(holders=memory.view(np.int32)[:N])
    with pytest.raises(ValueError, match="share memory"):
        getattr(call, function)(module)
    call = Call()
    call.rated = RatingRows(memory[: N_HOLDERS + 1], call.rated.indices[:0], call.rated.values[:0], N_TARGETS)
    call.requests = requests(out=memory.view(np.float64))
    with pytest.raises(ValueError, match="share memory"):
        getattr(call, function)(module)
