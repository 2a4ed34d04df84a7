"""Metrics of lists against their definitions in plain Python, and lists against test ratings."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfcore as cf
from cfcore import metrics


def slow(hits: list[bool], n_relevant: int) -> dict[str, float]:
    """All metrics of one list, by their definitions."""
    k = len(hits)
    if n_relevant == 0:
        return dict.fromkeys(FUNCTIONS, math.nan)
    best = min(k, n_relevant)
    first = next((rank for rank, hit in enumerate(hits, 1) if hit), None)
    return {
        "precision": sum(hits) / k,
        "recall": sum(hits) / n_relevant,
        "ndcg": sum(1 / math.log2(rank + 1) for rank, hit in enumerate(hits, 1) if hit)
        / sum(1 / math.log2(rank + 1) for rank in range(1, best + 1)),
        "map": sum(sum(hits[:rank]) / rank for rank, hit in enumerate(hits, 1) if hit) / best,
        "mrr": 1 / first if first else 0.0,
        "hit_rate": 1.0 if any(hits) else 0.0,
    }


FUNCTIONS = {
    "precision": metrics.precision,
    "recall": metrics.recall,
    "ndcg": metrics.ndcg,
    "map": metrics.average_precision,
    "mrr": metrics.reciprocal_rank,
    "hit_rate": metrics.hit_rate,
}


@given(st.integers(1, 6).flatmap(lambda k: st.lists(
    st.tuples(st.lists(st.booleans(), min_size=k, max_size=k), st.integers(0, 4)), min_size=1, max_size=6
)))  # fmt: skip
def test_metrics_are_their_definitions(users: list[tuple[list[bool], int]]) -> None:
    hits = [row for row, _ in users]
    n_relevant = [sum(row) + more for row, more in users]
    for name, function in FUNCTIONS.items():
        found = function(hits, n_relevant)
        expected = [slow(row, n)[name] for row, n in zip(hits, n_relevant, strict=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert ((found >= 0) & (found <= 1 + 1e-12) | np.isnan(found)).all()


def test_perfect_lists_are_perfect() -> None:
    for n_relevant in (1, 3, 7):
        hits = np.arange(5)[None, :] < n_relevant
        for name in ("ndcg", "map", "mrr", "hit_rate"):
            assert FUNCTIONS[name](hits, [n_relevant])[0] == pytest.approx(1.0)
    # Computed by hand: hits at ranks 2 and 3 of four, three relevant items.
    hits = [[False, True, True, False]]
    assert metrics.average_precision(hits, [3])[0] == pytest.approx((1 / 2 + 2 / 3) / 3)
    assert metrics.ndcg(hits, [3])[0] == pytest.approx((0.63093 + 0.5) / (1 + 0.63093 + 0.5), abs=1e-5)


def test_novelty_and_coverage() -> None:
    shares = [1.0, 0.5, 0.25, 0.0]
    items = [[0, 1], [2, -1], [-1, -1]]
    np.testing.assert_allclose(metrics.novelty(items, shares), [0.5, 2.0, math.nan])
    assert metrics.coverage(items, shares) == 1.0
    assert metrics.coverage([[0, 1], [1, 0]], shares) == pytest.approx(2 / 3)
    assert metrics.coverage([[-1]], shares) == 0.0


@pytest.mark.parametrize(
    ("hits", "n_relevant", "message"),
    [
        ([True], [1], "shapes"),
        ([[True]], [1, 2], "shapes"),
        ([[]], [1], "shapes"),
        ([[True, True]], [1], "row 0: 2 hits, but 1 relevant"),
    ],
)
def test_impossible_hits_are_refused(hits: Any, n_relevant: Any, message: str) -> None:
    for function in FUNCTIONS.values():
        with pytest.raises(cf.DataError, match=message):
            function(hits, n_relevant)


# ---------------------------------------------------------------------- lists of models


def brute_force(
    model: Any, train: cf.Ratings, test: cf.Ratings, k: int, threshold: float
) -> dict[str, float]:
    """All metrics of a model, user by user, from `predict` and sets of raw ids."""
    known = sorted(set(train.items.tolist()))
    raters = {item: set(train.users[train.items == item].tolist()) for item in known}
    lists: list[list[Any]] = []
    each: list[dict[str, float]] = []
    for user in sorted(set(test.users.tolist())):
        seen = set(train.items[train.users == user].tolist())
        rest = [item for item in known if item not in seen]
        scores = dict(zip(rest, model.predict([user] * len(rest), rest), strict=True)) if rest else {}
        listed = sorted(rest, key=lambda item: (-scores[item], -len(raters[item]), item))[:k]
        lists.append(listed)
        own = test.users == user
        liked = set(test.items[own & (test.values >= np.float32(threshold))].tolist()) - seen
        hits = [item in liked for item in listed] + [False] * (k - len(listed))
        each.append(slow(hits, len(liked)))
    users = set(train.users.tolist())
    novelties = [
        np.mean([-math.log2(len(raters[item]) / len(users)) for item in listed]) for listed in lists if listed
    ]
    found = {name: float(np.mean(values)) if (values := [one[name] for one in each if one[name] == one[name]])
             else math.nan for name in FUNCTIONS}  # fmt: skip
    found["novelty"] = float(np.mean(novelties)) if novelties else math.nan
    found["coverage"] = len({item for listed in lists for item in listed}) / len(known)
    return found


@st.composite
def splits(draw: Any) -> tuple[cf.Ratings, cf.Ratings]:
    """Training and test ratings: unknown users and items, pairs in both, users without relevant items."""
    cells = st.dictionaries(
        st.tuples(st.integers(1, 6), st.integers(-1, 7)), st.integers(1, 5), min_size=1, max_size=25
    )
    parts = []
    for _ in range(2):
        pairs, values = zip(*draw(cells).items(), strict=True)
        users, items = zip(*pairs, strict=True)
        parts.append(cf.Ratings(users, items, values, scale=(1, 5)))
    return parts[0], parts[1]


@given(splits(), st.integers(1, 10), st.sampled_from([None, 3.0, 5.0]))
def test_judge_against_brute_force(
    split: tuple[cf.Ratings, cf.Ratings], k: int, threshold: float | None
) -> None:
    train, test = split
    model = cf.Baseline(method="mean").fit(train)
    names: tuple[str, ...] = (*FUNCTIONS, "novelty", "coverage")
    expected = brute_force(model, train, test, k, 4.0 if threshold is None else threshold)
    if math.isnan(expected["recall"]):
        with pytest.raises(cf.DataError, match="no item is relevant"):
            metrics.evaluate(model, test, names, k=k, threshold=threshold)
        names = ("novelty", "coverage")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cf.DataWarning)
        found = metrics.evaluate(model, test, names, k=k, threshold=threshold)
    assert list(found) == list(names)
    for name in names:
        assert found[name] == pytest.approx(expected[name], rel=1e-9, nan_ok=True), name


def test_a_model_of_factors_by_brute_force(split: Any, model: Any) -> None:
    names = (*FUNCTIONS, "novelty", "coverage")
    found = metrics.evaluate(model, split[1], names, k=5)
    assert found == pytest.approx(brute_force(model, *split, 5, 4.0), rel=1e-9)


def test_lists_by_the_test_ratings_are_perfect(split: Any) -> None:
    train, test = split
    known = {(u, i): v for u, i, v in zip(test.users, test.items, test.values, strict=True)}

    class Oracle(cf.GlobalMean):
        def _score(self, users: Any, items: Any, timestamps: Any) -> Any:
            pairs = zip(self.user_ids_[users], self.item_ids_[items], strict=True)
            return np.array([known.get(pair, 0.5) for pair in pairs])

    oracle = Oracle().fit(train)
    found = metrics.evaluate(oracle, test, ("ndcg", "map", "mrr", "hit_rate", "recall@60"))
    assert found == pytest.approx(dict.fromkeys(found, 1.0))
    assert metrics.evaluate(cf.GlobalMean().fit(train), test, "ndcg")["ndcg"] < 0.9


def test_lists_of_several_lengths_from_one_pass(split: Any, model: Any, monkeypatch: Any) -> None:
    passes = []
    once = cf.SVD.recommend_batches

    def counted(self: Any, users: Any, n: int) -> Any:
        passes.append(n)
        return once(self, users, n)

    monkeypatch.setattr(cf.SVD, "recommend_batches", counted)
    found = metrics.evaluate(model, split[1], ("ndcg@3", "rmse", "ndcg", "recall@200"), k=7)
    assert passes == [200]
    for name, k in (("ndcg@3", 3), ("ndcg", 7), ("recall@200", 200)):
        alone = metrics.evaluate(model, split[1], name.partition("@")[0], k=k)
        assert found[name] == next(iter(alone.values()))
    assert found["recall@200"] == 1.0  # all items are listed


def test_lists_come_in_batches(split: Any, model: Any, monkeypatch: Any) -> None:
    from cfcore.models.recommend import top_n as lists

    whole = metrics.judge(model, split[1], 6)
    monkeypatch.setattr(lists, "USERS_PER_BLOCK", 7)
    monkeypatch.setattr(lists, "PRODUCTS_PER_BLOCK", 1)
    parts = metrics.judge(model, split[1], 6)
    for name in ("users", "items", "hits", "n_relevant"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_string_ids_and_frames(split: Any) -> None:
    pandas = pytest.importorskip("pandas")
    train, test = (
        pandas.DataFrame(
            {"user": [f"u{u:04d}" for u in part.users], "item": [f"i{i:04d}" for i in part.items],
             "rating": part.values}
        )
        for part in split
    )  # fmt: skip
    named = cf.SVD(n_factors=4, n_epochs=5, random_state=0).fit(train)
    model = named.clone().fit((split[0].users, split[0].items, split[0].values))
    for metric in ("precision", "map", "coverage"):
        assert metrics.evaluate(named, test, metric) == metrics.evaluate(model, split[1], metric)


def test_the_threshold_is_a_rating() -> None:
    assert metrics.relevant_from((1, 5)) == 4
    assert 3.5 < metrics.relevant_from((0.5, 5)) <= 4
    assert 7 < metrics.relevant_from((1, 10)) <= 8
    # The rating 3.3 is a float32 a little below 3.3; with the threshold 3.3 it is relevant.
    train = cf.Ratings([1, 1, 2], [1, 2, 1], [5.0, 1.0, 3.0])
    model = cf.GlobalMean().fit(train)
    assert metrics.evaluate(model, ([2], [2], [3.3]), "recall", threshold=3.3) == {"recall": 1.0}
    with pytest.raises(cf.DataError, match=r"recall: .* threshold is 3.4, and the highest test rating 3.3"):
        metrics.evaluate(model, ([2], [2], [3.3]), "recall", threshold=3.4)


def test_bad_lengths_and_names(model: Any, split: Any) -> None:
    for name, message in (
        ("auc", "known: rmse, mae, fcp, precision"),
        ("rmse@10", "not a metric of lists"),
        ("ndcg@0", "length"),
        ("ndcg@", "length"),
        ("ndcg@x", "length"),
    ):
        with pytest.raises(ValueError, match=message):
            metrics.evaluate(model, split[1], name)
    for k in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="k must be"):
            metrics.evaluate(model, split[1], "ndcg", k=k)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threshold"):
        metrics.evaluate(model, split[1], "ndcg", threshold=math.nan)
    with pytest.raises(cf.NotFittedError):
        metrics.evaluate(cf.SVD(), split[1], "ndcg")
