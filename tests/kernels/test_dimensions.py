"""Sizes that no memory bounds: arrays without elements, and numbers, are refused before a loop begins."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from cfcore.kernels import records
from cfcore.kernels.records import Record
from cfcore.kernels.top_n import products
from cfcore.reference.top_n import products as reference_products

KINDS = [kind for kind in vars(records).values() if isinstance(kind, type) and issubclass(kind, Record)]
FIELDS = [
    pytest.param(kind, field.name, id=f"{kind.__name__}-{field.name}")
    for kind in KINDS
    for field in dataclasses.fields(kind)
    if len(field.metadata.get("shape", ())) > 1
]


def axis_of(given: Any, sizes: dict[str, int]) -> int:
    symbol, _, more = str(given).partition(" + ")
    own = 0 if given is None else int(symbol) if symbol.isdecimal() else sizes.get(symbol, 0)
    return own + int(more or 0)


def without_elements(kind: Any, **sizes: int) -> dict[str, Any]:
    """Fields of a record whose dimensions are 0, except those that are given."""
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        given = field.metadata
        if "dtype" in given:
            shape = [axis_of(one, sizes) for one in given["shape"]]
            dtype = np.float32 if isinstance(given["dtype"], str) else given["dtype"]
            fields[field.name] = np.zeros(shape, dtype=dtype)
        elif "integer" in given:
            fields[field.name] = given["integer"][0]
        elif "real" in given:
            fields[field.name] = 1.0
        elif field.name == "measure":
            fields[field.name] = "cosine"
    return fields


@pytest.mark.parametrize("size", [2**31, 2**40, 2**58])
@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_long_axes_without_elements(kind: Any, name: str, size: int) -> None:
    held = without_elements(kind)
    for axis in range(held[name].ndim):
        shape = [0] * held[name].ndim
        shape[axis] = size
        with pytest.raises(ValueError, match=name):
            kind(**{**held, name: np.zeros(shape, dtype=held[name].dtype)})


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_near_the_ends(kind: Any) -> None:
    for field in dataclasses.fields(kind):
        if "integer" not in field.metadata:
            continue
        high = field.metadata["integer"][1]
        assert high <= 2**31 - 1 or field.name in ("seed", "epoch"), field.name
        for value in (high + 1, 2**63 - 1, 2**63, 2**64, -(2**63), -1):
            if value < field.metadata["integer"][0] or value > high:
                with pytest.raises(ValueError, match=rf"{kind.__name__}: "):
                    kind(**{**without_elements(kind), field.name: value})


@pytest.mark.parametrize("value", [2**31, 2**62, 2**63 - 1, 2**63, 2**64, -1, -(2**63)])
@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("kernel", [products, reference_products])
def test_sizes_of_scratch(kernel: Any, at: int, value: int) -> None:
    given = [10, 16, 8, 1, 5]
    assert min(kernel.scratch_sizes(*given)) > 0
    given[at] = value
    with pytest.raises(ValueError, match=r"scratch_sizes: (m|width|head|n_tail|n) must be in"):
        kernel.scratch_sizes(*given)
