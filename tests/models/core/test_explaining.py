"""What the effects of `explain` are, model by model; explanations as text, HTML and frames."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.neighbors.measures import MEASURES
from tests import notebook
from tests.contracts.conftest import numbers

RATINGS = cf.Ratings(*numbers(30, 20, 260))
USER, ITEM = int(RATINGS.users[0]), int(RATINGS.item_ids[3])
MINE = dict(
    zip(RATINGS.items[RATINGS.users == USER].tolist(), RATINGS.values[RATINGS.users == USER], strict=True)
)


def codes(model: Any) -> tuple[int, int]:
    return int(model.encode_users(USER)[0]), int(model.encode_items(ITEM)[0])


def score(model: Any, times: Any = None) -> float:
    user, item = (np.array([code], dtype=np.int32) for code in codes(model))
    return float(model.score_codes(user, item, times)[0])


def effects_of(found: Any) -> dict[Any, float]:
    return dict(zip(found.items.tolist(), found.effects.tolist(), strict=True))


@pytest.mark.parametrize("method", ["als", "mean"])
def test_baseline_divides_the_bias_of_the_user(method: str) -> None:
    model = cf.Baseline(method=method).fit(RATINGS)
    found = model.explain(USER, ITEM, None)
    _, item = codes(model)
    assert found.base == pytest.approx(model.mean_ + model.item_bias_[item])
    for rated, effect in effects_of(found).items():
        residual = MINE[rated] - model.mean_ - model.item_bias_[model.encode_items(rated)[0]]
        assert effect == pytest.approx(residual / (len(MINE) + model.reg_user), abs=1e-7)


def test_baseline_of_another_damping_is_explained_by_leaving_one_out() -> None:
    model = cf.Baseline().fit(RATINGS).set_params(reg_user=20.0)
    found = model.explain(USER, ITEM, None)
    assert not found.exact
    assert found.base + found.effects.sum() + found.others == pytest.approx(found.score)


@pytest.mark.parametrize("center", ["baseline", "zscore", "mean", None])
@pytest.mark.parametrize("more", [{}, {"positive_only": False, "power": 1.5, "damping": 0.5}])
@pytest.mark.parametrize("storage", ["dense", 6])
def test_item_knn_lists_the_terms_of_its_mean(center: Any, more: Any, storage: Any) -> None:
    model = cf.ItemKNN(center=center, n_neighbors=3, storage=storage, **more).fit(RATINGS)
    user, item = codes(model)
    found = model.explain(USER, ITEM, None)
    assert 0 < np.count_nonzero(found.effects) <= 3
    assert set(found.items.tolist()) == set(MINE)
    means = {"baseline": model.mean_ + model.user_centers_[user] + model.item_centers_[item]}
    assert found.base == pytest.approx(means.get(center, model.item_centers_[item]), abs=1e-9)
    similarity = np.nan_to_num(model.similarity_row("item", item))
    similarity = similarity if model.positive_only else np.abs(similarity)
    nearest = sorted(
        (rated for rated in MINE if rated != ITEM), reverse=True,
        key=lambda rated: similarity[model.encode_items(rated)[0]],
    )  # fmt: skip
    assert set(found.items[found.effects != 0].tolist()) <= set(nearest[:3])


def test_user_knn_also_tells_whose_ratings_count() -> None:
    model = cf.UserKNN(n_neighbors=4).fit(RATINGS)
    found = model.explain(USER, ITEM, 3)
    users, effects = found.neighbors
    assert 0 < len(users) <= 4
    raters = RATINGS.users[RATINGS.items == ITEM].tolist()
    assert set(users.tolist()) <= set(raters) - {USER}
    assert (np.diff(np.abs(effects)) <= 0).all()
    user, item = codes(model)
    center = model.mean_ + model.user_centers_[user] + model.item_centers_[item]
    assert center + effects.sum() == pytest.approx(found.score, abs=1e-6)
    assert cf.ItemKNN().fit(RATINGS).explain(USER, ITEM).neighbors is None


@pytest.mark.parametrize("similarity", ["pearson", "cosine", "msd", "raw_msd", "jaccard"])
def test_user_knn_compares_the_user_without_each_rating(
    similarity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as by fits, where neither means nor biases have a part."""
    model = cf.UserKNN(similarity=similarity, n_neighbors=4, center=None, positive_only=True).fit(RATINGS)
    item = np.setdiff1d(RATINGS.item_ids, list(MINE))[0].item()
    own = RATINGS.subset(RATINGS.users == USER)
    found = model.explain(USER, item, None, given=own)
    fits = model.explain(USER, item, None, given=own, leave_one_out=True)
    assert not found.exact
    assert found.base == fits.base
    assert np.abs(fits.effects).max() > 0.01
    assert effects_of(found) == pytest.approx(effects_of(fits), abs=1e-6)
    monkeypatch.setattr("cfcore.models.neighbors.leaving_out.AT_ONCE", 50)
    np.testing.assert_allclose(model.explain(USER, item, None, given=own).effects, found.effects, atol=1e-9)


@pytest.mark.parametrize("by", ["rating", "preference"])
@pytest.mark.parametrize("more", [{}, {"by": "user"}, {"visible": "softmax", "inference": "exact"}])
def test_rbm_compares_the_user_without_each_rating(by: str, more: dict[str, Any]) -> None:
    model = cf.RBM(n_hidden=8, n_epochs=5, random_state=0, **more).fit(RATINGS)
    own = RATINGS.subset(RATINGS.users == USER)
    found = model.explain(USER, ITEM, None, given=own, by=by)
    score_codes = "score_codes" if by == "rating" else "preference_codes"

    def answer(given: cf.Ratings) -> float:
        here = model.for_users(given)
        return float(getattr(here, score_codes)(here.encode_users(USER), here.encode_items(ITEM))[0])

    expected = {item: found.score - answer(own.subset(own.items != item)) for item in MINE}
    assert found.score == pytest.approx(answer(own), abs=1e-9)
    assert max(map(abs, expected.values())) > 1e-4
    assert effects_of(found) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("model", [cf.UserKNN(), cf.UserKNN(center="zscore", similarity="pearson")])
def test_effects_of_a_list_are_those_of_each_item(model: Any) -> None:
    model.fit(RATINGS)
    items = RATINGS.item_ids[RATINGS.item_counts > 0].tolist()  # also those that the user rated
    for one in model.explain(USER, items, None):
        np.testing.assert_array_equal(one.effects, model.explain(USER, one.item, None).effects)


@pytest.mark.parametrize("similarity", list(MEASURES))
@pytest.mark.parametrize("center", ["baseline", "zscore", "mean"])
def test_user_knn_holds_means_and_biases_of_others(similarity: str, center: str) -> None:
    train, _ = cf.datasets.load("ml-100k", split="u1")
    train = train.subset(train.user_codes < 300)
    model = cf.UserKNN(similarity=similarity, center=center).fit(train)
    user = int(train.user_ids[np.argmin(np.abs(train.user_counts - 20))])
    found = model.explain(user, 50, None)
    fits = effects_of(model.explain(user, 50, None, leave_one_out=True))
    expected = np.array([fits[rated] for rated in found.items.tolist()])
    assert np.corrcoef(found.effects, expected)[0, 1] > 0.9
    assert found.base + found.effects.sum() + found.others == pytest.approx(found.score)


def test_svdpp_lists_the_terms_of_its_set() -> None:
    model = cf.SVDpp(n_factors=4, n_epochs=3, random_state=0).fit(RATINGS)
    user, item = codes(model)
    found = model.explain(USER, ITEM, None)
    q = model.item_factors_[item].astype(float)
    expected = {
        rated: model.implicit_factors_[model.encode_items(rated)[0]] @ q / len(MINE) ** 0.5 for rated in MINE
    }
    assert effects_of(found) == pytest.approx(expected, abs=1e-7)
    biases = model.mean_ + model.user_bias_[user] + model.item_bias_[item]
    assert found.base == pytest.approx(biases + model.user_factors_[user] @ q, abs=1e-6)


def test_items_without_ratings_count_in_sets() -> None:
    pairs = [USER, USER, USER], [ITEM, 7, 9]
    model = cf.SVDpp(n_factors=4, n_epochs=3, random_state=0).fit(RATINGS, implicit=pairs)
    found = model.explain(USER, ITEM, None)
    assert set(found.items.tolist()) == set(MINE) | {ITEM, 7, 9}
    unrated = np.isnan(found.ratings)
    assert set(found.items[unrated].tolist()) == {ITEM, 7, 9} - set(MINE)
    assert found.base + found.effects.sum() == pytest.approx(found.score)
    assert "item 7, not rated" in repr(found)


def test_asymmetric_svd_adds_both_terms_of_an_item() -> None:
    model = cf.AsymmetricSVD(n_factors=4, n_epochs=3, random_state=0).fit(RATINGS)
    user, item = codes(model)
    found = model.explain(USER, ITEM, None)
    assert found.base == pytest.approx(
        model.mean_ + model.user_bias_[user] + model.item_bias_[item], abs=1e-6
    )
    rated = slice(*model.seen_indptr_[user : user + 2])
    factors = (
        model.rating_errors_[rated, None] * model.rating_factors_[model.seen_items_[rated]]
        + model.implicit_factors_[model.seen_items_[rated]]
    )
    expected = factors @ model.item_factors_[item] / len(MINE) ** 0.5
    by_code = dict(zip(model.item_ids_[model.seen_items_[rated]].tolist(), expected.tolist(), strict=True))
    assert effects_of(found) == pytest.approx(by_code, abs=1e-6)


@pytest.mark.parametrize("method", ["ridge", "feature-weighted", "mean"])
def test_a_blend_adds_up_its_members(method: str) -> None:
    inner = [cf.Baseline(), cf.ItemKNN(), cf.SVDpp(n_factors=3, n_epochs=3)]
    blend = cf.Blend(inner, method=method, cv=2, random_state=0).fit(RATINGS)
    found = blend.explain(USER, ITEM, None)
    assert found.exact
    assert list(found.members) == ["baseline", "itemknn", "svdpp", "intercept"]
    assert sum(found.members.values()) == pytest.approx(found.score)
    shares = {
        name: found.members[name] / score(member)
        for name, member in zip(found.members, blend.members_, strict=False)
    }
    expected = dict.fromkeys(MINE, 0.0)
    for name, member in zip(shares, blend.members_, strict=True):
        for rated, effect in effects_of(member.explain(USER, ITEM, None)).items():
            expected[rated] += shares[name] * effect
    assert effects_of(found) == pytest.approx(expected, abs=1e-9)


def test_members_that_do_not_know_the_user_or_the_item() -> None:
    without_user = cf.Baseline().fit(RATINGS.subset(RATINGS.users != USER))
    kept = RATINGS.items != ITEM
    without_item = cf.SVDpp(n_factors=3, n_epochs=2, random_state=0).fit(
        cf.Ratings(RATINGS.users[kept], RATINGS.items[kept], RATINGS.values[kept])
    )
    members = [without_user, without_item, cf.ItemKNN().fit(RATINGS)]
    blend = cf.Blend(members, cv="prefit", method="mean").fit()
    for given in (None, RATINGS.subset(RATINGS.users == USER)):
        found = blend.explain(USER, ITEM, None, given=given)
        assert set(found.items.tolist()) == set(MINE)
        assert found.base + found.effects.sum() + found.others == pytest.approx(found.score)
        assert not np.isnan(found.ratings).any()


@pytest.mark.parametrize("max_items", [None, 12])
def test_ease_lists_the_terms_of_its_score(max_items: int | None) -> None:
    model = cf.EASE(max_items=max_items).fit(RATINGS)
    weighted = model.item_ids_ if max_items is None else model.item_ids_[model.weighted_items_]
    (listed,), (score,) = model.recommend(USER, 1, items=weighted)
    found = model.explain(USER, listed, None)
    assert (found.by, found.exact, found.base, found.others) == ("preference", True, 0, 0)
    assert found.effects.sum() == pytest.approx(found.score, abs=1e-6)
    assert found.score == pytest.approx(score)
    place = dict(zip(weighted.tolist(), range(len(weighted)), strict=True))
    for rated, effect in effects_of(found).items():
        weight = model.item_weights_[place[rated], place[listed]] if rated in place else 0.0
        assert effect == pytest.approx(MINE[rated] / 5 * weight, abs=1e-6)
    if max_items is not None:
        last = np.setdiff1d(model.item_ids_, weighted)[0]
        found = model.explain(USER, last, None)
        assert not found.exact
        assert found.base + found.effects.sum() + found.others == pytest.approx(found.score)


def test_a_ranker_weighs_the_terms_of_its_chooser() -> None:
    model = cf.Ranker(cf.EASE(), cf.Baseline()).fit(RATINGS)
    (listed, *_), (score_, *_) = model.recommend(USER, 2)
    found = model.explain(USER, listed, None)
    chooser, rater = model.members_
    of_choice = chooser.explain(USER, listed, None)
    assert found.exact
    assert found.score == pytest.approx(score_, abs=1e-6)
    assert list(found.members) == ["chooser", "rater"]
    assert found.members["chooser"] == pytest.approx(of_choice.score, abs=1e-6)
    assert found.members["chooser"] * found.members["rater"] == pytest.approx(found.score)
    worth = found.members["rater"]
    expected = {rated: worth * effect for rated, effect in effects_of(of_choice).items()}
    assert effects_of(found) == pytest.approx(expected, abs=1e-9)
    rating = model.explain(USER, listed, None, by="rating")
    assert effects_of(rating) == effects_of(rater.explain(USER, listed, None))
    by_leaving_out = model.explain(USER, listed, None, leave_one_out=True)
    assert not by_leaving_out.exact
    total = by_leaving_out.base + by_leaving_out.effects.sum() + by_leaving_out.others
    assert total == pytest.approx(found.score)


@pytest.mark.parametrize("by", ["rating", "preference"])
@pytest.mark.parametrize("blended", [False, True])
def test_what_only_the_fit_found_is_apart_from_joint_effects(blended: bool, by: str) -> None:
    model = cf.SVD(n_factors=8, n_epochs=10, random_state=0)
    model = cf.Blend([model, cf.Baseline()], cv=2, random_state=0) if blended else model
    model.fit(RATINGS)
    found = model.explain(USER, ITEM, 3, by=by)
    given = model.explain(USER, ITEM, 3, given=RATINGS.subset(RATINGS.users == USER), by=by)
    assert found.training == pytest.approx(found.score - given.score, abs=1e-6)
    assert abs(found.training) > 3e-4
    assert given.training == 0
    for one, last in ((found, "the fit, beyond these ratings"), (given, "joint effects")):
        sizes, words = zip(*one.rows(), strict=True)
        assert sum(sizes) == pytest.approx(one.score, abs=1e-9)
        assert words[-1].endswith(last)
        assert "joint effects" in words[-2 if one is found else -1]
        assert words[-1] in one.summary()


@pytest.mark.parametrize("ids", [int, str])
def test_frames_are_named_after_the_columns_of_training(ids: type) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {"userId": RATINGS.users.astype(ids), "movieId": RATINGS.items.astype(ids), "stars": RATINGS.values}
    )
    model = cf.ItemKNN().fit(cf.Ratings.from_frame(frame, rating="stars"))
    user, item = ids(USER), ids(ITEM)
    one = model.explain(user, item, 3)
    columns = ["userId", "movieId", "rated_movieId", "stars", "effect", "rank"]
    assert list(one.to_frame("pandas").columns) == columns
    listed, _ = model.recommend(user, 4)
    many = model.explain(user, listed, 2, as_frame="pandas")
    assert list(many.columns) == columns
    assert many["movieId"].tolist() == np.repeat(listed, 2).tolist()
    assert many["rank"].tolist() == [1, 2] * 4
    each = model.explain(user, listed, 2)
    np.testing.assert_array_equal(many["effect"], np.concatenate([found.effects for found in each]))
    assert set(many["userId"]) == {user}
    for library in ("polars", "pyarrow"):
        assert len(model.explain(user, item, 3, as_frame=library)) == 3
    assert len(model.explain(user, [], as_frame="pandas")) == 0
    assert model.explain(user, []) == []


def test_text_and_html_have_the_parts() -> None:
    model = cf.Baseline().fit(RATINGS)
    found = model.explain(USER, ITEM, 2)
    text = str(found)
    assert text.splitlines()[0] == f"rating {found.score:.2f}: item {ITEM} for user {USER} (Baseline)"
    assert f"item {found.items[0]}, rated {found.ratings[0]:g}" in text
    assert f"{len(MINE) - 2} further ratings" in text
    assert len(text.splitlines()) == 5
    html = notebook.shown(found)
    assert "<table>" in html
    assert f"{found.effects[0]:+.2f}" in html
    left_out = model.explain(USER, ITEM, 2, leave_one_out=True)
    assert "by leaving one rating out" in str(left_out)
    assert repr(pickle.loads(pickle.dumps(found))) == text
    ids, effects = found
    assert ids is found.items
    assert effects is found[1]
    with pytest.raises(AttributeError):
        found.score = 3.0


def test_a_time_is_that_of_the_prediction() -> None:
    model = cf.TimeSVDpp(n_factors=3, n_epochs=3, random_state=0).fit(RATINGS)
    day = int(RATINGS.timestamps[RATINGS.users == USER][0])
    found = model.explain(USER, ITEM, None, timestamps=day)
    assert found.score == pytest.approx(score(model, np.array([day])))
    assert found.score != model.explain(USER, ITEM, None).score
    assert found.base + found.effects.sum() == pytest.approx(found.score)


def test_users_with_many_ratings_are_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = cf.SVD(n_factors=3, n_epochs=3, random_state=0).fit(RATINGS)
    together = model.explain(USER, [ITEM, int(RATINGS.item_ids[4])], None)
    monkeypatch.setattr("cfcore.models.core.explaining.BATCH", 3 * len(MINE))
    in_parts = model.explain(USER, [ITEM, int(RATINGS.item_ids[4])], None)
    for one, other in zip(together, in_parts, strict=True):
        np.testing.assert_array_equal(one.items, other.items)
        np.testing.assert_allclose(one.effects, other.effects, atol=1e-12)
