"""Lists at a time, for models whose predictions depend on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf

RATINGS = cf.datasets.synthetic(60, 40, 900, random_state=0)
DAY = 86_400


@pytest.fixture(scope="module")
def model() -> Any:
    return cf.TimeSVDpp(n_factors=4, n_epochs=8, random_state=0).fit(RATINGS)


def by_predict(model: Any, user: Any, time: Any) -> list[Any]:
    """Items that the user has not rated, best first."""
    seen = set(RATINGS.items[RATINGS.users == user])
    items = np.array([item for item in model.item_ids_ if item not in seen and model.knows(items=item)])
    scores = model.predict(user, items, time)
    counts = np.array([np.count_nonzero(RATINGS.items == item) for item in items])
    return items[np.lexsort((items, -counts, -scores))].tolist()


def test_lists_are_those_of_predictions_at_the_time(model: Any) -> None:
    start, end = int(RATINGS.timestamps.min()), int(RATINGS.timestamps.max())  # type: ignore[union-attr]
    lists = []
    for time in (start, end, np.int64(start + 900 * DAY)):
        ids, scores = model.recommend(1, 40, timestamps=time)
        assert ids.tolist() == by_predict(model, 1, time)
        np.testing.assert_allclose(scores, model.predict(1, ids, time))
        lists.append(ids.tolist())
    assert lists[0] != lists[1]
    date = np.datetime64(start, "s")
    np.testing.assert_array_equal(model.recommend(1, 5, timestamps=date)[0], lists[0][:5])


def test_a_time_for_each_user(model: Any) -> None:
    start, end = int(RATINGS.timestamps.min()), int(RATINGS.timestamps.max())  # type: ignore[union-attr]
    users, times = [1, 2, 1, 99_999], [start, end, end, start]
    ids, scores = model.recommend(users, 6, timestamps=times)
    for user, time, own, values in zip(users, times, ids, scores, strict=True):
        alone = model.recommend(user, 6, timestamps=time)
        np.testing.assert_array_equal(own, alone[0])
        np.testing.assert_array_equal(values, alone[1])
    (_, batched, _), *_ = model.recommend_batches(users, 6, timestamps=times)
    np.testing.assert_array_equal(batched, ids)
    np.testing.assert_array_equal(
        model.recommend(users, 6, timestamps=end)[0], model.recommend(users, 6, timestamps=[end] * 4)[0]
    )
    with pytest.raises(cf.DataError, match="one for each of 4 users is wanted, or one, not 3"):
        model.recommend(users, 6, timestamps=times[:3])
    with pytest.raises(cf.DataError, match="timestamps"):
        model.recommend(1, 6, timestamps="now")


def test_models_without_time_leave_times_alone() -> None:
    for model in (cf.SVD(n_factors=2, n_epochs=2, random_state=0), cf.Baseline(), cf.ItemKNN()):
        model.fit(RATINGS)
        np.testing.assert_array_equal(
            model.recommend([1, 2], 5, timestamps="now")[0], model.recommend([1, 2], 5)[0]
        )


def test_blends_hand_times_on(model: Any) -> None:
    blend = cf.Blend([model, cf.Baseline().fit(RATINGS)], cv="prefit", method="mean").fit()
    end = int(RATINGS.timestamps.max())  # type: ignore[union-attr]
    ids, scores = blend.recommend(1, 10, timestamps=end)
    np.testing.assert_allclose(scores, blend.predict(1, ids, end))
