"""The same numbers as scikit-surprise 1.1.5, which were recorded by `cases.py`."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from cfcore.adapters.surprise import algorithms
from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.columns import first_seen
from cfcore.adapters.surprise.trainset import Trainset
from cfcore.kernels import available_levels, use_level
from tests.adapters.surprise.cases import ALGORITHMS, DATA, EXPECTED, summary

RECORDED = json.loads(EXPECTED.read_text())


@cache
def trained_on(data: str) -> tuple[Trainset, Any]:
    rows, test_set, scale = DATA[data]()
    users, items, ratings = zip(*rows, strict=True)
    return Trainset.from_codes(first_seen(users), first_seen(items), np.array(ratings), scale), test_set


def algorithm(name: str) -> type[AlgoBase]:
    return getattr(algorithms, name)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_numbers_are_those_of_scikit_surprise(data: str, name: str) -> None:
    kind, arguments = ALGORITHMS[name]
    expected, found = RECORDED[f"{data}: {name}"], summary(algorithm(kind), arguments, *trained_on(data))
    assert found["arrays"] == expected["arrays"]
    assert found["details"] == expected["details"]
    if kind in ("SVD", "SVDpp", "NMF"):  # numpy.dot, whose last bit depends on the processor
        np.testing.assert_allclose(found["first"], expected["first"], rtol=1e-13)
    else:
        assert found["first"] == expected["first"]
        assert found["all"] == expected["all"]


@pytest.mark.parametrize(
    "name",
    [
        "svd",
        "svdpp",
        "svdpp that diverges",
        "nmf",
        "KNNBasic msd of users",
        "KNNWithZScore pearson of items",
        "KNNBaseline pearson_baseline of users",
    ],
)
def test_the_numbers_are_the_same_at_each_simd_level(name: str) -> None:
    kind, arguments = ALGORITHMS[name]
    for level in available_levels():
        with use_level(level):
            found = summary(algorithm(kind), arguments, *trained_on("half stars"))
        assert found["arrays"] == RECORDED[f"half stars: {name}"]["arrays"], level
        assert found["details"] == RECORDED[f"half stars: {name}"]["details"], level
