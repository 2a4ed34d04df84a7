"""Sets of items for each user: those rated, and those of implicit pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.core.implicit_pairs import joined

TRAIN = cf.Ratings([1, 1, 2, 3], [10, 30, 20, 30], [1.0, 2.0, 3.0, 4.0])


def sets(train: cf.Ratings, users: Any, items: Any) -> tuple[list[list[int]], list[Any]]:
    """Codes of each user's set, and the ids of further items."""
    indptr, members, extra_ids = joined(train, (users, items))
    assert (indptr.dtype, members.dtype) == (np.int64, np.int32)
    return [part.tolist() for part in np.split(members, indptr[1:-1])], extra_ids.tolist()


def test_pairs_are_added_to_the_rated_items() -> None:
    assert sets(TRAIN, [1, 3], [20, 10]) == ([[0, 1, 2], [1], [0, 2]], [])


def test_a_repeated_pair_counts_once() -> None:
    assert sets(TRAIN, [1, 1, 1, 2], [10, 20, 20, 20]) == ([[0, 1, 2], [1], [2]], [])


def test_items_without_training_ratings_follow_the_others() -> None:
    assert sets(TRAIN, [2, 2, 3], [99, 50, 99]) == ([[0, 2], [1, 3, 4], [2, 4]], [50, 99])


def test_pairs_of_unknown_users_are_left_out() -> None:
    assert sets(TRAIN, [7, 1], [10, 20])[0] == [[0, 1, 2], [1], [2]]
    part = TRAIN.subset(np.arange(3))  # user 3 is in the vocabulary, without a rating
    assert sets(part, [3, 1], [10, 20])[0] == [[0, 1, 2], [1], []]


def test_string_ids() -> None:
    train = cf.Ratings(["ann", "bob"], ["x", "y"], [1.0, 2.0])
    assert sets(train, ["bob", "ann"], ["x", "zzz"]) == ([[0, 2], [0, 1]], ["zzz"])


def test_pairs_that_cannot_be_used() -> None:
    with pytest.raises(cf.DataError, match="differ in length"):
        joined(TRAIN, ([1, 2], [10]))
    with pytest.raises(cf.DataError, match="implicit users"):
        joined(TRAIN, (["ann"], [10]))
    with pytest.raises(cf.DataError, match="implicit items"):
        joined(TRAIN, ([1], ["x"]))
