"""Training sets of the drop-in for scikit-surprise: ids, lists, columns, and changes by users."""

from __future__ import annotations

import copy
import pickle
from collections import defaultdict

import numpy as np
import pytest

from cfcore.adapters.surprise.columns import Columns, first_seen
from cfcore.surprise import Trainset

#: Raw ids in an order other than sorted; a pair is there twice.
USERS, ITEMS = ["b", "a", "b", "c", "a", "b"], [7, 7, 3, 3, 9, 3]
RATINGS = [4.0, 2.0, 5.0, 1.0, 3.0, 4.5]
UR = {0: [(0, 4.0), (1, 5.0), (1, 4.5)], 1: [(0, 2.0), (2, 3.0)], 2: [(1, 1.0)]}
IR = {0: [(0, 4.0), (1, 2.0)], 1: [(0, 5.0), (2, 1.0), (0, 4.5)], 2: [(1, 3.0)]}


@pytest.fixture
def trainset() -> Trainset:
    return Trainset.from_codes(first_seen(USERS), first_seen(ITEMS), np.array(RATINGS), (1, 5))


@pytest.fixture
def given() -> Trainset:
    """Made from dicts, by the constructor of scikit-surprise."""
    users, items = {"b": 0, "a": 1, "c": 2}, {7: 0, 3: 1, 9: 2}
    return Trainset(defaultdict(list, UR), defaultdict(list, IR), 3, 3, 6, (1, 5), users, items)


def equal(found: Columns, wanted: Columns) -> bool:
    return all(np.array_equal(value, getattr(wanted, name)) for name, value in vars(found).items())


@pytest.mark.parametrize("kind", ["trainset", "given"])
def test_ids_and_ratings(kind: str, request: pytest.FixtureRequest) -> None:
    one: Trainset = request.getfixturevalue(kind)
    assert (one.n_users, one.n_items, one.n_ratings, one.rating_scale) == (3, 3, 6, (1, 5))
    assert [one.to_inner_uid(raw) for raw in "bac"] == [0, 1, 2]
    assert [one.to_raw_iid(inner) for inner in one.all_items()] == [7, 3, 9]
    assert list(one.all_users()) == [0, 1, 2]
    in_order = [(u, i, r) for u, entries in UR.items() for i, r in entries]
    assert list(one.all_ratings()) == in_order
    assert one.build_testset() == [("bac"[u], [7, 3, 9][i], r) for u, i, r in in_order]
    assert one.global_mean == np.mean(RATINGS)
    assert isinstance(one.global_mean, np.float64)
    assert one.ur == UR
    assert one.ir == IR
    assert list(one.ir) == [0, 1, 2]
    assert all(type(inner) is int and type(rating) is float for inner, rating in one.ur[0])


def test_unknown_ids(trainset: Trainset) -> None:
    with pytest.raises(ValueError, match=r"User zz is not part of the trainset\."):
        trainset.to_inner_uid("zz")
    with pytest.raises(ValueError, match=r"Item 4 is not part of the trainset\."):
        trainset.to_inner_iid(4)
    for inner in (3, -1, "k"):
        with pytest.raises(ValueError, match="is not a valid inner id"):
            trainset.to_raw_uid(inner)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="is not a valid inner id"):
            trainset.to_raw_iid(inner)  # type: ignore[arg-type]
        assert not trainset.knows_user(inner)  # type: ignore[arg-type]
        assert not trainset.knows_item(inner)  # type: ignore[arg-type]
    assert trainset.knows_user(2)
    assert trainset.knows_item(np.int64(0))  # type: ignore[arg-type]
    assert not trainset.knows_user("UKN__zz")  # type: ignore[arg-type]


def test_columns_are_in_the_order_of_the_lists(trainset: Trainset, given: Trainset) -> None:
    found = trainset.columns()
    assert equal(found, given.columns())
    assert list(zip(found.users, found.items, found.ratings, strict=True)) == list(trainset.all_ratings())
    assert (found.users.dtype, found.item_users.dtype, found.ratings.dtype) == (
        np.int32,
        np.int32,
        np.float64,
    )
    for inner in range(3):
        part = slice(*found.user_indptr[inner : inner + 2])
        assert list(zip(found.user_items[part], found.user_ratings[part], strict=True)) == UR[inner]
        part = slice(*found.item_indptr[inner : inner + 2])
        assert list(zip(found.item_users[part], found.item_ratings[part], strict=True)) == IR[inner]
    with pytest.raises(ValueError, match="read-only"):
        found.ratings[0] = 1
    assert trainset.columns() is found


def test_columns_follow_changes_of_the_lists(trainset: Trainset) -> None:
    before = trainset.columns()
    trainset.ur[0][2] = (1, 2.0)  # in place
    after = trainset.columns()
    assert (after.user_ratings[2], before.user_ratings[2]) == (2.0, 4.5)
    assert after.ratings[2] == 2.0
    assert np.array_equal(after.item_ratings, before.item_ratings)  # ir is as it was
    trainset.ir[1].pop()
    assert len(trainset.columns().item_users) == 5
    trainset.ur = {2: [(0, 1.0)], 0: [(1, 2.0)]}
    assert trainset.columns().users.tolist() == [2, 0]  # the order of the dict
    assert trainset.columns().user_items.tolist() == [1, 0]
    assert list(trainset.all_ratings()) == [(2, 0, 1.0), (0, 1, 2.0)]


def test_users_that_are_added(trainset: Trainset) -> None:
    trainset.ur[3] = [(0, 5.0)]
    trainset.ir[0].append((3, 5.0))
    with pytest.raises(ValueError, match=r"trainset\.ur: 3 is among its keys.*trainset\.n_users"):
        trainset.columns()
    trainset.n_users = 4
    assert trainset.columns().users[-1] == 3
    assert trainset.knows_user(3)
    # A question for ratings of an unknown user adds an empty list, as there.
    assert trainset.ur[17] == []
    assert len(trainset.columns().user_indptr) == 5


def test_anti_testset(trainset: Trainset) -> None:
    pairs = [("b", 9), ("a", 3), ("c", 7), ("c", 9)]
    assert trainset.build_anti_testset() == [(*pair, trainset.global_mean) for pair in pairs]
    assert trainset.build_anti_testset(fill=0) == [(*pair, 0.0) for pair in pairs]
    assert trainset.build_anti_testset(fill=-1)[0][2] == -1.0


def test_pickles_and_copies(trainset: Trainset) -> None:
    trainset.columns()
    size = len(pickle.dumps(trainset))
    assert trainset.ur[0]
    assert len(pickle.dumps(trainset)) == size  # lists that can be made again are left out
    for other in (pickle.loads(pickle.dumps(trainset)), copy.deepcopy(trainset)):
        assert other.ur == UR
        assert equal(other.columns(), trainset.columns())
    trainset.ur[0][0] = (0, 1.5)
    assert pickle.loads(pickle.dumps(trainset)).ur[0][0] == (0, 1.5)
