"""What `exclude` takes for items of everybody, and what for pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf

RATINGS = ([1, 1, 2, 2, 3, 3], [10, 20, 20, 30, 30, 40], [5, 4, 3, 2, 5, 1])


@pytest.fixture(scope="module")
def model() -> cf.Baseline:
    return cf.Baseline().fit(RATINGS)


def listed(model: Any, user: int, **options: Any) -> set[int]:
    return set(model.recommend(user, exclude_seen=False, **options)[0].tolist())


@pytest.mark.parametrize(
    "pairs",
    [
        ([1, 1], [10, 20]),
        (np.array([1, 1]), np.array([10, 20])),
        [(1, 10), (1, 20)],
        {(1, 10), (1, 20)},
        [[1, 10], [1, 20]],
        np.array([[1, 10], [1, 20]]),
        cf.Ratings([1, 1], [10, 20], [5, 5]),
        {"user": [1, 1], "item": [10, 20]},
    ],
)
def test_pairs_are_those_of_their_users(model: Any, pairs: Any) -> None:
    assert listed(model, 1, exclude=pairs) == {30, 40}
    assert listed(model, 2, exclude=pairs) == {10, 20, 30, 40}


def test_columns_of_ids_and_frames_of_one_column(model: Any) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for given in (
        pandas.Series([10, 20]),
        pandas.Index([10, 20]),
        polars.Series([10, 20]),
        pandas.DataFrame({"sku": [10, 20]}),
        polars.DataFrame({"sku": [10, 20]}),
        polars.LazyFrame({"sku": [10, 20]}),
        range(10, 21),
        {10: "out of stock", 20: "recalled"}.keys(),
    ):
        assert listed(model, 2, exclude=given) == {30, 40}
    of_one = pandas.DataFrame({"user": [2, 2], "item": [10, 20]})
    assert listed(model, 1, exclude=of_one) == {10, 20, 30, 40}
    assert listed(model, 2, exclude=of_one) == {30, 40}
    assert listed(model, 2, exclude=of_one.set_index(["user", "item"]).assign(n=1)["n"]) == {30, 40}


def test_a_tuple_of_two_ids_is_two_items_and_this_is_said(model: Any) -> None:
    with pytest.warns(cf.errors.DataWarning, match=r"two items .* a pair .* is \(\[30\], \[10\]\)"):
        assert listed(model, 1, exclude=(30, 10)) == {20, 40}
    assert listed(model, 1, exclude=(10, 20, 30)) == {40}
    assert listed(model, 1, exclude=()) == {10, 20, 30, 40}


def test_ids_of_another_kind_are_refused(model: Any) -> None:
    with pytest.raises(cf.DataError, match=r"'exclude': the ids are integers \(such as 10\)"):
        model.recommend(1, exclude=["10", "20"])
    with pytest.raises(cf.DataError, match="missing id"):
        model.recommend(1, exclude=[10, None])
