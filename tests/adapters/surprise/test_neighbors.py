"""Neighbours of training sets in which pairs are rated again, and of many pairs at once."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cfcore.surprise as surprise

CLASSES = ("KNNBasic", "KNNWithMeans", "KNNWithZScore", "KNNBaseline")


def trainset(n: int, n_users: int, n_items: int, again: bool, levels: int = 5) -> Any:
    rng = np.random.default_rng(n)
    frame = pd.DataFrame(
        {
            "user": rng.integers(0, n_users, n),
            "item": rng.integers(0, n_items, n),
            "rating": rng.integers(1, levels + 1, n),
        }
    )
    if not again:
        frame = frame.drop_duplicates(["user", "item"])
    return surprise.Dataset.load_from_df(frame, surprise.Reader()).build_full_trainset()


@pytest.mark.parametrize("by_user", [True, False])
def test_cosine_of_pairs_that_were_rated_again(by_user: bool) -> None:
    trained_on = trainset(3000, 12, 30, again=True)
    n = trained_on.n_users if by_user else trained_on.n_items
    products, own = np.zeros((n, n)), np.zeros((n, n))
    for entries in (trained_on.ir if by_user else trained_on.ur).values():
        for x, rating in entries:
            for other, its in entries:
                products[x, other] += rating * its
                own[x, other] += rating**2
    expected = products / np.sqrt(own * own.T)
    np.fill_diagonal(expected, 1)
    found = surprise.KNNBasic(sim_options={"name": "cosine", "user_based": by_user}, verbose=False)
    np.testing.assert_allclose(found.fit(trained_on).sim, expected, rtol=1e-14)


def test_ratings_of_one_user_are_all_neighbours() -> None:
    frame = pd.DataFrame({"user": [1, 1], "item": [7, 7], "rating": [1, 4.5]})
    data = surprise.Dataset.load_from_df(frame, surprise.Reader())
    for name in CLASSES:
        algo = getattr(surprise, name)(verbose=False).fit(data.build_full_trainset())
        prediction = algo.predict(1, 7)
        assert (prediction.est, prediction.details["actual_k"]) == (2.75, 2), name


@pytest.mark.parametrize("levels", [1, 5])  # with one level, all similarities are equal
@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("by_user", [True, False])
def test_all_pairs_at_once_are_as_in_a_heap(by_user: bool, again: bool, levels: int) -> None:
    trained_on = trainset(2500, 150, 20, again, levels)
    pairs = [(user, item, 0.0) for user in range(150) for item in range(20)]
    for k in (1, 4, 40):
        algo = surprise.KNNBasic(k=k, sim_options={"user_based": by_user}, verbose=False).fit(trained_on)
        found = algo.test(pairs)
        assert found[::5] == [algo.predict(*pair) for pair in pairs[::5]]
        for prediction in found[::7]:
            if not prediction.details["was_impossible"]:
                u, i = trained_on.to_inner_uid(prediction.uid), trained_on.to_inner_iid(prediction.iid)
                x, y = (u, i) if by_user else (i, u)
                rated = [(algo.sim[x, other], rating) for other, rating in algo.yr[y]]
                nearest = [one for one in heapq.nlargest(k, rated, key=lambda one: one[0]) if one[0] > 0]
                assert prediction.details["actual_k"] == len(nearest)
                total = sum(sim * rating for sim, rating in nearest)
                assert prediction.est == pytest.approx(total / sum(sim for sim, _ in nearest), rel=1e-13)


@pytest.mark.parametrize("name", CLASSES)
def test_all_pairs_at_once_are_as_one_by_one(name: str) -> None:
    trained_on = trainset(2500, 150, 20, again=False)
    for similarity in ("cosine", "pearson", "pearson_baseline"):
        algo = getattr(surprise, name)(k=9, sim_options={"name": similarity}, verbose=False).fit(trained_on)
        pairs = trained_on.build_anti_testset()
        assert algo.test(pairs)[::13] == [algo.predict(*pair) for pair in pairs[::13]]


@pytest.mark.parametrize("name", ["SlopeOne", "CoClustering"])
@pytest.mark.parametrize(("rating", "error"), [(np.nan, ValueError), (np.inf, OverflowError)])
def test_ratings_without_a_whole_part_are_refused(name: str, rating: float, error: type[Exception]) -> None:
    frame = pd.DataFrame({"user": [1, 2], "item": ["a", "b"], "rating": [rating, 2]})
    data = surprise.Dataset.load_from_df(frame, surprise.Reader())
    with pytest.raises(error, match="cannot convert float"):
        getattr(surprise, name)().fit(data.build_full_trainset())
