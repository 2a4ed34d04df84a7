"""Kernel `lookup` and its twin find an id where it is, whatever holds the vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels.tables import lookup as compiled
from cfcore.reference.tables import lookup as twin

BOTH = pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
#: Code points of one to four bytes, among them one that is in no alphabet.
TEXT = st.text(st.sampled_from("aZ9é中\U0001f600\x01"), max_size=5)


@given(st.sampled_from(INTEGERS), st.data())
def test_integers(dtype: str, data: st.DataObject) -> None:
    ends = np.iinfo(dtype)
    own = data.draw(st.sets(st.integers(ends.min, ends.max), max_size=12))
    ids = np.array(sorted(own), dtype=dtype)
    others = data.draw(st.lists(st.integers(-(2**65), 2**65), max_size=4))
    for raw in [*own, *others, ends.min, ends.max, -1, 0, 2**63, 2**64 - 1]:
        expected = sorted(own).index(raw) if raw in own else -1
        assert compiled.find(ids, raw) == twin.find(ids, raw) == expected


@given(st.sets(TEXT, max_size=12), st.lists(TEXT, max_size=6), st.booleans())
def test_strings(own: set[str], others: list[str], as_objects: bool) -> None:
    ids = np.array(sorted(own), dtype=object if as_objects else None)
    if not own:
        ids = ids.astype(object if as_objects else "U1")
    for raw in [*own, *others, "aaaaaaaaaaaaaaa", "\U0010ffff"]:
        expected = sorted(own).index(raw) if raw in own else -1
        assert compiled.find(ids, raw) == twin.find(ids, raw) == expected


@BOTH
def test_nuls_at_the_end_count_as_the_vocabulary_has_them(module: Any) -> None:
    assert module.find(np.array(["a", "b"]), "b\0") == 1
    assert module.find(np.array(["a", "a\0"], dtype=object), "a\0") == 1
    assert module.find(np.array(["a", "ab"]), "a\0b") == -1


@BOTH
def test_ids_of_the_other_kind_are_not_there(module: Any) -> None:
    assert module.find(np.array(["1", "2"]), 1) == -1
    assert module.find(np.array(["1", "2"], dtype=object), 1) == -1
    assert module.find(np.array([1, 2]), "1") == -1


@BOTH
def test_refusals(module: Any) -> None:
    ids = np.arange(6)
    for wrong in (True, None, 1.0, np.int64(1), b"a"):
        with pytest.raises(TypeError, match="raw must be an int or a str"):
            module.find(ids, wrong)
    with pytest.raises(TypeError, match="ids must be an ndarray"):
        module.find([1, 2], 1)
    with pytest.raises(ValueError, match="must hold integers or strings"):
        module.find(np.array([1.0, 2.0]), 1)
    with pytest.raises(ValueError, match="must hold integers or strings"):
        module.find(np.array([1, None], dtype=object), "a")
    for odd in (ids[::2], ids.reshape(2, 3), ids.astype(">i8")):
        with pytest.raises(ValueError, match="contiguous"):
            module.find(odd, 1)
