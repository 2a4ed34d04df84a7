"""The kernel `text` and its twin read the same numbers from the same bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cfcore.kernels.tables import text as compiled
from cfcore.reference.tables import text as twin

TEXT = pytest.mark.parametrize("text", [compiled, twin], ids=["compiled", "reference"])
SEPARATORS = ["\t", ",", "::", " "]


def parse(
    text: Any, data: bytes, layout: list[int], separator: str, capacity: int = 20, begin: int = 0
) -> tuple[Any, ...]:
    users, items, times = (np.zeros(capacity, dtype=np.int64) for _ in range(3))
    values = np.zeros(capacity, dtype=np.float32)
    roles = np.array(layout, dtype=np.int32)
    n, end, stopped = text.parse_ratings(data, roles, users, items, values, times, separator, begin)
    return n, end, stopped, *(column[:n].tolist() for column in (users, items, values, times))


@TEXT
@pytest.mark.parametrize("separator", SEPARATORS)
def test_plain_numbers(text: Any, separator: str) -> None:
    rows = [("1", "20", "3.5", "881250949"), ("-7", "0", "4", "0"), ("123456789012345678", "5", ".5", "9")]
    data = "\n".join(separator.join(row) for row in rows).encode()
    n, end, stopped, users, items, values, times = parse(text, data, [1, 2, 3, 4], separator)
    assert (n, end, stopped) == (3, len(data), 0)
    assert users == [1, -7, 123456789012345678]
    assert items == [20, 0, 5]
    assert values == [3.5, 4.0, 0.5]
    assert times == [881250949, 0, 9]


@TEXT
def test_columns_in_any_order_blank_lines_and_dos_line_ends(text: Any) -> None:
    data = b"x,3.5, 7 ,9,more\r\n\r\n  \n,1,2,3\n"
    assert parse(text, data, [0, 3, 1, 2], ",") == (2, len(data), 0, [7, 2], [9, 3], [3.5, 1.0], [0, 0])


@TEXT
def test_full_arrays_and_a_later_start(text: Any) -> None:
    data = b"1,1,1\n2,2,2\n3,3,3\n"
    assert parse(text, data, [1, 2, 3], ",", capacity=2)[:3] == (2, 12, 0)
    assert parse(text, data, [1, 2, 3], ",", begin=12)[:4] == (1, 18, 0, [3])
    assert parse(text, b"", [1, 2, 3], ",")[:3] == (0, 0, 0)


@TEXT
@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("ann,1,1,1", 1), (",1,1,1", 1), ("007,1,1,1", 1), ("-0,1,1,1", 1), ("1.0,1,1,1", 1),
        ("1234567890123456789,1,1,1", 1), ("1,2x,1,1", 2), ('1,"2",1,1', 2), ("1,2", 3), ("1,2,,1", 3),
        ("1,2,nan,1", 3), ("1,2,inf,1", 3), ("1,2,4e,1", 3), ("1,2,.,1", 3), ("1,2,1e99,1", 3),
        ("1,2,999999999999999999e21,1", 3),
        ("1,2,3,1.5", 4), ("1,2,3,", 4), ("1,2,3", 4), ("1", 2),
    ],
)  # fmt: skip
def test_stops_at_a_field_that_is_no_plain_number(text: Any, line: str, role: int) -> None:
    good = b"5,6,4.5,7\n"
    n, end, stopped, users, *_ = parse(text, good + line.encode() + b"\n" + good, [1, 2, 3, 4], ",")
    assert (n, end, stopped, users) == (1, len(good), role, [5])


@given(st.lists(st.one_of(st.decimals(-1000, 1000, places=3), st.floats(-1e9, 1e9, width=32)), max_size=20))
@example([0.1, 1e-7, 1.5e15, 123456.789])
def test_decimals_are_rounded_as_python_does(numbers: list[Any]) -> None:
    data = "".join(f"1,2,{number}\n" for number in numbers).encode()
    n, end, stopped, _, _, values, _ = parse(compiled, data, [1, 2, 3], ",")
    small = [k for k, number in enumerate(numbers) if stopped and k == n and abs(float(number)) < 1e-3]
    if small:  # beyond the powers of ten that a double holds exactly: both stop there
        assert parse(twin, data, [1, 2, 3], ",")[:3] == (n, end, stopped)
    else:
        assert (n, stopped) == (len(numbers), 0)
    expected = np.array([float(number) for number in numbers[:n]]).astype(np.float32)
    np.testing.assert_array_equal(values, expected)


fragments = st.lists(
    st.sampled_from(
        ["1", "23", "-4", "0", "00", "5.5", "e3", "+", ",", "::", "\t", " ", "\n", "\r\n", '"', "x", "é"]
    ),
    max_size=40,
).map(lambda parts: "".join(parts).encode())


closed = st.permutations([0, 0, 1, 2, 3]).map(lambda roles: [*roles, 5])


@TEXT
def test_further_columns_are_refused_if_the_layout_has_an_end(text: Any) -> None:
    good = b"1,2,3\n4,5,6, , ,\n"
    for layout in ([1, 2, 3], [1, 2, 0, 5]):
        assert parse(text, good, layout, ",")[:3] == (2, len(good), 0)
    assert parse(text, good, [1, 2, 3, 5], ",")[:3] == (2, len(good), 0)
    assert parse(text, good + b"1,2,3,5\n", [1, 2, 3, 5], ",")[:3] == (2, len(good), 5)
    assert parse(text, b"1,2\n", [1, 2, 0, 0, 5], ",")[:3] == (1, 4, 0)
    assert parse(text, b"1\n", [1, 2, 0, 0, 5], ",")[:3] == (0, 0, 2)


@given(fragments, st.sampled_from(SEPARATORS), st.one_of(st.permutations([0, 1, 2, 3, 4]), closed))
def test_any_text_numbers(data: bytes, separator: str, layout: list[int]) -> None:
    assert parse(compiled, data, layout, separator) == parse(twin, data, layout, separator)


@TEXT
def test_refused_numbers(text: Any) -> None:
    columns = [np.zeros(3, dtype=dtype) for dtype in (np.int64, np.int64, np.float32, np.int64)]
    layout = np.array([1, 2, 3], dtype=np.int32)
    for arguments in (
        (b"1,1,1", layout, columns[0][:2], *columns[1:], ",", 0),
        (b"1,1,1", layout, *columns, "", 0),
        (b"1,1,1", layout, *columns, ",,,,,", 0),
        (b"1,1,1", layout, *columns, "é", 0),
        (b"1,1,1", layout, *columns, ",", 6),
        (b"1,1,1", layout, *columns, ",", -1),
        (b"1,1,1", layout, *columns, ",", 2**63),
        (b"1,1,1", np.array([5, 1], dtype=np.int32), *columns, ",", 0),
    ):
        with pytest.raises(ValueError, match="parse_ratings"):
            text.parse_ratings(*arguments)


@TEXT
def test_one_array_for_two_arguments_is_refused(text: Any) -> None:
    layout, ids, values = (
        np.array([1, 2, 3], dtype=np.int32),
        np.zeros(3, dtype=np.int64),
        np.zeros(3, np.float32),
    )
    other, times = np.zeros((2, 3), dtype=np.int64)
    data = np.frombuffer(b"1,1,1\n", dtype=np.uint8)
    for arguments in (
        (data, layout, ids, ids, values, times),
        (data, layout, ids, other, ids.view(np.float32)[:3], times),
        (data, ids.view(np.int32)[:3], ids, other, values, times),
        (ids.view(np.uint8), layout, ids, other, values, times),
    ):
        with pytest.raises(ValueError, match=r"parse_ratings: .* share memory"):
            text.parse_ratings(*arguments, ",", 0)


def test_arguments_of_another_kind_are_refused() -> None:
    columns = [np.zeros(3, dtype=dtype) for dtype in (np.int64, np.int64, np.float32, np.int64)]
    layout = np.array([1, 2, 3], dtype=np.int32)
    with pytest.raises(TypeError, match="separator must be a str"):
        compiled.parse_ratings(b"1,1,1", layout, *columns, b",", 0)
    with pytest.raises(TypeError, match="text must be an ndarray, not str"):
        compiled.parse_ratings("1,1,1", layout, *columns, ",", 0)
    with pytest.raises(ValueError, match="text must be of uint8, not int8"):
        compiled.parse_ratings(np.zeros(3, dtype=np.int8), layout, *columns, ",", 0)
    columns[1].flags.writeable = False
    with pytest.raises(ValueError, match="items is read-only"):
        compiled.parse_ratings(b"1,1,1", layout, *columns, ",", 0)


def test_text_may_be_bytes_or_an_array() -> None:
    data = b"1,2,3\n4,5,6"
    expected = parse(compiled, data, [1, 2, 3], ",")
    assert expected[:3] == (2, len(data), 0)
    assert parse(compiled, np.frombuffer(data, dtype=np.uint8), [1, 2, 3], ",") == expected  # type: ignore[arg-type]
