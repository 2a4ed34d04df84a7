"""Philox4x32-10 gives the published numbers, compiled and in the twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels.common import rng as compiled
from cfcore.reference.common import rng as twin

# Known-answer tests of the Random123 distribution: counter, key, result.
KNOWN = [
    ([0x00000000] * 4, 0x00000000_00000000, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, 0xFFFFFFFF_FFFFFFFF, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        0x299F31D0_A4093822,
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


def words_of(module: Any, counters: Any, key: int) -> Any:
    counters = np.array(counters, dtype=np.uint32).reshape(-1, 4)
    counters.flags.writeable = False
    words = np.empty_like(counters)
    module.philox(counters, words, key)
    return words


@pytest.mark.parametrize("module", [compiled, twin])
@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(module: Any, counter: Any, key: int, expected: Any) -> None:
    assert words_of(module, counter, key).tolist() == [expected]


@given(st.lists(st.tuples(*[st.integers(0, 2**32 - 1)] * 4), max_size=5), st.integers(0, 2**64 - 1))
def test_twin_draws_the_same(counters: Any, key: int) -> None:
    assert np.array_equal(words_of(compiled, counters, key), words_of(twin, counters, key))


@pytest.mark.parametrize("module", [compiled, twin])
def test_shapes_are_checked(module: Any) -> None:
    with pytest.raises(ValueError, match=r"\(n, 4\)"):
        module.philox(np.zeros((2, 3), dtype=np.uint32), np.zeros((2, 3), dtype=np.uint32), 0)
    with pytest.raises(ValueError, match=r"\(n, 4\)"):
        module.philox(np.zeros((2, 4), dtype=np.uint32), np.zeros((1, 4), dtype=np.uint32), 0)
    with pytest.raises(ValueError, match=r"\(n, 4\)"):
        module.philox(np.zeros((2**59, 0), dtype=np.uint32), np.zeros((2**59, 0), dtype=np.uint32), 0)


@pytest.mark.parametrize("module", [compiled, twin])
def test_words_are_not_the_counters(module: Any) -> None:
    counters = np.zeros((2, 4), dtype=np.uint32)
    with pytest.raises(ValueError, match="share memory"):
        module.philox(counters, counters, 0)


@pytest.mark.parametrize("module", [compiled, twin])
@pytest.mark.parametrize("key", [-1, 2**64])
def test_keys_have_64_bits(module: Any, key: int) -> None:
    with pytest.raises(ValueError, match="key"):
        module.philox(np.zeros((2, 4), dtype=np.uint32), np.zeros((2, 4), dtype=np.uint32), key)


def test_arrays_are_checked() -> None:
    words = np.zeros((1, 4), dtype=np.uint32)
    with pytest.raises(TypeError, match="counters must be an ndarray"):
        compiled.philox([[0, 0, 0, 0]], words, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="counters must be of uint32"):
        compiled.philox(words.astype(np.int64), words, 0)  # type: ignore[arg-type]
