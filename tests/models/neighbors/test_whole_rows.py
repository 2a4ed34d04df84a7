"""Lists of ItemKNN, whose items are scored all at once, are those of predictions pair by pair, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.state import known_of
from cfcore.models.neighbors.scoring import raters_of
from cfcore.models.neighbors.state import NeighborState
from cfcore.models.neighbors.trainer import NeighborTrainer
from cfcore.models.neighbors.whole_rows import contenders, has_whole_rows, scores_of_rows, tolerance
from cfcore.models.recommend.item_layout import order_of

SETTINGS: list[dict[str, Any]] = [
    {},
    {"center": "zscore", "positive_only": False},
    {"center": "mean", "n_neighbors": 4, "similarity": "msd", "shrinkage": 0},
    {"center": None, "n_neighbors": 3, "similarity": "jaccard", "power": 1.3},  # many are equally near
    {"n_neighbors": None},
    {"n_neighbors": 5, "no_overlap": 0.1},
    {"n_neighbors": 5, "storage": 30},  # not all similarities are kept
]


@pytest.fixture(scope="module")
def ratings() -> cf.Ratings:
    rng = np.random.default_rng(0)
    users = np.floor(120 * rng.random(4000) ** 2).astype(int)  # from 1 to 75 ratings each
    items = np.floor(90 * rng.random(4000) ** 1.5).astype(int)
    return cf.Ratings(users, items, rng.integers(1, 6, 4000), duplicates="last")


def state_of(settings: dict[str, Any], ratings: cf.Ratings) -> NeighborState:
    context = FitContext(known_of(ratings), "ItemKNN", np.random.default_rng(0))
    return NeighborTrainer(cf.ItemKNN(**settings), ratings, context).run()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_fit_tells_whether_items_can_be_scored_all_at_once(ratings: cf.Ratings, settings: Any) -> None:
    assert has_whole_rows(state_of(settings, ratings)) == ("storage" not in settings)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_lists_are_those_of_predictions_pair_by_pair(ratings: cf.Ratings, settings: Any) -> None:
    model = cf.ItemKNN(**settings).fit(ratings)
    users = np.append(model.user_ids_, 999)
    scores = np.stack([model.predict(user, model.item_ids_) for user in users])
    counts = model.item_counts_
    codes = np.append(np.arange(len(users) - 1, dtype=np.int32), np.int32(-1))
    every = np.arange(len(counts), dtype=np.int32)
    unclipped = np.stack([model.score_codes(np.full(len(every), code), every) for code in codes])
    ids, found = model.recommend(users, 12)
    for row in range(len(users)):
        left = np.setdiff1d(every, ratings.items[ratings.users == users[row]])
        best = left[np.lexsort((left, -counts[left], -unclipped[row, left]))][:12]
        np.testing.assert_array_equal(ids[row][: len(best)], model.item_ids_[best])
        np.testing.assert_array_equal(found[row][: len(best)], scores[row, best])
        alone = model.recommend(int(users[row]), 12)
        np.testing.assert_array_equal(alone[0], model.item_ids_[best])
        np.testing.assert_array_equal(alone[1], scores[row, best])


@pytest.mark.parametrize("settings", SETTINGS[:-1], ids=str)
def test_scores_of_whole_rows_are_within_the_tolerance(ratings: cf.Ratings, settings: Any) -> None:
    model = cf.ItemKNN(**settings).fit(ratings)
    state, every = state_of(settings, ratings), np.arange(len(model.item_ids_), dtype=np.int32)
    rows = scores_of_rows(state, raters_of(state), np.arange(len(model.user_ids_), dtype=np.int32), 1)
    for user, row in enumerate(rows):
        exact = model.score_codes(np.full(len(every), user, dtype=np.int32), every)
        error = tolerance(state, raters_of(state), user, row)
        assert np.abs(exact - row).max() <= error
        limit = model.rule_["n_neighbors"] or 10**9
        assert (error == 0) == (state.user_counts[user] <= limit)


def test_contenders_are_all_that_could_be_among_the_best() -> None:
    scores = np.array([5.0, 4.0, 4.0 - 1e-9, 3.0, 9.0, 2.0])
    order, nothing = order_of(np.array([4, 1, 0, 2, 3, 5], dtype=np.int32), 6), np.zeros(0, dtype=np.int32)
    seen = np.array([4], dtype=np.int32)
    assert sorted(contenders(scores, order, seen, 2, 1e-8)) == [0, 1, 2]
    assert sorted(contenders(scores, order, seen, 2, 1e-12)) == [0, 1]
    assert sorted(contenders(scores, order, nothing, 1, 1e-12)) == [4]
    assert len(contenders(scores, order, nothing, 6, 1e-12)) == 6
    scores[3] = np.nan  # of sums beyond the range of doubles: it is scored again
    assert 3 in contenders(scores, order, seen, 2, 1e-12)


def test_a_matrix_that_is_not_symmetric_is_read_by_targets(ratings: cf.Ratings, tmp_path: Any) -> None:
    fitted = cf.ItemKNN(n_neighbors=5).fit(ratings)
    similarity = fitted.similarity_.copy()
    similarity[0, 1:40] *= np.float32(0.5)
    model = fitted.with_parameters(similarity=similarity)
    model.save(tmp_path / "model.cf")
    for one in (model, cf.load(tmp_path / "model.cf")):
        ids, scores = one.recommend(int(ratings.users[0]), 60, exclude_seen=False)
        np.testing.assert_array_equal(scores, one.predict(int(ratings.users[0]), ids))


def test_a_subclass_that_scores_otherwise_has_its_own_lists(ratings: cf.Ratings) -> None:
    class Turned(cf.ItemKNN):
        def _score(self, users: Any, items: Any, timestamps: Any) -> Any:
            return 6.0 - super()._score(users, items, timestamps)

    model = Turned().fit(ratings)
    user = int(ratings.users[0])
    ids, scores = model.recommend(user, 5)
    np.testing.assert_array_equal(scores, model.predict(user, ids))
    assert ids.tolist() != cf.ItemKNN().fit(ratings).recommend(user, 5)[0].tolist()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("n_rated", [1, 4, 60])
def test_a_session_is_answered_as_columns_are(ratings: cf.Ratings, settings: Any, n_rated: int) -> None:
    model = cf.ItemKNN(**settings).fit(ratings)
    rng = np.random.default_rng(n_rated)
    items, values = rng.permutation(model.item_ids_)[:n_rated], rng.integers(1, 6, n_rated)
    session = dict(zip(items.tolist(), values.tolist(), strict=True))
    columns = (np.zeros(n_rated, dtype=int), items, values)
    others = model.item_ids_
    np.testing.assert_array_equal(
        model.predict(others, given=session), model.predict(np.zeros(len(others), int), others, given=columns)
    )
    ids, scores = model.recommend(given=session, n=12)
    expected = model.recommend(np.array([0]), given=columns, n=12)
    np.testing.assert_array_equal(ids, expected[0][0][: len(ids)])
    np.testing.assert_array_equal(scores, expected[1][0][: len(ids)])
    np.testing.assert_array_equal(scores, model.predict(ids, given=session))
