"""The kernel `csr` and its twin give the same orders, and refuse the same input."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels.tables import csr as compiled
from cfcore.reference.tables import csr as twin

BOTH = pytest.mark.parametrize("csr", [compiled, twin], ids=["compiled", "reference"])
POSITIONS = pytest.mark.parametrize("dtype", [np.int32, np.int64])

pairs = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=60)
    )
)


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(rows, dtype=np.int32).reshape(-1, 2)
    users, items = both[:, 0].copy(), both[:, 1].copy()
    # Kernels must take what nobody may write to.
    users.flags.writeable = items.flags.writeable = False
    return users, items


@BOTH
@POSITIONS
@given(pairs)
def test_one_key(csr: Any, dtype: Any, drawn: tuple[int, list[tuple[int, int]]]) -> None:
    n_codes, rows = drawn
    codes, _ = columns(rows)
    indptr, order = np.full(n_codes + 1, -7, dtype=np.int64), np.full(len(codes), -7, dtype=dtype)
    csr.counting_sort(codes, indptr, order)
    expected = sorted(range(len(codes)), key=lambda row: codes[row])  # Python's sort is stable
    assert order.tolist() == expected
    assert indptr.tolist() == [sum(code < bound for code in codes) for bound in range(n_codes + 1)]


@BOTH
@POSITIONS
@given(pairs)
def test_two_keys(csr: Any, dtype: Any, drawn: tuple[int, list[tuple[int, int]]]) -> None:
    n_codes, rows = drawn
    users, items = columns(rows)
    indptr, first, order = np.empty(n_codes + 1, dtype=np.int64), *np.empty((2, len(rows)), dtype=dtype)
    csr.counting_sort(items, indptr, first)
    first.flags.writeable = False
    csr.counting_sort_after(users, first, indptr, order)
    assert order.tolist() == sorted(range(len(rows)), key=lambda row: rows[row])
    assert indptr.tolist() == [sum(user < bound for user in users) for bound in range(n_codes + 1)]


@BOTH
@POSITIONS
@given(pairs)
def test_first_repeat(csr: Any, dtype: Any, drawn: tuple[int, list[tuple[int, int]]]) -> None:
    n_codes, rows = drawn
    users, items = columns(rows)
    indptr, order = np.empty(n_codes + 1, dtype=np.int64), np.empty(len(rows), dtype=dtype)
    csr.counting_sort(users, indptr, order)
    found = csr.first_repeat(items, indptr, order, np.empty(n_codes, dtype=dtype))
    assert found == next((k for k, row in enumerate(rows) if row in rows[:k]), -1)


@BOTH
@POSITIONS
@pytest.mark.parametrize("scalar", [np.int32, np.int64, np.float32, np.float64])
def test_gather_and_invert(csr: Any, dtype: Any, scalar: Any) -> None:
    rng = np.random.default_rng(0)
    order = rng.permutation(50).astype(dtype)
    source, out, inverse = (
        rng.integers(0, 99, 50).astype(scalar),
        np.empty(50, dtype=scalar),
        np.empty_like(order),
    )
    csr.take(source, order, out)
    csr.invert(order, inverse)
    assert (out == source[order]).all()
    assert (inverse == np.argsort(order)).all()


def int32(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def int64(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


REFUSED = {
    "negative code": lambda csr: csr.counting_sort(int32(0, -1), np.empty(3, dtype=np.int64), int32(0, 0)),
    "code too large": lambda csr: csr.counting_sort(int32(0, 2), np.empty(3, dtype=np.int64), int32(0, 0)),
    "no code possible": lambda csr: csr.counting_sort(int32(0), np.empty(1, dtype=np.int64), int32(0)),
    "short order": lambda csr: csr.counting_sort(int32(0, 1), np.empty(3, dtype=np.int64), int32(0)),
    "no indptr": lambda csr: csr.counting_sort(int32(), int64(), int32()),
    "second key out of range": lambda csr: csr.counting_sort_after(
        int32(0, 5), int32(0, 1), np.empty(3, dtype=np.int64), int32(0, 0)
    ),
    "position out of range": lambda csr: csr.counting_sort_after(
        int32(0, 1), int32(0, 2), np.empty(3, dtype=np.int64), int32(0, 0)
    ),
    "position negative": lambda csr: csr.counting_sort_after(
        int32(0, 1), int32(0, -1), np.empty(3, dtype=np.int64), int32(0, 0)
    ),
    "first too short": lambda csr: csr.counting_sort_after(
        int32(0, 1), int32(0), np.empty(3, dtype=np.int64), int32(0, 0)
    ),
    "payload too short": lambda csr: csr.scatter(int32(0, 1), int32(0), int64(0, 0, 0), int32(0, 0), 0, 2),
    "group out of range": lambda csr: csr.scatter(
        int32(0, 2), int32(0, 0), int64(0, 0, 0), int32(0, 0), 0, 2
    ),
    "group negative": lambda csr: csr.scatter(int32(0, -1), int32(0, 0), int64(0, 0, 2), int32(0, 0), 1, 2),
    "slice beyond": lambda csr: csr.scatter(int32(0, 1), int32(0, 0), int64(0, 0, 0), int32(0, 0), 0, 3),
    "slice of something else": lambda csr: csr.scatter(
        int32(0, 1), int32(0, 0), int64(0, 2, 2), int32(0, 0), 1, 2
    ),
    "column out of range": lambda csr: csr.transpose(
        int64(0, 2), int32(0, 2), int64(0, 0, 0), int32(0, 0), 0, 1
    ),
    "rows do not end": lambda csr: csr.transpose(int64(0, 1), int32(0, 1), int64(0, 0, 0), int32(0, 0), 0, 1),
    "rows turn back": lambda csr: csr.transpose(
        int64(0, 2, 1, 2), int32(0, 1), int64(0, 0, 0), int32(0, 0), 0, 3
    ),
    "columns of something else": lambda csr: csr.transpose(
        int64(0, 1, 2), int32(0, 1), int64(0, 2, 2), int32(0, 0), 1, 2
    ),
    "gather beyond": lambda csr: csr.take(int32(1, 2), int32(2), int32(0)),
    "gather before": lambda csr: csr.take(int32(1, 2), int32(-1), int32(0)),
    "gather into less": lambda csr: csr.take(int32(1, 2), int32(0, 1), int32(0)),
    "inverse of no permutation": lambda csr: csr.invert(int32(0, 2), int32(0, 0)),
    "inverse too short": lambda csr: csr.invert(int32(0, 1), int32(0)),
    "minor code out of range": lambda csr: csr.first_repeat(
        int32(0, 3), int64(0, 2), int32(0, 1), int32(0, 0)
    ),
    "rows end early": lambda csr: csr.first_repeat(int32(0, 1), int64(0, 1), int32(0, 1), int32(0, 0)),
    "rows go back": lambda csr: csr.first_repeat(int32(0, 1), int64(0, 2, 1, 2), int32(0, 1), int32(0, 0)),
    "order out of range": lambda csr: csr.first_repeat(int32(0, 1), int64(0, 2), int32(0, 2), int32(0, 0)),
}


@BOTH
@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_refused(csr: Any, call: Any) -> None:
    with pytest.raises(ValueError, match=r"counting_sort|scatter|transpose|take|invert|first_repeat"):
        call(csr)


def test_no_permutation_is_never_written_beyond() -> None:
    """One position over and over: the compiled sort must stop before it leaves the array."""
    order = np.zeros(4, dtype=np.int32)
    with pytest.raises(ValueError, match="permutation"):
        compiled.counting_sort_after(int32(0, 0, 0, 1), int32(3, 3, 3, 3), np.empty(3, dtype=np.int64), order)


@BOTH
@given(pairs, st.data())
def test_sets_slice_by_slice(csr: Any, drawn: tuple[int, list[tuple[int, int]]], data: Any) -> None:
    n_codes, rows = drawn
    users, items = columns(rows)
    columns_ptr, by_item = np.full(n_codes + 1, -7, dtype=np.int64), np.full(len(rows), -7, dtype=np.int32)
    for begin, end in slices_of(len(rows), data):
        csr.scatter(items, users, columns_ptr, by_item, begin, end)
    assert by_item.tolist() == [user for user, _ in sorted(rows, key=lambda row: row[1])]
    assert columns_ptr.tolist() == [sum(item < bound for item in items) for bound in range(n_codes + 1)]
    indptr, members = np.full(n_codes + 1, -7, dtype=np.int64), np.full(len(rows), -7, dtype=np.int32)
    columns_ptr.flags.writeable = by_item.flags.writeable = False
    for begin, end in slices_of(n_codes, data):
        csr.transpose(columns_ptr, by_item, indptr, members, begin, end)
    assert members.tolist() == [item for _, item in sorted(rows)]
    assert indptr.tolist() == [sum(user < bound for user in users) for bound in range(n_codes + 1)]


def slices_of(n: int, data: Any) -> list[tuple[int, int]]:
    cuts = data.draw(st.lists(st.integers(1, max(n - 1, 1)), max_size=3, unique=True))
    bounds = [0, *(cut for cut in sorted(cuts) if cut < n), n]
    return list(itertools.pairwise(bounds))
