"""recommend, similar_items, similar_users."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import threads
from cfcore.kernels.common import cpu
from cfcore.models.recommend.top_n import MANY


def test_recommend_is_sorted_and_scored_as_predicted(fitted: Any, train: cf.Ratings) -> None:
    user = train.users[3]
    ids, scores = fitted.recommend(user, n=12, by="rating")
    assert len(ids) == len(scores) == 12
    assert len(set(ids)) == 12
    assert (np.diff(scores) <= 0).all()
    np.testing.assert_array_equal(scores, fitted.predict(user, ids))
    rest = np.setdiff1d(np.asarray(train.items), ids)
    rest = np.setdiff1d(rest, train.items[train.users == user])
    assert fitted.predict(user, rest).max() <= scores[-1]


def test_recommend_leaves_out_seen_items(fitted: Any, train: cf.Ratings) -> None:
    user = train.users[3]
    seen = train.items[train.users == user]
    ids, _ = fitted.recommend(user, n=10_000)
    assert not set(ids) & set(seen)
    everything, _ = fitted.recommend(user, n=10_000, exclude_seen=False)
    assert set(everything) == set(ids) | set(seen) == set(train.items)


def test_recommend_min_support(fitted: Any, train: cf.Ratings) -> None:
    ids, _ = fitted.recommend(train.users[0], n=10_000, min_support=15, exclude_seen=False)
    counts = {item: int(np.sum(train.items == item)) for item in set(train.items)}
    assert set(ids) == {item for item, count in counts.items() if count >= 15}


def test_recommend_to_an_unknown_user(fitted: Any) -> None:
    ids, scores = fitted.recommend(-99, n=5, by="rating")
    assert len(ids) == 5
    assert (np.diff(scores) <= 0).all()
    np.testing.assert_array_equal(scores, fitted.predict(-98, ids))


def test_recommend_nothing(fitted: Any, train: cf.Ratings) -> None:
    ids, scores = fitted.recommend(train.users[0], n=0)
    assert len(ids) == len(scores) == 0
    assert ids.dtype == fitted.item_ids_.dtype
    with pytest.raises(ValueError, match="n must"):
        fitted.recommend(train.users[0], n=-1)
    with pytest.raises(ValueError, match="min_support"):
        fitted.recommend(train.users[0], min_support=-1)
    ids, scores = fitted.recommend(train.users[:2], n=0)
    assert ids.shape == scores.shape == (2, 0)


def many_users(train: cf.Ratings) -> Any:
    """Known users, each several times, and unknown ones between them."""
    users = np.concatenate([[-99], train.user_ids, [-98], train.user_ids, train.user_ids[::-1]])
    assert len(users) > MANY
    return users


def test_recommend_to_many_is_recommend_to_each(fitted: Any, train: cf.Ratings) -> None:
    users = many_users(train)
    for options in ({}, {"exclude_seen": False}, {"min_support": 15}, {"items": train.item_ids[3:20]}):
        ids, scores = fitted.recommend(users, n=12, **options)
        assert ids.shape == scores.shape == (len(users), 12)
        alone = {user: fitted.recommend(user, n=12, **options) for user in set(users.tolist())}
        for user, row, its_scores in zip(users.tolist(), ids, scores, strict=True):
            n_listed = len(alone[user][0])
            np.testing.assert_array_equal(row[:n_listed], alone[user][0])
            np.testing.assert_array_equal(its_scores[:n_listed], alone[user][1])
            assert (row[n_listed:] == -1).all()
            assert np.isnan(its_scores[n_listed:]).all()


def test_recommend_to_many_excludes_pairs(fitted: Any, train: cf.Ratings) -> None:
    some = train.user_ids[::2]
    users = np.concatenate([[-99, -98], train.user_ids, train.user_ids, train.user_ids])
    rows = np.isin(users, [-99, *some])
    before, _ = fitted.recommend(users, n=4)
    pairs = np.repeat(users[rows], 2), before[rows, :2].ravel()
    for given in (pairs, (np.append(pairs[0], 12345), np.append(pairs[1], 67890))):  # unknown ids are ignored
        after, scores = fitted.recommend(users, n=4, exclude=given)
        np.testing.assert_array_equal(after[~rows], before[~rows])
        np.testing.assert_array_equal(after[rows, :2], before[rows, 2:])
        assert np.isfinite(scores).all()
    alone, _ = fitted.recommend(users[0], n=4, exclude=pairs)
    np.testing.assert_array_equal(alone, after[0])


def test_items_excluded_for_everybody(fitted: Any, train: cf.Ratings) -> None:
    users = many_users(train)
    before, _ = fitted.recommend(users, n=6)
    nobody = np.unique(before[:, :2])[:4]
    kept = np.setdiff1d(train.item_ids, nobody)
    expected = fitted.recommend(users, n=6, items=kept)
    assert not np.isin(expected[0], nobody).any()
    for given in (nobody, nobody.tolist(), tuple(nobody.tolist()), set(nobody.tolist()), iter(nobody),
                  [*nobody.tolist(), 67890]):  # fmt: skip
        for found, wanted in zip(fitted.recommend(users, n=6, exclude=given), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
    one = fitted.recommend(users[0], n=6, exclude=nobody)
    np.testing.assert_array_equal(one[0], expected[0][0])
    single = fitted.recommend(users[0], n=6, exclude=before[0, 0])
    np.testing.assert_array_equal(single[0][:5], before[0, 1:])
    (_, ids, _), *_ = fitted.recommend_batches(users, n=6, exclude=nobody)
    np.testing.assert_array_equal(ids, expected[0][: len(ids)])
    np.testing.assert_array_equal(fitted.recommend(users, n=6, exclude=[])[0], before)
    for by in ("rating", "preference"):
        found = [fitted.recommend(users[:40], n=6, by=by, **some)[0]
                 for some in ({"items": kept}, {"exclude": nobody})]  # fmt: skip
        np.testing.assert_array_equal(*found)
    given = {int(kept[0]): 5, int(nobody[0]): 4}
    assert not np.isin(fitted.recommend(given=given, n=6, exclude=nobody.tolist())[0], nobody).any()


def test_batches_are_the_lists_in_parts(fitted: Any, train: cf.Ratings) -> None:
    users = np.resize(train.user_ids, 200_000)
    batches = list(fitted.recommend_batches(users, n=5))
    assert len(batches) > 3
    whole = fitted.recommend(train.user_ids, n=5)
    names, ids, scores = (np.concatenate(column) for column in zip(*batches, strict=True))
    np.testing.assert_array_equal(names, users)
    for part, column in zip((ids, scores), whole, strict=True):
        np.testing.assert_array_equal(part, np.resize(column, part.shape))


def test_many_on_any_number_of_threads(fitted: Any, train: cf.Ratings) -> None:
    if not hasattr(fitted, "n_threads"):
        return  # nothing to set
    users, found = many_users(train), []
    with threads.policy(minimum_work=0):
        for n_threads in (1, 2, 3):
            model = copy.deepcopy(fitted).set_params(n_threads=n_threads)
            found.append(model.recommend(users, n=9))
            assert threads.workers_of_last_call() == (n_threads if cpu.openmp_version() else 1)
    for ids, scores in found[1:]:
        np.testing.assert_array_equal(ids, found[0][0])
        np.testing.assert_array_equal(scores, found[0][1])


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_lists_as_a_frame(fitted: Any, train: cf.Ratings, library: str) -> None:
    module = pytest.importorskip(library)
    ids, scores = fitted.recommend(train.user_ids, n=40)
    frame = fitted.recommend(train.user_ids, n=40, as_frame=library)
    assert isinstance(frame, module.Table if library == "pyarrow" else module.DataFrame)
    columns = {name: np.asarray(frame[name]) for name in ("user", "item", "score", "rank")}
    listed = ~np.isnan(scores)
    assert not listed.all()  # padding makes no rows
    np.testing.assert_array_equal(columns["user"], np.repeat(train.user_ids, listed.sum(axis=1)))
    np.testing.assert_array_equal(columns["item"], ids[listed])
    np.testing.assert_array_equal(columns["score"], scores[listed])
    assert columns["rank"][:3].tolist() == [1, 2, 3]
    for odd in (0.0, np.array([1, 2]), ["pandas"], "numpy"):
        with pytest.raises(ValueError, match="library must be one of pandas, polars, pyarrow"):
            fitted.recommend(train.user_ids, as_frame=odd)
    users = iter(train.user_ids.tolist())
    assert len(fitted.recommend(users, n=40, as_frame=library)) == len(frame)
    if library != "pyarrow":
        again = fitted.recommend(module.Series(train.user_ids), n=40, as_frame=True)
        assert isinstance(again, module.DataFrame)  # the library of the users


@pytest.mark.parametrize("kind", ["item", "user"])
def test_similar(fitted: Any, train: cf.Ratings, kind: str) -> None:
    similar = getattr(fitted, f"similar_{kind}s")
    known = getattr(train, f"{kind}s")
    try:
        ids, similarities = similar(known[0], n=6)
    except TypeError as error:
        assert kind in str(error)  # noqa: PT017 (a model that does not compare them says so)
        return
    assert len(ids) == len(similarities) <= 6
    assert known[0] not in ids
    assert set(ids) <= set(known)
    assert (np.diff(similarities) <= 0).all()
    assert np.isfinite(similarities).all()
    supported, _ = similar(known[0], n=10_000, min_support=15)
    assert all(np.sum(known == one) >= 15 for one in supported)
    with pytest.raises(cf.DataError, match=kind):
        similar(-99)


@pytest.mark.parametrize("kind", ["item", "user"])
def test_similar_to_many_is_similar_to_each(fitted: Any, train: cf.Ratings, kind: str) -> None:
    similar, ids = getattr(fitted, f"similar_{kind}s"), getattr(train, f"{kind}_ids")
    asked = np.concatenate([ids[::-1], ids[:3]])
    try:
        similar(asked)
    except TypeError as error:
        assert kind in str(error)  # noqa: PT017 (a model that does not compare them says so)
        return
    for options in ({"n": 6}, {"n": 10_000}, {"n": 4, "min_support": 15}, {"n": 0}, {"min_support": 10**6}):
        found, similarities = similar(asked, **options)
        assert found.shape == similarities.shape == (len(asked), min(options.get("n", 10), len(ids)))
        for one, row, its in zip(asked, found, similarities, strict=True):
            alone = similar(one, **options)
            n_listed = len(alone[0])
            np.testing.assert_array_equal(row[:n_listed], alone[0])
            np.testing.assert_array_equal(its[:n_listed], alone[1])
            assert (row[n_listed:] == -1).all()
            assert np.isnan(its[n_listed:]).all()
    np.testing.assert_array_equal(similar(iter(asked.tolist()))[0], similar(asked)[0])
    assert similar([], n=5)[0].shape == (0, 5)
    with pytest.raises(cf.DataError, match=rf"^{kind}s: 2 of them have no training ratings: -99, -98;"):
        similar([ids[0], -99, ids[1], -98, -99])


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_similar_to_many_as_a_frame(train: cf.Ratings, library: str) -> None:
    module = pytest.importorskip(library)
    model = cf.ItemKNN().fit(train)
    ids, similarities = model.similar_items(train.item_ids, n=10_000)
    listed = ~np.isnan(similarities)
    assert not listed.all()  # padding makes no rows
    frame = model.similar_items(train.item_ids, n=10_000, as_frame=library)
    columns = {name: np.asarray(frame[name]) for name in ("item", "similar_item", "similarity", "rank")}
    np.testing.assert_array_equal(columns["item"], np.repeat(train.item_ids, listed.sum(axis=1)))
    np.testing.assert_array_equal(columns["similar_item"], ids[listed])
    np.testing.assert_array_equal(columns["similarity"], similarities[listed])
    np.testing.assert_array_equal(columns["rank"], np.nonzero(listed)[1] + 1)
    if library != "pyarrow":
        again = model.similar_items(module.Series(train.item_ids), n=5, as_frame=True)
        assert isinstance(again, module.DataFrame)  # the library of the items


def test_similar_strings_end_in_empty_ones() -> None:
    model = cf.SVD(n_factors=2, n_epochs=2, random_state=0).fit((["a", "b", "a"], ["x", "y", "z"], [1, 5, 3]))
    found, similarities = model.similar_items(["x", "z"], n=3)
    assert found[:, 2].tolist() == ["", ""]
    assert np.isnan(similarities[:, 2]).all()
    with pytest.raises(cf.DataError, match="2 of them have no training ratings: 'no', 'none'"):
        model.similar_items(["no", "x", "none"])
