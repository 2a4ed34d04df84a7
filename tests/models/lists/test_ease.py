"""`EASE`: lists by a linear model of all pairs of items."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.errors import DataWarning
from cfcore.metrics import evaluate
from cfcore.models.lists import inverse
from cfcore.models.lists.ease import usual_reg
from cfcore.models.lists.ease_state import EaseState, rating_weights

Array = np.ndarray[Any, Any]
TRAIN = cf.datasets.synthetic(200, 90, 4000, random_state=1)


def state_of(model: Any) -> EaseState:
    """The fitted state, from the fitted attributes."""
    names = [field.name for field in dataclasses.fields(EaseState)]
    return EaseState(**{name: getattr(model, f"{name}_") for name in names if name != "n_epochs"})


def dense(ratings: cf.Ratings, values: str = "ratings") -> Array:
    """X, users by items."""
    matrix = np.zeros((ratings.n_users, ratings.n_items))
    matrix[ratings.user_codes, ratings.item_codes] = rating_weights(ratings.values, ratings.scale, values)
    return matrix


def weights_by_paper(x: Array, reg: float) -> Array:
    """B, in NumPy."""
    p = np.linalg.inv(x.T @ x + reg * np.eye(x.shape[1]))
    b: Array = np.eye(len(p)) - p / np.diag(p)
    return b


@pytest.mark.parametrize("values", ["ratings", "ones"])
def test_weights_and_scores_are_those_of_the_paper(values: str) -> None:
    model = cf.EASE(reg=30.0, values=values).fit(TRAIN)
    x = dense(TRAIN, values)
    b = weights_by_paper(x, 30.0)
    np.testing.assert_allclose(model.item_weights_, b, atol=1e-6)
    assert model.reg_ == 30.0
    users = TRAIN.user_ids[:7]
    ids, scores = model.recommend(users, n=90, exclude_seen=False)
    columns = np.searchsorted(TRAIN.item_ids, ids)
    np.testing.assert_allclose(scores, np.take_along_axis((x @ b)[:7], columns, 1), atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_half_stars_have_the_matrix_of_other_steps() -> None:
    """Ratings on a grid are summed as integers, others as doubles: the same weights."""
    moved = cf.Ratings(TRAIN.users, TRAIN.items, TRAIN.values * np.float32(0.7310585))
    a, b = (cf.EASE(reg=5.0).fit(one).item_weights_ for one in (TRAIN, moved))
    np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    ("scale", "ratings", "expected"),
    [
        ((1, 5), [1, 3, 5], [0.2, 0.6, 1.0]),
        ((0.5, 4), [0.5, 2, 4], [0.125, 0.5, 1.0]),
        ((0, 10), [0, 5, 10], [0.2, 0.6, 1.0]),
        ((-10, 10), [-10, 0, 10], [0.2, 0.6, 1.0]),
        ((-4, -2), [-4, -3, -2], [0.2, 0.6, 1.0]),
        ((0, 1), [0, 1], [0.2, 1.0]),
        ((3, 3), [3], [1.0]),
        ((0, 0), [0], [1.0]),
        ((-2, -2), [-2], [1.0]),
    ],
)
def test_no_rating_weighs_nothing(scale: Any, ratings: list[float], expected: list[float]) -> None:
    found = rating_weights(np.array(ratings, dtype=np.float32), scale, "ratings")
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (rating_weights(np.array(ratings), scale, "ones") == 1).all()


def test_a_moved_scale_makes_the_same_lists() -> None:
    """One to five, and zero to four: the lowest weighs a fifth of the highest in both."""
    moved = cf.Ratings(TRAIN.users, TRAIN.items, TRAIN.values - 20, scale=tuple(np.array(TRAIN.scale) - 20))
    five = cf.Ratings(TRAIN.users, TRAIN.items, (TRAIN.values - 0.5) / 4.5 * 4 + 1, scale=(1, 5))
    ids = [cf.EASE(reg=20.0).fit(one).recommend(TRAIN.user_ids[:20], n=5)[0] for one in (moved, five)]
    np.testing.assert_array_equal(ids[0], ids[1])


def test_lists_are_better_than_popularity() -> None:
    train, test = cf.datasets.load("ml-100k", split="u1")
    ndcg = [evaluate(model.fit(train), test, "ndcg@10")["ndcg@10"] for model in (cf.EASE(), cf.Popularity())]
    assert ndcg[0] >= 0.48
    assert ndcg[1] < 0.25


def test_predictions_are_those_of_damped_means() -> None:
    users, items = [*TRAIN.users[:50], 10**6, TRAIN.users[0]], [*TRAIN.items[:50], TRAIN.items[0], 10**6]
    expected = cf.Baseline(method="mean").fit(TRAIN).predict(users, items)
    np.testing.assert_allclose(cf.EASE().fit(TRAIN).predict(users, items), expected, atol=1e-6)


def test_max_items_keeps_the_most_rated() -> None:
    model = cf.EASE(reg=10.0, max_items=40).fit(TRAIN)
    most = np.sort(np.argsort(-TRAIN.item_counts, kind="stable")[:40])
    np.testing.assert_array_equal(model.weighted_items_, most)
    np.testing.assert_allclose(model.item_weights_, weights_by_paper(dense(TRAIN)[:, most], 10.0), atol=1e-6)
    others = np.setdiff1d(np.arange(TRAIN.n_items), most)
    for user in (TRAIN.user_ids[0], TRAIN.user_ids[:3]):
        ids, scores = model.recommend(user, n=90, exclude_seen=False)
        ids, scores = np.atleast_2d(ids), np.atleast_2d(scores)
        codes = np.searchsorted(TRAIN.item_ids, ids)
        assert set(codes[0, :40].tolist()) == set(most.tolist())
        assert (np.diff(TRAIN.item_counts[codes[:, 40:]], axis=1) <= 0).all()
        assert (np.diff(scores, axis=1) <= 0).all()
    assert np.isfinite(model.predict(TRAIN.user_ids[0], TRAIN.item_ids[others])).all()
    assert set(model.similar_items(TRAIN.item_ids[most[0]], 90)[0]) <= set(TRAIN.item_ids[most])
    assert len(model.similar_items(TRAIN.item_ids[others[0]])[0]) == 0
    session = {int(TRAIN.item_ids[others[0]]): 4.0}
    np.testing.assert_array_equal(model.recommend(given=session, n=5)[0], model.recommend(10**6, n=5)[0])
    buffer = io.BytesIO()
    model.save(buffer)
    buffer.seek(0)
    again = cf.load(buffer).recommend(TRAIN.user_ids[:3], n=90)
    np.testing.assert_array_equal(again[1], model.recommend(TRAIN.user_ids[:3], n=90)[1])


def test_more_items_than_there_are_is_all_of_them() -> None:
    model = cf.EASE(max_items=10**6).fit(TRAIN)
    assert model.weighted_items_ is None
    np.testing.assert_array_equal(model.item_weights_, cf.EASE().fit(TRAIN).item_weights_)


def test_too_many_items_are_refused_before_they_are_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    many = cf.Ratings(np.zeros(30_001, dtype=int), np.arange(30_001), np.ones(30_001))
    with pytest.raises(MemoryError, match=r"30,001 items needs 10.1 GiB.*EASE\(max_items=30000\)"):
        cf.EASE().fit(many)
    monkeypatch.setattr(inverse, "available_memory", lambda: 12 * 50**2)
    with pytest.raises(MemoryError, match=r"90 items.*available.*EASE\(max_items=47\)"):
        cf.EASE().fit(TRAIN)
    assert len(cf.EASE(max_items=47).fit(TRAIN).item_weights_) == 47


def test_unknown_users_get_the_most_rated_items() -> None:
    model = cf.EASE().fit(TRAIN)
    np.testing.assert_array_equal(
        model.recommend(10**6, n=20)[0], cf.Popularity().fit(TRAIN).recommend(10**6, n=20)[0]
    )
    assert model.recommend(given={}, n=3)[0].tolist() == model.recommend(10**6, n=3)[0].tolist()


def test_items_without_ratings_are_never_listed() -> None:
    some = TRAIN.subset(TRAIN.item_codes != 5)
    model = cf.EASE().fit(some)
    assert some.n_items == 90
    ids, _ = model.recommend(TRAIN.user_ids[:5], n=90, exclude_seen=False)
    assert TRAIN.item_ids[5] not in ids


def test_a_session_is_as_good_as_a_fit() -> None:
    """Weights are of the items alone: the same ratings, given with the question, have the same list."""
    model, user = cf.EASE().fit(TRAIN), TRAIN.user_ids[4]
    own = TRAIN.subset(TRAIN.users == user)
    session = dict(zip(own.items.tolist(), own.values.tolist(), strict=True))
    for given in (session, own):
        ids, scores = model.recommend(given=given, n=10)
        np.testing.assert_array_equal(np.ravel(ids), model.recommend(user, n=10)[0])
        np.testing.assert_array_equal(np.ravel(scores), model.recommend(user, n=10)[1])
    rows = own.by_user
    scores = state_of(model).session_scores(rows.indices, rows.values)
    np.testing.assert_array_equal(scores, model.preference(user, TRAIN.item_ids))


def test_contributions_add_up_to_the_score() -> None:
    for model in (cf.EASE(), cf.EASE(max_items=30)):
        state = state_of(model.fit(TRAIN))
        items, values = state.seen_items[: state.seen_indptr[1]], state.seen_values[: state.seen_indptr[1]]
        scores = state.session_scores(items, values)
        for item in np.arange(90) if state.positions is None else state.weighted_items:
            effects = state.contributions(items, values, int(item))
            assert effects.sum() == pytest.approx(scores[item], abs=1e-6)


def test_similar_items_are_those_that_a_rating_of_the_item_alone_lists() -> None:
    model = cf.EASE().fit(TRAIN)
    item = int(TRAIN.item_ids[3])
    ids, weights = model.similar_items(item, n=10)
    np.testing.assert_array_equal(weights, -np.sort(-np.delete(model.item_weights_[3], 3).astype(float))[:10])
    listed, scores = model.recommend(given={item: TRAIN.scale[1]}, n=10)
    np.testing.assert_array_equal(ids, listed)
    np.testing.assert_array_equal(scores, weights)


def test_the_default_penalty_follows_the_rule() -> None:
    model = cf.EASE()
    for n_users, n, expected in (
        (943, 80_000, 70 * 943 / 80_000**0.5),
        (10, 1000, 200.0),
        (10**6, 10**7, 500.0),
    ):
        assert usual_reg(n_users, n, "ratings") == pytest.approx(expected)
        assert usual_reg(n_users, n, "ones") == pytest.approx(2 * expected)
    assert model.fit(TRAIN).reg_ == model.defaults_for(TRAIN)["reg"] == 221.35943621178654


@pytest.mark.parametrize(
    "columns",
    [([1], [1], [3.0]), ([1, 1, 1], [1, 2, 3], [5.0, 1.0, 3.0]), ([1, 2, 3], [7, 7, 7], [0.0, 0.0, 0.0])],
)
def test_one_user_and_one_item(columns: Any) -> None:
    model = cf.EASE().fit(columns)
    assert np.isfinite(model.predict(columns[0], columns[1])).all()
    assert len(model.recommend(99)[0]) == len(set(columns[1]))
    assert len(model.recommend(1)[0]) == len(set(columns[1])) - sum(user == 1 for user in columns[0])


def test_a_tiny_penalty_is_refused_where_the_matrix_is_singular() -> None:
    twice = cf.Ratings([1, 1], [1, 2], [5.0, 5.0])  # two items that are the same
    with pytest.raises(ValueError, match="reg=1e-30 is too small"):
        cf.EASE(reg=1e-30).fit(twice)
    assert np.isfinite(cf.EASE(reg=1e30).fit(twice).item_weights_).all()


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"reg": 0}, "reg"),
        ({"reg": -1.0}, "reg"),
        ({"values": "stars"}, "values"),
        ({"max_items": 0}, "max_items"),
    ],
)
def test_parameters_out_of_range_are_named(params: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        cf.EASE(**params).fit(TRAIN)


def test_weights_found_elsewhere_are_served() -> None:
    b = np.array([[0, 0.5], [0.25, 0]])
    model = cf.EASE().with_parameters(
        user_ids=np.array([1, 2]), item_ids=np.array([10, 20]), scale=(1, 5), item_weights=b
    )
    ids, scores = model.recommend(given={10: 5}, n=1)
    assert (ids.tolist(), scores.tolist()) == ([20], [0.5])
    with pytest.raises(ValueError, match="weighted_items_ must tell"):
        model.with_parameters(item_weights=np.zeros((1, 1)))


def test_ratings_that_are_not_known_weigh_the_same_and_that_is_said() -> None:
    model = cf.EASE().fit(TRAIN).with_parameters(seen_values=None)
    with pytest.warns(DataWarning, match="each weighs 1; pass them by given="):
        ids, _ = model.recommend(TRAIN.user_ids[0])
    expected = model.with_parameters(values="ones").recommend(TRAIN.user_ids[0])
    np.testing.assert_array_equal(ids, expected[0])
    assert len(model.recommend(given={int(TRAIN.item_ids[0]): 3.0})[0]) == 10


def test_the_backends_agree() -> None:
    model = cf.EASE(reg=10.0).fit(TRAIN)
    with cf.backend("reference"):
        twin = cf.EASE(reg=10.0).fit(TRAIN)
        expected = twin.recommend(TRAIN.user_ids[:5], n=8)
    np.testing.assert_allclose(model.item_weights_, twin.item_weights_, atol=1e-7)
    np.testing.assert_array_equal(model.recommend(TRAIN.user_ids[:5], n=8)[0], expected[0])
