"""The kernel `csr` and its twin give the same orders, and raise the same errors."""

from __future__ import annotations

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
    # Kernels must accept arrays that are read-only.
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
    "gather beyond": lambda csr: csr.take(int32(1, 2), int32(2), int32(0)),
    "gather before": lambda csr: csr.take(int32(1, 2), int32(-1), int32(0)),
    "gather into less": lambda csr: csr.take(int32(1, 2), int32(0, 1), int32(0)),
    "inverse of no permutation": lambda csr: csr.invert(int32(0, 2), int32(0, 0)),
    "inverse too short": lambda csr: csr.invert(int32(0, 1), int32(0)),
    "minor code out of range": lambda csr: csr.first_repeat(
        int32(0, 3), int64(0, 2), int32(0, 1), int32(0, 0)
    ),
    "rows end early": lambda csr: csr.first_repeat(int32(0, 1), int64(0, 1), int32(0, 1), int32(0, 0)),
    "rows decrease": lambda csr: csr.first_repeat(int32(0, 1), int64(0, 2, 1, 2), int32(0, 1), int32(0, 0)),
    "order out of range": lambda csr: csr.first_repeat(int32(0, 1), int64(0, 2), int32(0, 2), int32(0, 0)),
}


@BOTH
@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_refused(csr: Any, call: Any) -> None:
    with pytest.raises(ValueError, match=r"^(counting_sort|counting_sort_after|take|invert|first_repeat): "):
        call(csr)


def test_repeated_positions_do_not_write_beyond_the_array() -> None:
    """A position that occurs again and again would run past the end of its code's run."""
    order = np.zeros(4, dtype=np.int32)
    with pytest.raises(ValueError, match="permutation"):
        compiled.counting_sort_after(int32(0, 0, 0, 1), int32(3, 3, 3, 3), np.empty(3, dtype=np.int64), order)


def shared(dtype: Any, *lengths: int) -> list[Any]:
    """Arrays of these lengths that begin at the same address."""
    memory = np.zeros(16, dtype=np.int64)
    return [memory.view(dtype)[:length] for length in lengths]


ALIASED = {
    "codes and order": lambda csr: csr.counting_sort(*with_indptr(shared(np.int32, 2, 2))),
    "codes, first and order": lambda csr: csr.counting_sort_after(
        int32(0, 1), *with_indptr(shared(np.int32, 2, 2))
    ),
    "first and indptr": lambda csr: csr.counting_sort_after(
        int32(0, 1), *shared(np.int64, 2, 3), int64(0, 0)
    ),
    "source and out": lambda csr: csr.take(*with_order(shared(np.int32, 3, 2))),
    "order and out": lambda csr: csr.take(int32(1, 2, 3), *shared(np.int32, 2, 2)),
    "order and inverse": lambda csr: csr.invert(*shared(np.int32, 2, 2)),
    "minor and seen_at": lambda csr: first_repeat_sharing(csr, 0),
    "order and seen_at": lambda csr: first_repeat_sharing(csr, 1),
}


def with_indptr(arrays: list[Any]) -> tuple[Any, ...]:
    return arrays[0], np.zeros(3, dtype=np.int64), arrays[1]


def with_order(arrays: list[Any]) -> tuple[Any, ...]:
    return arrays[0], int32(0, 1), arrays[1]


def first_repeat_sharing(csr: Any, which: int) -> int:
    codes, seen_at = shared(np.int32, 2, 2)
    minor, order = (codes, int32(0, 1)) if which == 0 else (int32(0, 1), codes)
    return csr.first_repeat(minor, int64(0, 2), order, seen_at)


@BOTH
@pytest.mark.parametrize("call", ALIASED.values(), ids=ALIASED)
def test_one_array_for_two_arguments_is_refused(csr: Any, call: Any) -> None:
    with pytest.raises(ValueError, match="share memory"):
        call(csr)


def test_arrays_of_another_kind_are_refused() -> None:
    codes, indptr, order = int32(0, 1), int64(0, 0, 0), int32(0, 0)
    with pytest.raises(TypeError, match="counting_sort: codes must be an ndarray, not list"):
        compiled.counting_sort([0, 1], indptr, order)
    with pytest.raises(ValueError, match="counting_sort: codes must be of int32, not int64"):
        compiled.counting_sort(int64(0, 1), indptr, order)
    with pytest.raises(ValueError, match="counting_sort: order must be of int64, not float64"):
        compiled.counting_sort(codes, indptr, np.zeros(2))
    with pytest.raises(ValueError, match="counting_sort: codes must be of int32, not >i4"):
        compiled.counting_sort(codes.astype(">i4"), indptr, order)
    with pytest.raises(ValueError, match="counting_sort: codes must be contiguous"):
        compiled.counting_sort(int32(0, 0, 1)[::2], indptr, order)
    with pytest.raises(ValueError, match="counting_sort: codes must have 1 dimensions"):
        compiled.counting_sort(codes[None], indptr, order)
    order.flags.writeable = False
    with pytest.raises(ValueError, match="counting_sort: order is read-only"):
        compiled.counting_sort(codes, indptr, order)
    with pytest.raises(ValueError, match="counting_sort_after: order must be of int32"):
        compiled.counting_sort_after(codes, int32(0, 1), indptr, int64(0, 0))
    with pytest.raises(ValueError, match="take: source must be of float64, not int16"):
        compiled.take(np.zeros(2, dtype=np.int16), order, np.zeros(2, dtype=np.int16))


def test_both_64_bit_types_of_c_are_int64() -> None:
    """NumPy tells long from long long where both have 64 bits."""
    order = np.full(3, -1, dtype=np.longlong)
    compiled.counting_sort(
        int32(1, 0, 1), np.zeros(3, dtype=np.dtype("l" if order.itemsize == 8 else "q")), order
    )
    assert order.tolist() == [1, 0, 2]
