"""The kernel `tokens` and its twin find the same fields in the same bytes, and number them alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels.tables import tokens as compiled
from cfcore.reference.tables import tokens as twin

TOKENS = pytest.mark.parametrize("tokens", [compiled, twin], ids=["compiled", "reference"])
SEPARATORS = ["\t", ",", "::", " "]

fragments = st.lists(
    st.sampled_from(
        ["1", "23", "-4", "0", "00", "5.5", "e3", "+", ",", "::", "\t", " ", "\n", "\r\n", '"', "x", "é"]
    ),
    max_size=40,
).map(lambda parts: "".join(parts).encode())


def locate(
    tokens: Any, data: bytes, layout: list[int], separator: str, capacity: int = 20
) -> tuple[Any, ...]:
    starts, lengths = np.zeros((2, capacity), dtype=np.int64), np.zeros((2, capacity), dtype=np.int32)
    n, end, n_found = tokens.locate_fields(
        data, np.array(layout, dtype=np.int32), starts, lengths, separator, 0
    )
    return n, end, n_found, starts[:, :n].tolist(), lengths[:, :n].tolist()


LAYOUTS = [[0, 1], [1, -1, 0], [-1, 0], [0], [-2], [0, 1, -2], [0, -1, -2], [-1, 1, -1, -1, -2]]


@given(fragments, st.sampled_from(SEPARATORS), st.sampled_from(LAYOUTS))
def test_any_text_fields(data: bytes, separator: str, layout: list[int]) -> None:
    found = locate(compiled, data, layout, separator)
    assert found == locate(twin, data, layout, separator)


@TOKENS
def test_further_fields_are_refused_if_the_layout_has_an_end(tokens: Any) -> None:
    good = b'a,"b,c",d, ,\n'
    assert locate(tokens, good, [0, -1, 1, -2], ",")[:3] == (1, len(good), -1)
    assert locate(tokens, good + b'a,b,c,"x,y",z', [0, -1, 1, -2], ",")[:3] == (1, len(good), 5)
    assert locate(tokens, b"a,b", [0, 1, -1, -1, -2], ",")[:3] == (1, 3, -1)
    assert locate(tokens, b"a", [0, 1, -1, -1, -2], ",")[:3] == (0, 0, 1)


@TOKENS
def test_quotes_hide_separators(tokens: Any) -> None:
    data = b'"a, ""b""",x\n c , d \n,\nalone\n'
    n, end, n_found, starts, lengths = locate(tokens, data, [0, 1], ",")
    fields = [
        [data[at : at + size] for at, size in zip(*column, strict=True)]
        for column in zip(starts, lengths, strict=True)
    ]
    assert fields == [[b'"a, ""b"""', b"c", b""], [b"x", b"d", b""]]
    assert (n, n_found) == (3, 1)
    assert data[end:] == b"alone\n"


@given(st.lists(st.binary(max_size=3), max_size=50))
def test_equal_tokens_get_equal_codes(words: list[bytes]) -> None:
    data, lengths = b"".join(words), np.array([len(word) for word in words], dtype=np.int32)
    starts = (np.cumsum(lengths, dtype=np.int64) - lengths).astype(np.int64)
    for tokens in (compiled, twin):
        codes, first = np.full(len(words), -9, dtype=np.int32), np.full(len(words), -9, dtype=np.int32)
        if data:
            n = tokens.group_tokens(data, starts, lengths, codes, first, np.empty(128, dtype=np.int32))
            distinct = list(dict.fromkeys(words))
            assert n == len(distinct)
            assert codes.tolist() == [distinct.index(word) for word in words]
            assert first[:n].tolist() == [words.index(word) for word in distinct]


@TOKENS
def test_refused_tokens(tokens: Any) -> None:
    layout = np.array([0], dtype=np.int32)
    starts, lengths = np.zeros((1, 3), dtype=np.int64), np.zeros((1, 3), dtype=np.int32)
    for arguments in (
        (layout, starts, lengths[:, :2].copy(), ",", 0),
        (np.array([1], dtype=np.int32), starts, lengths, ",", 0),
        (layout, starts, lengths, "", 0),
        (layout, starts, lengths, ",", 9),
        (layout, starts, lengths, ",", 2**63),
    ):
        with pytest.raises(ValueError, match="locate_fields"):
            tokens.locate_fields(b"a,b", *arguments)
    codes, table = np.zeros(3, dtype=np.int32), np.zeros(8, dtype=np.int32)
    for arguments in (
        (starts[0] + 9, lengths[0], codes, codes.copy(), table),
        (starts[0] - 1, lengths[0], codes, codes.copy(), table),
        (starts[0], lengths[0] + 9, codes, codes.copy(), table),
        (starts[0], lengths[0], codes[:2], codes.copy(), table),
        (starts[0], lengths[0], codes, codes.copy(), table[:4]),
        (starts[0], lengths[0], codes, codes.copy(), table[:7]),
    ):
        with pytest.raises(ValueError, match="group_tokens"):
            tokens.group_tokens(b"a,b", *arguments)


@TOKENS
def test_one_array_for_two_arguments_is_refused(tokens: Any) -> None:
    layout, starts = np.array([0], dtype=np.int32), np.zeros((1, 3), dtype=np.int64)
    lengths = starts.view(np.int32)[:, :3].copy()
    with pytest.raises(ValueError, match=r"locate_fields: .* share memory"):
        tokens.locate_fields(b"a,b", starts.view(np.int32)[0, :1], starts, lengths, ",", 0)
    with pytest.raises(ValueError, match=r"locate_fields: .* share memory"):
        tokens.locate_fields(starts.view(np.uint8)[0], layout, starts, lengths, ",", 0)
    codes, first, table = (np.zeros(n, dtype=np.int32) for n in (3, 3, 8))
    for arguments in (
        (lengths[0], codes, codes, table),
        (lengths[0], lengths[0], first, table),
        (lengths[0], codes, first, starts.view(np.int32)[0, :4]),
        (lengths[0], table[:3], first, table),
    ):
        with pytest.raises(ValueError, match=r"group_tokens: .* share memory"):
            tokens.group_tokens(b"abc", starts[0], *arguments)


@TOKENS
def test_no_fields_of_any_number_of_rows(tokens: Any) -> None:
    """An empty array may have a dimension near 2^63: the text ends the loop, not the arrays."""
    shape = (0, 2**59)
    starts, lengths = np.empty(shape, dtype=np.int64), np.empty(shape, dtype=np.int32)
    layout = np.array([-1], dtype=np.int32)
    assert tokens.locate_fields(b"a,b\n\nc\n", layout, starts, lengths, ",", 0) == (2, 7, -1)


@TOKENS
def test_no_tokens(tokens: Any) -> None:
    nothing = np.empty(0, dtype=np.int32)
    codes, first = nothing.copy(), nothing.copy()
    assert (
        tokens.group_tokens(b"", nothing.astype(np.int64), nothing, codes, first, np.zeros(1, np.int32)) == 0
    )
