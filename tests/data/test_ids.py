"""Conversion of ids to codes: the same by table, by binary search and by hashing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfcore as cf
from cfcore.data import ids

kinds = st.one_of(
    st.lists(st.integers(-20, 20), min_size=1),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4), min_size=1
    ),
)


@given(kinds, kinds)
def test_codes_are_positions_of_ids(known: list[Any], asked: list[Any]) -> None:
    column = ids.as_id_column(known, "users")
    vocabulary, codes = ids.factorize(column, "users")
    assert vocabulary.tolist() == sorted(set(known))
    assert vocabulary[codes].tolist() == known
    assert codes.dtype == np.int32
    if isinstance(known[0], str) == isinstance(asked[0], str):
        found = ids.encode(vocabulary, asked)
        assert [vocabulary[code] if code >= 0 else None for code in found.tolist()] == [
            one if one in set(known) else None for one in asked
        ]
    else:
        with pytest.raises(cf.DataError, match="'users': the ids are"):
            ids.encode(vocabulary, asked, "users")


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.uint64])
def test_ids_of_another_dtype_are_found(dtype: Any) -> None:
    vocabulary = np.array([0, 5, 2**40])
    assert ids.encode(vocabulary, np.array([5, 7, 0, 100], dtype=dtype)).tolist() == [1, -1, 0, -1]
    assert ids.encode(np.array([-3, 5]), np.array([2**64 - 3, 5], dtype=np.uint64)).tolist() == [-1, 1]


def test_no_ids() -> None:
    assert ids.encode(np.array([1, 2]), []).tolist() == []
    assert ids.encode(np.array([], dtype=np.int64), [1, 2]).tolist() == [-1, -1]


def test_many_strings() -> None:
    rng = np.random.default_rng(0)
    raw = np.char.add("user-", rng.integers(0, 500, ids.CHUNK + 10).astype(str))
    vocabulary, codes = ids.factorize(raw, "users")
    assert (vocabulary == np.unique(raw)).all()
    assert (vocabulary[codes] == raw).all()


def test_dense_codes_are_not_copied() -> None:
    raw = np.array([2, 0, 1, 1], dtype=np.int32)
    assert ids.factorize(raw, "users")[1] is raw


def test_strings_that_are_equal_to_numpy_are_refused() -> None:
    with pytest.raises(cf.DataError, match="'users': ids that differ only in NULs at the end, such as 'a'"):
        cf.Ratings(["a", "b", "a\0"], [1, 1, 1], [1, 2, 3])
