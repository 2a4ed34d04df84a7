"""The kernel `neighbors`, its twin and a plain oracle give the same answers, and refuse the same input."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore import kernels
from cfcore.kernels import available_levels, load_level
from cfcore.reference.neighbors import predict as twin

compiled = load_level("neighbors.predict", available_levels()[0])
IMPLEMENTATIONS = {f"compiled-{level}": load_level("neighbors.predict", level) for level in available_levels()}
IMPLEMENTATIONS["reference"] = twin


class Case:
    """Arguments of `predict_dense`, drawn so that ties, gaps, zeros and unknown codes are common."""

    def __init__(self, seed: int, n_holders: int, n_targets: int, density: float, n: int) -> None:
        rng = np.random.default_rng(seed)
        given_to = rng.random((n_holders, n_targets)) < density
        self.indptr = np.append(0, np.cumsum(given_to.sum(axis=1))).astype(np.int64)
        self.indices = np.nonzero(given_to)[1].astype(np.int32)
        self.values = rng.integers(-9, 10, len(self.indices)).astype(np.float32) / np.float32(2)
        coarse = rng.choice([-1, -0.5, -0.25, 0, 0.25, 0.5, 1, np.nan], (n_targets, n_targets))
        fine = rng.uniform(-1, 1, (n_targets, n_targets))
        self.similarity = np.where(rng.random((n_targets, n_targets)) < 0.5, coarse, fine).astype(np.float32)
        self.holders = rng.integers(-1, n_holders, n).astype(np.int32)
        self.targets = rng.integers(-1, n_targets, n).astype(np.int32)
        self.order = np.argsort(self.targets, kind="stable")

    def dense(self, module: Any, rule: Any, *, n_threads: int = 1, room: int = 0, parts: int = 1) -> Any:
        return self._run(module.predict_dense, (self.similarity,), (), rule, n_threads, room, parts)

    def rows(self, module: Any, rule: Any, codes: Any, weights: Any, *, n_threads: int = 1) -> Any:
        scratch = np.zeros((n_threads, len(codes)), dtype=np.float32)
        out = self._run(module.predict_rows, (codes, weights), (scratch,), rule, n_threads, 0, 1)
        assert not scratch.any()
        return out

    def _run(
        self, predict: Any, compared: Any, scratch: Any, rule: Any, n_threads: int, room: int, parts: int
    ) -> Any:
        out = np.full(len(self.holders), 1e300)
        keys = np.empty((n_threads, max(room, rule[0] + 1)), dtype=np.uint64)
        bounds = np.linspace(0, len(out), parts + 1).astype(int)
        for begin, end in pairwise(bounds):
            predict(
                *compared, self.indptr, self.indices, self.values, self.holders, self.targets, self.order,
                out, *scratch, keys, *rule, begin, end, n_threads,
            )  # fmt: skip
        return out


def naive(case: Case, rule: tuple[int, float, float, bool]) -> list[float]:
    """The docstring of the kernel, one request after the other."""
    n_neighbors, damping, power, positive_only = rule
    out = []
    for holder, target in zip(case.holders.tolist(), case.targets.tolist(), strict=True):
        if holder < 0 or target < 0:
            out.append(math.nan)
            continue
        entries = []
        for q in range(case.indptr[holder], case.indptr[holder + 1]):
            code, similarity = int(case.indices[q]), float(case.similarity[target, case.indices[q]])
            if code != target and (similarity > 0 or (similarity < 0 and not positive_only)):
                entries.append((-abs(similarity), code, similarity, float(case.values[q])))
        entries = sorted(entries)[: n_neighbors or None]
        above = sum(math.copysign(abs(s) ** power, s) * value for _, _, s, value in entries)
        below = damping + sum(abs(s) ** power for _, _, s, _ in entries)
        out.append(above / below if below > 0 else math.nan)
    return out


cases = st.builds(
    Case,
    seed=st.integers(0, 2**32 - 1),
    n_holders=st.integers(0, 7),
    n_targets=st.integers(1, 12),
    density=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    n=st.integers(0, 40),
)
rules = st.tuples(
    st.integers(0, 6),
    st.sampled_from([0.0, 0.03, 2.0]),
    st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.5, 1.3]),
    st.booleans(),
)


@given(cases, rules)
def test_compiled_twin_and_oracle_agree(case: Case, rule: Any) -> None:
    expected = naive(case, rule)
    for module in IMPLEMENTATIONS.values():
        np.testing.assert_allclose(case.dense(module, rule), expected, rtol=1e-9, atol=1e-12)


@given(cases, rules)
def test_rows_that_keep_everything_are_as_good_as_the_matrix(case: Case, rule: Any) -> None:
    n = len(case.similarity)
    shuffled = np.random.default_rng(n).permuted(np.tile(np.arange(n, dtype=np.int32), (n, 1)), axis=1)
    weights = np.take_along_axis(case.similarity, shuffled.astype(np.int64), axis=1)
    padded = np.hstack([shuffled, np.full((n, 2), -1, dtype=np.int32)])
    weights = np.hstack([weights, np.full((n, 2), 9, dtype=np.float32)])
    for module in IMPLEMENTATIONS.values():
        np.testing.assert_array_equal(
            case.rows(module, rule, padded, weights, n_threads=2), case.dense(module, rule)
        )


@given(cases, rules, st.integers(0, 3))
def test_what_rows_leave_out_is_no_neighbour(case: Case, rule: Any, n_kept: int) -> None:
    near = np.nan_to_num(case.similarity, nan=-9)
    codes = np.argsort(-near, axis=1, kind="stable")[:, :n_kept].astype(np.int32)
    weights = np.take_along_axis(case.similarity, codes.astype(np.int64), axis=1)
    kept = np.zeros_like(case.similarity)
    np.put_along_axis(kept, codes.astype(np.int64), weights, axis=1)
    expected = [case.rows(module, rule, codes, weights) for module in IMPLEMENTATIONS.values()]
    case.similarity = kept
    for module, out in zip(IMPLEMENTATIONS.values(), expected, strict=True):
        np.testing.assert_array_equal(out, case.dense(module, rule))


@pytest.fixture(scope="module")
def long() -> Case:
    """Rows far longer than the scratch, and requests enough for every thread to have many chunks."""
    return Case(seed=1, n_holders=30, n_targets=900, density=0.7, n=3000)


@pytest.mark.parametrize("n_neighbors", [0, 1, 40, 699])
@pytest.mark.parametrize("positive_only", [True, False])
def test_long_rows_against_the_twin(long: Case, n_neighbors: int, positive_only: bool) -> None:
    rule = (n_neighbors, 0.1, 1.5, positive_only)
    np.testing.assert_allclose(long.dense(compiled, rule), long.dense(twin, rule), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", [(0, 0.0, 1.0, True), (40, 0.03, 2.0, True), (25, 0.1, 1.3, False)])
def test_same_bits_whatever_threads_levels_slices_scratch_and_order(long: Case, rule: Any) -> None:
    expected = long.dense(compiled, rule)
    for level in available_levels():
        for n_threads in (1, 2, 3, 4):
            out = long.dense(load_level("neighbors.predict", level), rule, n_threads=n_threads)
            np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(long.dense(compiled, rule, parts=7), expected)
    np.testing.assert_allclose(long.dense(compiled, rule, room=200), expected, rtol=1e-12)
    grouped = long.order
    try:
        long.order = np.random.default_rng(0).permutation(len(grouped))
        np.testing.assert_array_equal(long.dense(compiled, rule), expected)
    finally:
        long.order = grouped


@pytest.mark.parametrize("module", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
def test_only_the_slice_is_written_and_inputs_may_be_read_only(module: Any) -> None:
    case = Case(seed=2, n_holders=5, n_targets=6, density=0.9, n=20)
    for array in vars(case).values():
        array.flags.writeable = False
    out, keys = np.full(20, 7.0), np.empty((1, 8), dtype=np.uint64)
    module.predict_dense(
        case.similarity, case.indptr, case.indices, case.values, case.holders, case.targets, case.order,
        out, keys, 3, 1.0, 1.0, False, 5, 9, 1,
    )  # fmt: skip
    written = np.isin(np.arange(20), case.order[5:9])
    assert (out[~written] == 7).all()
    assert (out[written] != 7).all()


@pytest.mark.parametrize("module", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"similarity": np.zeros((6, 5), np.float32)}, "square"),
        ({"targets": np.zeros(19, np.int32)}, "of one length"),
        ({"out": np.zeros(19)}, "of one length"),
        ({"values": np.zeros(1, np.float32)}, "indices and values"),
        ({"holders": np.full(20, 5, np.int32)}, r"holders must lie in \[-1, 5\)"),
        ({"holders": np.full(20, -2, np.int32)}, "holders must lie"),
        ({"targets": np.full(20, 6, np.int32)}, r"targets in \[-1, 6\)"),
        ({"targets": np.full(20, -2, np.int32)}, "targets in"),
        ({"order": np.full(20, 20)}, r"order in \[0, 20\)"),
        ({"order": np.full(20, -1)}, "order in"),
        ({"similarity": np.zeros((2, 2), np.float32)}, r"indices must lie in \[0, 2\)"),
        ({"indptr": np.array([0, 2**40])}, "indptr must rise"),
        ({"indptr": np.array([], np.int64)}, "indptr must rise"),
        ({"begin": -1}, "not within"),
        ({"end": 21}, "not within"),
        ({"begin": 9, "end": 8}, "not within"),
        ({"n_neighbors": -1}, "at least 0"),
        ({"n_neighbors": 8}, "keys needs"),
        ({"n_threads": 2}, "keys needs"),
        ({"n_threads": 0}, "n_threads at least 1"),
        ({"damping": -0.1}, "damping"),
        ({"damping": math.nan}, "damping"),
        ({"power": 0.0}, "power above 0"),
    ],
)
def test_bad_input_is_refused(module: Any, changes: dict[str, Any], message: str) -> None:
    case = Case(seed=3, n_holders=5, n_targets=6, density=0.9, n=20)
    arguments = {name: vars(case)[name] for name in ("similarity", "indptr", "indices", "values")}
    arguments |= {"holders": case.holders, "targets": case.targets, "order": case.order, "out": np.zeros(20)}
    arguments |= {"keys": np.zeros((1, 8), np.uint64), "n_neighbors": 3, "damping": 0.0, "power": 1.0}
    arguments |= {"positive_only": True, "begin": 0, "end": 20, "n_threads": 1} | changes
    with pytest.raises(ValueError, match=message):
        module.predict_dense(*arguments.values())


@pytest.mark.parametrize("module", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("codes", "weights", "rows", "message"),
    [
        (np.full((6, 2), 6, np.int32), np.zeros((6, 2), np.float32), (1, 6), r"codes must lie in \[-1, 6\)"),
        (np.full((6, 2), -2, np.int32), np.zeros((6, 2), np.float32), (1, 6), "codes must lie"),
        (np.zeros((6, 2), np.int32), np.zeros((6, 3), np.float32), (1, 6), "of one shape"),
        (np.zeros((6, 2), np.int32), np.zeros((6, 2), np.float32), (1, 5), "rows needs 6 columns"),
        (np.zeros((6, 2), np.int32), np.zeros((6, 2), np.float32), (0, 6), "rows needs 6 columns"),
    ],
)
def test_bad_rows_are_refused(module: Any, codes: Any, weights: Any, rows: Any, message: str) -> None:
    case = Case(seed=3, n_holders=5, n_targets=6, density=0.9, n=20)
    with pytest.raises(ValueError, match=message):
        module.predict_rows(
            codes, weights, case.indptr, case.indices, case.values, case.holders, case.targets, case.order,
            np.zeros(20), np.zeros(rows, np.float32), np.zeros((1, 8), np.uint64),
            3, 0.0, 1.0, True, 0, 20, 1,
        )  # fmt: skip


def test_both_have_the_same_functions() -> None:
    public = [name for name in dir(kernels.neighbors) if name.startswith("predict")]
    assert public == sorted(twin.__all__)
