"""Lists for many users are those for one user at a time, though items are laid out for them once a state."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import backends
from cfcore.arrays import padded
from cfcore.kernels.records import Factors
from cfcore.models.recommend.item_layout import ItemLayouts
from cfcore.models.recommend.top_n import MANY

N_USERS, N_ITEMS, N_FACTORS = MANY + 60, 300, 40
SHAPES = {"user_factors": (N_USERS, N_FACTORS), "item_factors": (N_ITEMS, N_FACTORS)}
SIZES = {"user_bias": N_USERS, "item_bias": N_ITEMS}


class Products(cf.Model):
    """A model of random factors, the scores of which are products."""

    def __init__(
        self, *, dtype: str = "float32", diverged: bool = False, n_threads: int | None = None
    ) -> None:
        self.dtype = dtype
        self.diverged = diverged
        self.n_threads = n_threads

    def _fit(self, train: cf.Ratings, context: Any) -> Any:
        rng = np.random.default_rng(0)
        factors = {
            name: padded(rng.normal(0, 0.3, shape).astype(self.dtype)) for name, shape in SHAPES.items()
        }
        biases = {name: rng.normal(0, 0.2, n).astype(self.dtype) for name, n in SIZES.items()}
        if self.diverged:
            users = factors["user_factors"]
            users[0, 0], users[3, :N_FACTORS], users[4] = np.nan, 1e37, 0
            biases["user_bias"][1:3] = np.inf, -np.inf
        return context.state(**factors, **biases)

    def _score(self, users: Any, items: Any, timestamps: Any) -> Any:
        out = np.empty(len(users))
        backends.kernel("factorization.svd").predict(users, items, record_of(self), out, 1)
        return out

    def _products(self) -> Factors:
        return record_of(self)


def record_of(model: Any) -> Factors:
    return Factors(model.user_factors_, model.item_factors_, model.user_bias_, model.item_bias_, model.mean_)


@pytest.fixture(scope="module")
def ratings() -> cf.Ratings:
    rng = np.random.default_rng(1)
    cells = np.append(np.arange(N_USERS) * N_ITEMS, rng.choice(N_USERS * N_ITEMS, 6000, replace=False))
    cells = np.unique(np.append(cells, np.arange(N_ITEMS)))  # each user and item once at least
    return cf.Ratings(cells // N_ITEMS, cells % N_ITEMS, rng.integers(1, 6, len(cells)))


@pytest.fixture(scope="module", params=["float32", "float64"])
def model(request: pytest.FixtureRequest, ratings: cf.Ratings) -> Any:
    return Products(dtype=request.param).fit(ratings)


def check_lists(model: Any, **options: Any) -> None:
    """Lists of all users at once and of each alone."""
    many = model.recommend(model.user_ids_, **options)
    for k, user in enumerate(model.user_ids_):
        alone = model.recommend(user, **options)
        for column, own in zip(many, alone, strict=True):
            np.testing.assert_array_equal(column[k][: len(own)], own)
        assert np.isnan(many[1][k][len(alone[0]) :]).all()


def test_lists_of_many_are_those_of_each(model: Any) -> None:
    check_lists(model)
    check_lists(model, n=25, exclude_seen=False)
    check_lists(model, min_support=20)  # other items, another layout
    check_lists(model, items=model.item_ids_[::7])
    check_lists(model, n=400)  # more than there are
    check_lists(model)
    with cf.backend("reference"):
        ids, _ = model.recommend(model.user_ids_)
    check_lists(model)
    np.testing.assert_array_equal(ids, model.recommend(model.user_ids_)[0])


def test_another_state_has_another_layout(model: Any) -> None:
    check_lists(model)
    bias = model.item_bias_.copy()
    bias[::2] = 1
    factors = model.item_factors_.copy()
    factors[::3] *= -1
    for changed in (model.with_parameters(item_bias=bias), model.with_parameters(item_factors=factors)):
        check_lists(changed)
        assert (changed.recommend(model.user_ids_)[0] != model.recommend(model.user_ids_)[0]).any()


def test_factors_of_one_axis_and_of_none(model: Any) -> None:
    for n_axes in (1, 0):
        factors = model.item_factors_.copy()
        factors[:, n_axes:] = 0
        check_lists(model.with_parameters(item_factors=factors))


def test_users_whose_factors_are_out_of_bounds(ratings: cf.Ratings) -> None:
    model = Products(diverged=True).fit(ratings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_lists(model)
        _, scores = model.recommend(model.user_ids_)
    assert np.isnan(scores[[0, 2]]).all()
    assert not np.isnan(scores[[1, *range(3, N_USERS)]]).any()


def test_layouts_are_kept(model: Any) -> None:
    layouts, factors = ItemLayouts(model.item_counts_), record_of(model)
    everything, some = model.item_counts_ > 0, model.item_counts_ >= 20
    order = layouts.order(everything)
    assert layouts.order(everything) is order
    layout = layouts.layout(factors, order)
    assert layouts.layout(factors, layouts.order(everything)) is layout
    other = layouts.layout(factors, layouts.order(some))
    assert layouts.layout(factors, layouts.order(some)) is other is not layout
    with cf.backend("reference"):
        twin = layouts.layout(factors, layouts.order(some))
        assert layouts.layout(factors, layouts.order(some)) is twin is not other


def test_orders_are_by_number_of_ratings_then_by_code() -> None:
    layouts = ItemLayouts(np.array([3, 0, 5, 3, 1]))
    assert layouts.order(np.array([True, False, True, True, True])).items.tolist() == [2, 0, 3, 4]
    some = layouts.order(np.array([False, True, True, True, False]))
    assert some.items.tolist() == [2, 3]
    assert some.positions.tolist() == [-1, -1, 0, 1, -1]


def test_threads_share_a_state(model: Any) -> None:
    users = model.user_ids_
    options = [{}, {"min_support": 20}, {"items": model.item_ids_[::7]}, {"exclude_seen": False}] * 5
    expected = [model.recommend(users, **option) for option in options]
    fresh = model.with_parameters()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda option: fresh.recommend(users, **option), options))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])
