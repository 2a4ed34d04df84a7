"""Lists are judged as `recommend` makes them, beside lists by popularity under the same options."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import metrics
from tests import notebook

NAMES = ("ndcg@5", "recall@20", "map@5", "hit_rate", "novelty@7", "coverage")
SOME_ITEMS = list(range(0, 60, 2))


def options_of(split: Any) -> list[dict[str, Any]]:
    """Options of `recommend`, alone and together."""
    bought = split[1].subset(np.arange(len(split[1])) % 3 == 0)
    return [
        {},
        {"by": "rating"},
        {"by": "preference"},
        {"min_support": 20},
        {"items": SOME_ITEMS},
        {"exclude": bought},
        {"exclude": SOME_ITEMS[:3]},
        {"exclude_seen": False},
        {"by": "preference", "min_support": 18, "items": SOME_ITEMS, "exclude": (bought.users, bought.items)},
        {"by": "rating", "exclude_seen": False, "exclude": bought},
    ]


def test_the_lists_are_those_of_recommend(split: Any, model: Any) -> None:
    different = []
    for options in options_of(split):
        judged = metrics.judge(model, split[1], 8, **options)
        ids, scores = model.recommend(judged.users, 8, **options)
        lists = np.where(judged.items >= 0, model.item_ids_[judged.items], -1)
        np.testing.assert_array_equal(lists, np.where(np.isnan(scores), -1, ids))
        different.append(lists.tobytes())
        direct = metrics.ndcg(judged.hits, judged.n_relevant)
        found = metrics.evaluate(model, split[1], "ndcg@8", **options)["ndcg@8"]
        assert found == pytest.approx(np.nanmean(direct))
    assert len(set(different)) == len(different) - 1  # by="rating" is the default of SVD


def test_popularity_is_the_model_of_that_name(split: Any, model: Any) -> None:
    popular = cf.Popularity().fit(split[0])
    for options in options_of(split):
        for candidates in ("all", "test"):
            wanted = {**options, "candidates": candidates}
            found = metrics.evaluate(model, split[1], ("rmse", *NAMES), **wanted)
            expected = metrics.evaluate(popular, split[1], NAMES, **{**wanted, "by": "preference"})
            assert list(found) == ["rmse", *NAMES]
            assert found.popularity == expected == expected.popularity, wanted
    assert found.popularity != dict(found)


def test_options_may_be_iterators(split: Any, model: Any) -> None:
    """They are read once, and serve for lists of the model and by popularity, and for all folds."""
    for name in ("items", "exclude"):
        once: dict[str, Any] = {name: iter(SOME_ITEMS)}
        found = metrics.evaluate(model, split[1], NAMES, **once)
        expected = metrics.evaluate(model, split[1], NAMES, **{name: SOME_ITEMS})
        assert found == expected
        assert found.popularity == expected.popularity


def test_popularity_of_short_lists_and_unknown_users() -> None:
    train = cf.Ratings(["a", "a", "b", "c"], ["x", "y", "x", "z"], [5.0, 3.0, 4.0, 5.0])
    test = cf.Ratings(["a", "b", "new"], ["z", "q", "y"], [5.0, 5.0, 5.0])
    model = cf.GlobalMean().fit(train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cf.DataWarning)
        found = metrics.evaluate(model, test, ("recall@1", "recall@50", "mrr"))
        nothing = metrics.evaluate(model, test, "coverage", min_support=9)
    # a may be listed z; b: y, z; new: x, y, z. q is unknown.
    assert found.popularity == {"recall@1": 1 / 3, "recall@50": 2 / 3, "mrr": (1 + 0 + 1 / 2) / 3}
    assert nothing.popularity == {"coverage": 0.0}


def test_candidates_among_the_test_items(split: Any, model: Any) -> None:
    train, test = split
    counts = dict(zip(model.item_ids_.tolist(), model.item_counts_.tolist(), strict=True))
    for by, score in (("rating", model.predict), ("preference", model.preference)):
        judged = metrics.judge(model, test, 4, by=by, candidates="test")
        for user, listed in zip(judged.users, judged.items, strict=True):
            seen = set(train.items[train.users == user].tolist())
            own = [item for item in test.items[test.users == user].tolist()
                   if item not in seen and counts.get(item, 0) > 0]  # fmt: skip
            scores = dict(zip(own, score([user] * len(own), own), strict=True)) if own else {}
            best = sorted(own, key=lambda item: (-scores[item], -counts[item], item))[:4]
            assert model.item_ids_[listed[listed >= 0]].tolist() == best
    easy, hard = (metrics.evaluate(model, test, "ndcg", candidates=one)["ndcg"] for one in ("test", "all"))
    assert easy > hard + 0.1  # what the documentation warns of


def test_items_left_out_count_as_missed(split: Any, model: Any) -> None:
    """The relevant items are the same under all options, but for pairs of training."""
    whole = metrics.judge(model, split[1], 5)
    for options in ({"min_support": 20}, {"items": SOME_ITEMS}, {"candidates": "test"}):
        np.testing.assert_array_equal(
            metrics.judge(model, split[1], 5, **options).n_relevant,
            whole.n_relevant,  # type: ignore[arg-type]
        )
    with pytest.raises(cf.DataError, match="are of pairs that are in training too"):
        metrics.evaluate(model, split[0], "recall@60")
    assert metrics.evaluate(model, split[0], "recall@60", exclude_seen=False)["recall@60"] == 1.0


def test_lists_for_the_time_of_the_test_ratings() -> None:
    rng = np.random.default_rng(0)
    ratings = cf.datasets.synthetic(40, 30, 600, random_state=0)
    times = rng.integers(0, 10**8, len(ratings))
    timed = cf.Ratings(ratings.users, ratings.items, ratings.values, times)
    train, test = cf.split.holdout(timed, 0.3, random_state=0)
    model = cf.TimeSVDpp(n_factors=3, n_epochs=4, random_state=0).fit(train)
    first = [test.timestamps[test.users == user].min() for user in np.unique(test.users)]
    for candidates in ("all", "test"):
        found = [
            metrics.judge(model, test, 5, timestamps=when, candidates=candidates).items.tolist()
            for when in ("test", first, None, 5 * 10**7)
        ]
        assert found[0] == found[1]
        if candidates == "all":
            assert found[0] != found[2]
            ids, _ = model.recommend(np.unique(test.users), 5, timestamps=5 * 10**7)
            assert model.item_ids_[found[3]].tolist() == ids.tolist()
    judged = metrics.judge(model, test, 5, timestamps="test", candidates="test")
    for row, (user, when) in enumerate(zip(np.unique(test.users), first, strict=True)):
        seen = train.items[train.users == user]
        own = np.setdiff1d(test.items[test.users == user], seen)
        best = own[np.argsort(-model.predict([user] * len(own), own, [when] * len(own)), kind="stable")]
        listed = judged.items[row][judged.items[row] >= 0]
        assert model.item_ids_[listed].tolist() == best[:5].tolist()
    ids, _ = model.recommend(np.unique(test.users), 5, timestamps=first)
    judged = metrics.judge(model, test, 5, timestamps="test")
    np.testing.assert_array_equal(model.item_ids_[judged.items], ids)
    with pytest.raises(cf.DataError, match="timestamps: one for each of the 38 users"):
        metrics.judge(model, test, 5, timestamps=[1, 2])
    untimed = (test.users, test.items, test.values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cf.DataWarning)
        with pytest.raises(cf.DataError, match=r'timestamps="test": the test ratings have no timestamps'):
            metrics.judge(model, untimed, 5, timestamps="test")
    still = cf.SVD(n_factors=2, n_epochs=2, random_state=0).fit(train)  # has no use for times
    plain = metrics.evaluate(still, test, "ndcg")
    assert metrics.evaluate(still, untimed, "ndcg", timestamps="test") == plain


def test_popularity_is_shown(split: Any, model: Any) -> None:
    found = metrics.evaluate(model, split[1], ("rmse", "ndcg@5"))
    assert found.popularity.keys() == {"ndcg@5"}
    value, popular = found["ndcg@5"], found.popularity["ndcg@5"]
    assert f"'ndcg@5': {value:.4f}}}, popularity: {{'ndcg@5': {popular:.4f}}}, " in repr(found) == str(found)
    page = notebook.shown(found)
    assert page.count("popularity") == 1
    assert f"{popular:.4f}" in page
    plain = metrics.evaluate(model, split[1])
    assert plain.popularity == {}
    assert "popularity" not in repr(plain) + notebook.shown(plain)


def test_functions_of_hits_are_measured_of_popularity_too(split: Any, model: Any) -> None:
    def found(hits: Any, n_relevant: Any) -> Any:
        return hits.sum(axis=1) / 3

    popular = metrics.evaluate(model, split[1], found, k=3).popularity
    assert popular["found"] == metrics.evaluate(cf.Popularity().fit(split[0]), split[1], found, k=3)["found"]


def test_intervals_of_popularity_and_of_the_difference_to_it(split: Any, model: Any) -> None:
    options: dict[str, Any] = {"by": "preference", "min_support": 5, "k": 5, "n_boot": 200}
    popular = cf.Popularity().fit(split[0])
    names = ("ndcg", "recall")
    found = metrics.bootstrap(model, split[1], ("rmse", *names), **options)
    assert list(found) == ["rmse", *names]
    alone = metrics.bootstrap(popular, split[1], names, **options)
    assert found.popularity.keys() == set(names)
    line = metrics.bootstrap(model, split[1], names, against="popularity", **options)
    other = metrics.bootstrap(model, split[1], names, against=popular, **options)
    for name in names:
        assert found.popularity[name] == pytest.approx(alone[name])
        assert line[name] == pytest.approx(other[name], abs=1e-12)
        assert line[name].value == pytest.approx(found[name].value - found.popularity[name].value)
    assert line.popularity == other.popularity == {}
    assert metrics.evaluate(model, split[1], names, **options) == metrics.bootstrap(
        model, split[1], names, **options
    )
    with pytest.raises(ValueError, match=r'rmse: against="popularity" is for metrics of lists'):
        metrics.bootstrap(model, split[1], ("ndcg", "rmse"), against="popularity")
    with pytest.raises(ValueError, match='against must be a fitted model or "popularity"'):
        metrics.bootstrap(model, split[1], "ndcg", against="pop")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "stars"}, 'by must be "rating", "preference", "upper", "sample" or None'),
        ({"candidates": "tests"}, 'candidates must be "all" or "test"'),
        ({"candidates": None}, "candidates"),
        ({"min_support": -1}, "min_support"),
        ({"exclude_seen": 2}, "exclude_seen"),
        ({"threshold": math.inf}, "threshold"),
    ],
)
def test_bad_options(split: Any, model: Any, options: dict[str, Any], message: str) -> None:
    for call in (metrics.judge, metrics.evaluate, metrics.bootstrap):
        arguments = (10,) if call is metrics.judge else ("ndcg",)
        with pytest.raises((ValueError, TypeError), match=message):
            call(model, split[1], *arguments, **options)  # type: ignore[operator]
