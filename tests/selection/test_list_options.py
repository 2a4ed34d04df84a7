"""Options of lists in `cross_validate` and `search`, and popularity beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests import notebook

OPTIONS: dict[str, Any] = {"by": "preference", "min_support": 4, "threshold": 3.0}
METRICS = ("rmse", "ndcg@5", "coverage@5")
MODEL = cf.SVD(n_factors=4, n_epochs=3, random_state=0)


@pytest.fixture(scope="module")
def ratings() -> cf.Ratings:
    return cf.datasets.synthetic(60, 40, 900, random_state=3)


def test_folds_are_judged_with_the_options(ratings: cf.Ratings) -> None:
    found = cf.selection.cross_validate(MODEL, ratings, 3, METRICS, **OPTIONS)
    plain = cf.selection.cross_validate(MODEL, ratings, 3, METRICS)
    assert list(found) == list(plain)
    assert found.popularity.keys() == {"ndcg@5", "coverage@5"}
    for fold, (train, test) in enumerate(cf.split.kfold(ratings, 3, 0)):
        model = MODEL.clone().fit(train)
        expected = cf.metrics.evaluate(model, test, METRICS, **OPTIONS)
        for name in METRICS:
            assert found[name][fold] == expected[name]
        for name, line in found.popularity.items():
            assert line[fold] == expected.popularity[name]
    assert (found["ndcg@5"] != plain["ndcg@5"]).all()
    np.testing.assert_array_equal(found["rmse"], plain["rmse"])
    among = cf.selection.cross_validate(MODEL, ratings, 3, "ndcg@5", candidates="test")
    assert among.mean("ndcg@5") > found.mean("ndcg@5")
    assert (among["predict_seconds"] > 0).all()


def test_folds_at_a_time_have_the_popularity_of_each(ratings: cf.Ratings) -> None:
    one = cf.selection.cross_validate(MODEL, ratings, 4, "recall@3")
    many = cf.selection.cross_validate(MODEL, ratings, 4, "recall@3", n_jobs=-1)
    np.testing.assert_array_equal(one.popularity["recall@3"], many.popularity["recall@3"])


def test_popularity_is_a_line_below_the_folds(ratings: cf.Ratings) -> None:
    found = cf.selection.cross_validate(MODEL, ratings, 3, METRICS)
    last = str(found).splitlines()[-1].split()
    assert last[0] == "popularity"
    means = [float(np.mean(found.popularity[name])) for name in ("ndcg@5", "coverage@5")]
    assert [float(cell) for cell in last[1:]] == pytest.approx(means, abs=0.006)
    foot = notebook.shown(found).partition("<tfoot>")[2]
    assert "popularity" in foot
    single = cf.selection.cross_validate(MODEL, ratings, lambda r: cf.split.holdout(r, 0.2, 0), "ndcg@5")
    assert str(single).splitlines()[-1].split()[0] == "popularity"
    assert "popularity" not in str(cf.selection.cross_validate(MODEL, ratings, 3))


def test_a_search_judges_lists_with_the_options(ratings: cf.Ratings, tmp_path: Path) -> None:
    space = {"n_factors": [2, 4]}
    arguments: dict[str, Any] = {"budget": 2, "cv": 3, "metric": "ndcg@5", "refit": False}
    study = tmp_path / "study.db"
    found = cf.selection.search(MODEL, ratings, space, **arguments, **OPTIONS, study=study)
    best = MODEL.clone().set_params(**found.params)
    again = cf.selection.cross_validate(best, ratings, 3, "ndcg@5", **OPTIONS)
    assert found.value == pytest.approx(again.mean("ndcg@5"))
    other = cf.selection.search(MODEL, ratings, space, **arguments)
    assert other.value != found.value
    with pytest.raises(ValueError, match=r"holds another search: threshold was 3.0, and is not given"):
        cf.selection.search(MODEL, ratings, space, **arguments, study=study)
    with pytest.raises(ValueError, match="holds another search: min_support was 4, and is 3"):
        cf.selection.search(MODEL, ratings, space, **arguments, **{**OPTIONS, "min_support": 3}, study=study)


def test_a_study_of_ratings_goes_on_with_any_options_of_lists(ratings: cf.Ratings, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"budget": 2, "cv": 3, "refit": False, "study": tmp_path / "study.db"}
    found = cf.selection.search(MODEL, ratings, {"n_factors": [2, 4]}, **arguments)
    again = cf.selection.search(MODEL, ratings, {"n_factors": [2, 4]}, **arguments, **OPTIONS)
    assert again.value == found.value


def test_bad_options_are_refused_before_a_fit(ratings: cf.Ratings) -> None:
    class Never(cf.SVD):
        def _fit(self, train: Any, context: Any) -> Any:
            raise AssertionError

    for options, message in (
        ({"by": "stars"}, "by must be"),
        ({"candidates": "none"}, "candidates must be"),
        ({"threshold": "high"}, "threshold must be"),
    ):
        with pytest.raises(ValueError, match=message):
            cf.selection.cross_validate(Never(), ratings, 3, "ndcg", **options)
        with pytest.raises(ValueError, match=message):
            cf.selection.search(Never(), ratings, {"n_factors": [2]}, metric="ndcg", **options)
