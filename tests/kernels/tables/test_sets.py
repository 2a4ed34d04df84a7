"""The kernel `sets` and its twin group the same pairs, slice by slice, and raise the same errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels.tables import sets as compiled
from cfcore.reference.tables import sets as twin

BOTH = pytest.mark.parametrize("sets", [compiled, twin], ids=["compiled", "reference"])

pairs = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=60)
    )
)


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(rows, dtype=np.int32).reshape(-1, 2)
    users, items = both[:, 0].copy(), both[:, 1].copy()
    users.flags.writeable = items.flags.writeable = False
    return users, items


def int32(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def int64(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def slices_of(n: int, data: Any) -> list[tuple[int, int]]:
    cuts = data.draw(st.lists(st.integers(1, max(n - 1, 1)), max_size=3, unique=True))
    bounds = [0, *(cut for cut in sorted(cuts) if cut < n), n]
    return list(itertools.pairwise(bounds))


@BOTH
@given(pairs, st.data())
def test_sets_slice_by_slice(sets: Any, drawn: tuple[int, list[tuple[int, int]]], data: Any) -> None:
    n_codes, rows = drawn
    users, items = columns(rows)
    columns_ptr, by_item = np.full(n_codes + 1, -7, dtype=np.int64), np.full(len(rows), -7, dtype=np.int32)
    for span in slices_of(len(rows), data):
        sets.scatter(items, users, columns_ptr, by_item, span)
    assert by_item.tolist() == [user for user, _ in sorted(rows, key=lambda row: row[1])]
    assert columns_ptr.tolist() == [sum(item < bound for item in items) for bound in range(n_codes + 1)]
    indptr, members = np.full(n_codes + 1, -7, dtype=np.int64), np.full(len(rows), -7, dtype=np.int32)
    columns_ptr.flags.writeable = by_item.flags.writeable = False
    for span in slices_of(n_codes, data):
        sets.transpose(columns_ptr, by_item, indptr, members, span)
    assert members.tolist() == [item for _, item in sorted(rows)]
    assert indptr.tolist() == [sum(user < bound for user in users) for bound in range(n_codes + 1)]


def scatter(sets: Any, codes: Any, payload: Any, indptr: Any, span: tuple[Any, Any]) -> None:
    sets.scatter(codes, payload, indptr, int32(0, 0), span)


def transpose(sets: Any, indptr: Any, indices: Any, other_indptr: Any, span: tuple[Any, Any]) -> None:
    sets.transpose(indptr, indices, other_indptr, int32(0, 0), span)


REFUSED = {
    "payload too short": (scatter, int32(0, 1), int32(0), int64(0, 0, 0), (0, 2)),
    "group out of range": (scatter, int32(0, 2), int32(0, 0), int64(0, 0, 0), (0, 2)),
    "group negative": (scatter, int32(0, -1), int32(0, 0), int64(0, 0, 2), (1, 2)),
    "slice beyond": (scatter, int32(0, 1), int32(0, 0), int64(0, 0, 0), (0, 3)),
    "slice far beyond": (scatter, int32(0, 1), int32(0, 0), int64(0, 0, 0), (0, 2**63)),
    "slice before": (scatter, int32(0, 1), int32(0, 0), int64(0, 0, 0), (-1, 1)),
    "slice of another call": (scatter, int32(0, 1), int32(0, 0), int64(0, 2, 2), (1, 2)),
    "column out of range": (transpose, int64(0, 2), int32(0, 2), int64(0, 0, 0), (0, 1)),
    "rows do not end": (transpose, int64(0, 1), int32(0, 1), int64(0, 0, 0), (0, 1)),
    "rows decrease": (transpose, int64(0, 2, 1, 2), int32(0, 1), int64(0, 0, 0), (0, 3)),
    "columns of another call": (transpose, int64(0, 1, 2), int32(0, 1), int64(0, 2, 2), (1, 2)),
    "rows far beyond": (transpose, int64(0, 2), int32(0, 1), int64(0, 0, 0), (0, 2**63)),
}


@BOTH
@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refused(sets: Any, case: Any) -> None:
    call, *arguments = case
    own = [argument.copy() if isinstance(argument, np.ndarray) else argument for argument in arguments]
    with pytest.raises(ValueError, match=f"^{call.__name__}: "):
        call(sets, *own)


@BOTH
def test_one_array_for_two_arguments_is_refused(sets: Any) -> None:
    codes, bounds = int32(0, 1), np.zeros(3, dtype=np.int64)
    with pytest.raises(ValueError, match=r"scatter: .* share memory"):
        sets.scatter(codes, int32(0, 1), bounds, codes, (0, 2))
    with pytest.raises(ValueError, match=r"scatter: .* share memory"):
        sets.scatter(codes, codes, bounds, bounds.view(np.int32)[2:4], (0, 2))
    with pytest.raises(ValueError, match=r"transpose: .* share memory"):
        sets.transpose(int64(0, 1, 2), codes, bounds, codes, (0, 2))
    with pytest.raises(ValueError, match=r"transpose: .* share memory"):
        sets.transpose(bounds, codes, bounds, int32(0, 0), (0, 2))


@BOTH
def test_read_only_arguments_may_be_one_array(sets: Any) -> None:
    codes, out, indptr = int32(1, 0, 1), int32(0, 0, 0), int64(0, 0, 0)
    sets.scatter(codes, codes, indptr, out, (0, 3))
    assert (out.tolist(), indptr.tolist()) == ([0, 1, 1], [0, 1, 3])
