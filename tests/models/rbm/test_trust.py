"""Predictions from few ratings given: the weight that the fit finds for them."""

from __future__ import annotations

import numpy as np
import pytest

import cfcore as cf


def error(model: cf.RBM, test: cf.Ratings, given: cf.Ratings | None = None) -> float:
    return float(np.sqrt(np.mean((model.predict(test, given=given) - test.values) ** 2)))


def split(ratings: cf.Ratings, n_new: int) -> tuple[cf.Ratings, cf.Ratings, np.ndarray]:
    """Ratings to fit, those of new users, and the rank of each among its user's."""
    late = ratings.users > ratings.n_users - n_new
    new = ratings.subset(np.random.default_rng(0).permutation(np.flatnonzero(late)))
    order = np.argsort(new.user_codes, kind="stable")
    rank = np.empty(len(new), dtype=np.int64)
    rank[order] = np.arange(len(new)) - np.searchsorted(new.user_codes[order], new.user_codes[order])
    return ratings.subset(~late), new, rank


@pytest.mark.parametrize("seed", [0, 1])
def test_few_ratings_are_not_worse_than_none_on_small_data(seed: int) -> None:
    old, new, rank = split(cf.datasets.synthetic(200, 300, 9000, random_state=seed), 40)
    model = cf.RBM(random_state=seed).fit(old)
    test = new.subset(rank >= 10)
    assert model.half_of_units_ > 1
    nothing = error(model, test)
    for n in (1, 2, 3, 5, 10):
        assert error(model, test, new.subset(rank < n)) <= nothing + 0.003


def test_the_weight_is_larger_the_more_is_known_of_others() -> None:
    halves = [
        cf.RBM(random_state=0, n_hidden=40, n_epochs=15)
        .fit(cf.datasets.synthetic(n, 150, 40 * n, random_state=1))
        .half_of_units_
        for n in (60, 900)
    ]
    assert halves[0] > halves[1]


def test_the_weight_depends_on_ratings_and_seed_alone_and_is_kept(tmp_path: object) -> None:
    ratings = cf.datasets.synthetic(80, 60, 1500, random_state=3)
    settings = {"random_state": 0, "n_hidden": 8, "n_epochs": 4}
    model = cf.RBM(n_threads=1, **settings).fit(ratings)
    again = cf.RBM(n_threads=2, **settings).fit(ratings)
    assert model.half_of_units_ == again.half_of_units_
    path = f"{tmp_path}/rbm.cf"
    model.save(path)
    given = {int(item): 4.0 for item in ratings.item_ids[:3]}
    found = cf.load(path).predict(ratings.item_ids, given=given)
    np.testing.assert_array_equal(found, model.predict(ratings.item_ids, given=given))
    model.forget(ratings.user_ids[:5])
    assert model.half_of_units_ == again.half_of_units_


def test_users_who_rated_one_item_each_tell_nothing() -> None:
    model = cf.RBM(n_hidden=2, n_epochs=2, random_state=0).fit(([1, 2, 3], [1, 2, 1], [5, 3, 1]))
    assert model.half_of_units_ == 0
    assert np.isfinite(model.predict([1, 2], given={1: 5.0})).all()
