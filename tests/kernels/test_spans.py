"""Spans and seeds of all kernel functions, and of their twins: what is no span is refused, never read."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from tests.fuzz import captured

CALLS = captured.calls()
WITH_SPAN = [key for key, held in CALLS.items() if "span" in held[0].arguments]
PACKAGES = ("cfcore.kernels", "cfcore.reference")


def arguments_of(key: tuple[str, str]) -> dict[str, Any]:
    def made(value: Any) -> Any:
        is_record = isinstance(value, tuple) and isinstance(value[-1], dict)
        return value[0](**{name: made(held) for name, held in value[1].items()}) if is_record else value

    return {name: made(value) for name, value in CALLS[key][0].arguments.items()}


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("key", WITH_SPAN, ids=".".join)
def test_a_span_is_two_integers_within_what_there_is(key: tuple[str, str], package: str) -> None:
    function = getattr(importlib.import_module(f"{package}.{key[0]}"), key[1])
    for bad in ((), (0,), (0, 1, 1), [], None, 5, "ab", (0.0, 1.0), (0, None), {0: 0, 1: 1}):
        with pytest.raises(TypeError, match="span must be two integers"):
            function(**{**arguments_of(key), "span": bad})
    for bad in ((-1, 0), (1, 0), (0, 10**6), (0, 2**63), (-(2**64), 2**64), (2**63, 2**63)):
        with pytest.raises(ValueError, match=r"span .* is not within the"):
            function(**{**arguments_of(key), "span": bad})


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(
    ("key", "name"), [(("factorization.svd", "lay_out"), "seed"), (("common.rng", "philox"), "key")]
)
def test_a_seed_is_an_integer_of_64_bits(key: tuple[str, str], name: str, package: str) -> None:
    function = getattr(importlib.import_module(f"{package}.{key[0]}"), key[1])
    for bad in (-1, 2**64, 10**30):
        with pytest.raises(ValueError, match=r"\[0, 2\^64\)"):
            function(**{**arguments_of(key), name: bad})
    for odd in (1.0, "1", None):
        with pytest.raises(TypeError, match="must be an integer"):
            function(**{**arguments_of(key), name: odd})


@pytest.mark.parametrize("package", PACKAGES)
def test_sizes_of_scratch_are_refused_beyond_int32(package: str) -> None:
    sizes = importlib.import_module(f"{package}.top_n.products").scratch_sizes
    for position in range(5):
        for bad in (-1, 2**31, 2**64):
            given = [1, 1, 1, 1, 1]
            given[position] = bad
            with pytest.raises(ValueError, match=r"must be in \[0, 2\^31\)"):
                sizes(*given)
    assert sizes(*np.full(5, 100, dtype=np.int8)) == sizes(100, 100, 100, 100, 100)
