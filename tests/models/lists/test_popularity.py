"""`Popularity`: counts in lists, damped means of items in predictions."""

from __future__ import annotations

import io

import numpy as np
import pytest

import cfcore as cf

#: Item 7 is rated most often and worst.
RATINGS = cf.Ratings([1, 2, 3, 1, 2, 3, 4], [7, 7, 7, 8, 8, 9, 7], [1, 2, 1, 4, 5, 5, 2])


def test_lists_are_by_counts_and_predictions_by_means() -> None:
    model = cf.Popularity(reg_item=0).fit(RATINGS)
    ids, scores = model.recommend(99)
    assert ids.tolist() == [7, 8, 9]
    assert scores.tolist() == [1.0, 0.5, 0.25]
    assert model.recommend(99, by="rating")[0].tolist() == [9, 8, 7]
    np.testing.assert_allclose(model.predict(99, [7, 8, 9]), [1.5, 4.5, 5.0])
    assert model.predict(99, 1234) == pytest.approx(RATINGS.mean)
    assert model.predict(1, 8) == model.predict(99, 8)


def test_damping_pulls_means_toward_the_mean_of_all() -> None:
    model = cf.Popularity(reg_item=3.0).fit(RATINGS)
    expected = RATINGS.mean + (5 - RATINGS.mean) / (3.0 + 1)
    assert model.predict(99, 9) == pytest.approx(expected)
    with pytest.raises(ValueError, match="reg_item"):
        cf.Popularity(reg_item=-1).fit(RATINGS)


def test_lists_leave_out_what_was_rated() -> None:
    model = cf.Popularity().fit(RATINGS)
    assert model.recommend(4)[0].tolist() == [8, 9]
    assert model.recommend(given={8: 5.0})[0].tolist() == [7, 9]
    assert model.recommend(given={8: 5.0}, min_support=2)[0].tolist() == [7]


def test_equally_popular_items_are_in_the_order_of_ids() -> None:
    model = cf.Popularity().fit(([1, 2, 3], ["b", "c", "a"], [5, 3, 4]))
    assert model.recommend(9)[0].tolist() == ["a", "b", "c"]


def test_lists_are_the_same_from_a_file() -> None:
    model, file = cf.Popularity(reg_item=1.5).fit(RATINGS), io.BytesIO()
    model.save(file)
    file.seek(0)
    loaded = cf.load(file)
    assert loaded.get_params() == {"reg_item": 1.5}
    assert loaded.recommend(4)[0].tolist() == model.recommend(4)[0].tolist()
    assert loaded.preference(4, 9) == 0.25
