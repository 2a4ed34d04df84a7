"""`BayesianSVD` with features: effects are recovered, the cold are predicted, the same bits for all forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

import cfcore as cf

FEW: dict[str, Any] = {"n_factors": 2, "n_samples": 60, "burn_in": 40, "random_state": 0, "n_threads": 1}
GENRES = ("Comedy", "Drama", "Horror", "War")
#: Effects of the simulation on items' biases.
EFFECTS = np.array([0.5, 0.9, -0.8, 0.0])


class Simulated(NamedTuple):
    """Ratings in which genres shift biases, and in which young users like Horror and the old like War."""

    ratings: cf.Ratings
    users: dict[str, Any]
    items: dict[str, Any]


def simulated(n_users: int = 160, n_items: int = 90, per_user: int = 25, seed: int = 0) -> Simulated:
    rng = np.random.default_rng(seed)
    old = np.arange(n_users) % 2 == 0
    genres = rng.random((n_items, 4)) < 0.4
    bias = genres @ EFFECTS + rng.normal(0, 0.15, n_items)
    rows, columns = [], []
    for user in range(n_users):
        columns.append(rng.choice(n_items, per_user, replace=False))
        rows.append(np.full(per_user, user))
    u, i = np.concatenate(rows), np.concatenate(columns)
    taste = np.where(old[u], 1, -1) * (genres[i, 3] * 1.0 - genres[i, 2] * 1.0)
    values = 3 + rng.normal(0, 0.2, n_users)[u] + bias[i] + 0.8 * taste + rng.normal(0, 0.4, len(u))
    users = {"user": np.arange(n_users) + 100, "group": np.where(old, "old", "young").tolist()}
    lists = [[name for name, own in zip(GENRES, row, strict=True) if own] for row in genres]
    items = {"item": [f"i{at}" for at in range(n_items)], "genres": lists}
    ratings = cf.Ratings(u + 100, np.array(items["item"])[i], values)
    return Simulated(ratings, users, items)


@pytest.fixture(scope="module")
def data() -> Simulated:
    return simulated()


@pytest.fixture(scope="module")
def fitted(data: Simulated) -> cf.BayesianSVD:
    return cf.BayesianSVD(**FEW).fit(data.ratings, user_features=data.users, item_features=data.items)


def without(ratings: cf.Ratings, user: int | None = None, items: Any = ()) -> tuple[cf.Ratings, cf.Ratings]:
    """Ratings without those of some users or items, and these."""
    held = np.isin(ratings.items, np.array(list(items), dtype=ratings.item_ids.dtype))
    if user is not None:
        held |= ratings.users >= user
    return ratings.subset(~held), ratings.subset(held)


def test_effects_on_biases_are_recovered(data: Simulated, fitted: cf.BayesianSVD) -> None:
    assert fitted.item_feature_names_ == tuple(f"genres={name}" for name in GENRES)
    assert fitted.user_feature_names_ == ("group=old", "group=young")
    np.testing.assert_allclose(fitted.item_feature_effects_[:-1], EFFECTS, atol=0.25)
    # Parts of an effect may be in the mean of the users' rows; the whole is that for an unknown user.
    films = {"item": [*GENRES, "none"], "genres": [*([name] for name in GENRES), []]}
    found = fitted.predict([0] * 5, films["item"], item_features=films)
    np.testing.assert_allclose(found[:4] - found[4], EFFECTS, atol=0.2)


def test_tastes_of_groups_are_recovered(fitted: cf.BayesianSVD) -> None:
    """By features alone, the old like films of War by about 1.6 more than the young do."""
    new = {"user": [1, 2], "group": ["old", "young"]}
    films = {"item": ["war", "horror"], "genres": [["War"], ["Horror"]]}
    old, young = (fitted.predict([user] * 2, ["war", "horror"], user_features=new, item_features=films)
                  for user in (1, 2))  # fmt: skip
    np.testing.assert_allclose(old - young, [1.6, -1.6], atol=0.5)


def test_cold_items_and_users_are_predicted_better_than_without(data: Simulated) -> None:
    train, test = without(data.ratings, user=230, items=[f"i{at}" for at in range(20)])
    plain = cf.BayesianSVD(**FEW).fit(train)
    model = cf.BayesianSVD(**FEW).fit(train, user_features=data.users, item_features=data.items)
    errors = [float(cf.metrics.rmse(test.values, each.predict(test))) for each in (plain, model)]
    assert errors[1] < 0.7 * errors[0]
    assert model.knows(250, "i3")
    assert not plain.knows(250, "i3")
    assert 250 not in model.known_users_.tolist()
    # Only the features of the items are known after the fit: the same, to some noise of the samples.
    later = cf.BayesianSVD(**FEW).fit(
        train,
        user_features=data.users,
        item_features={name: column[20:] for name, column in data.items.items()},
    )
    answers = later.predict(test, item_features=data.items)
    assert float(cf.metrics.rmse(test.values, answers)) < 0.72 * errors[0]
    assert not later.knows(items="i3")
    listed = later.recommend(250, 90, item_features=data.items)[0]
    assert {f"i{at}" for at in range(20)} <= set(listed.tolist())
    assert "i3" not in later.recommend(250, 90)[0].tolist()
    assert "i3" not in later.recommend(250, 90, item_features=data.items, min_support=1)[0].tolist()


def test_forms_threads_and_files_have_the_same_bits(
    data: Simulated, fitted: cf.BayesianSVD, tmp_path: Path
) -> None:
    rows = np.random.default_rng(1).permutation(len(data.users["user"]))
    encoded = cf.Features(data.users)
    for users in (
        pd.DataFrame(data.users).iloc[rows], pl.DataFrame(data.users)[rows.tolist()], encoded,
        (encoded.to_scipy(), encoded.ids), (sp.coo_matrix(encoded.to_scipy()), encoded.ids),
    ):  # fmt: skip
        model = cf.BayesianSVD(**(FEW | {"n_threads": 2})).fit(
            data.ratings, user_features=users, item_features=pd.DataFrame(data.items).set_index("item")
        )
        np.testing.assert_array_equal(model.user_factors_, fitted.user_factors_)
        np.testing.assert_array_equal(model.item_feature_effects_, fitted.item_feature_effects_)
    fitted.save(tmp_path / "model.cf")
    loaded = cf.load(tmp_path / "model.cf")
    new = {"user": [1], "group": ["old"]}
    assert loaded.user_feature_names_ == fitted.user_feature_names_
    assert loaded.predict(1, "i3", user_features=new) == fitted.predict(1, "i3", user_features=new)


def test_a_fit_goes_on_from_a_checkpoint_to_the_same_bits(
    data: Simulated, fitted: cf.BayesianSVD, tmp_path: Path
) -> None:
    sides = {"user_features": data.users, "item_features": data.items}
    path = tmp_path / "fit.ckpt"

    def stop(epochs: int, history: Any) -> None:
        if epochs == 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cf.BayesianSVD(**FEW).fit(data.ratings, **sides, checkpoint=path, callback=stop)
    other = {**sides, "item_features": {**data.items, "genres": data.items["genres"][::-1]}}
    with pytest.raises(cf.DataError, match="item_features given to fit"):
        cf.BayesianSVD(**FEW).fit(data.ratings, **other, checkpoint=path)
    model = cf.BayesianSVD(**FEW).fit(data.ratings, **sides, checkpoint=path)
    np.testing.assert_array_equal(model.item_factors_, fitted.item_factors_)
    np.testing.assert_array_equal(model.user_feature_factors_, fitted.user_feature_factors_)


def test_a_model_of_further_rows_leaves_others_as_they_are(data: Simulated, fitted: cf.BayesianSVD) -> None:
    new = {"user": [7, 120, 900], "group": ["old", "young", "young"]}
    wider = fitted.with_features(new, {"item": ["a", "i3", "z"], "genres": [["War"], [], ["Drama"]]})
    np.testing.assert_array_equal(wider.predict(data.ratings), fitted.predict(data.ratings))
    seen = fitted.recommend(120, 5)
    np.testing.assert_array_equal(wider.recommend(120, 5, items=fitted.item_ids_)[0], seen[0])
    assert wider.knows([7, 900], ["a", "z"]).all()
    assert not fitted.knows(7)
    assert wider.with_features({"user": [7], "group": ["young"]}).predict(7, "a") != wider.predict(7, "a")


def test_rows_without_features_are_said_and_fitted_without(data: Simulated) -> None:
    few = {name: column[:150] for name, column in data.users.items()}
    with pytest.warns(cf.errors.DataWarning, match=r"user_features: 10 of 160 rated ids.*the first is 250"):
        model = cf.BayesianSVD(**FEW).fit(data.ratings, user_features=few)
    assert model.knows(255)
    assert np.isfinite(model.predict(data.ratings)).all()
    assert model.item_feature_names_ == ()


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"user": ["a", "b"], "x": [1, 2]}, r"user_features: its ids are strings .* of the ratings integers"),
        (
            {"user": [1, 2], "x": [1, 2]},
            "none of its 2 ids .such as 1. has ratings, whose ids are such as 100",
        ),
        ({"user": [100, 100], "x": [1, 2]}, "user_features: row 1 repeats the id of row 0"),
    ],
)
def test_refusals_of_a_fit(data: Simulated, features: Any, message: str) -> None:
    with pytest.raises(cf.DataError, match=message):
        cf.BayesianSVD(**FEW).fit(data.ratings, user_features=features)


def test_refusals_of_predictions(data: Simulated, fitted: cf.BayesianSVD) -> None:
    plain = cf.BayesianSVD(**(FEW | {"n_samples": 2, "burn_in": 1})).fit(data.ratings)
    with pytest.raises(cf.DataError, match="this BayesianSVD was fitted without"):
        plain.predict(1, "i3", user_features={"user": [1], "group": ["old"]})
    with pytest.raises(cf.DataError, match="user_features: there is no column 'group'"):
        fitted.predict(1, "i3", user_features={"user": [1], "age": [3]})
    with pytest.raises(cf.DataError, match="the users of this model have the others"):
        fitted.predict(1, "i3", user_features={"user": ["x"], "group": ["old"]})


def test_validation_counts_those_known_by_features(data: Simulated) -> None:
    train, test = without(data.ratings, user=240)
    model = cf.BayesianSVD(**FEW).fit(
        train, validation=test, user_features=data.users, item_features=data.items
    )
    found = model.history_["validation_rmse"][-1]
    assert found == pytest.approx(float(cf.metrics.rmse(test.values, model.predict(test))), abs=2e-3)


def test_features_count_beside_ratings_given_with_a_question(data: Simulated, fitted: Any) -> None:
    war, horror = "i" + str(_only(data, "War")), "i" + str(_only(data, "Horror"))
    new = {"user": [900, 901], "group": ["old", "young"]}
    given = ([900, 901], ["i0", "i0"], [3.0, 3.0])
    for asked in ((war, 1), (horror, -1)):
        old, young = fitted.predict([900, 901], [asked[0]] * 2, given=given, user_features=new)
        assert asked[1] * (old - young) > 0.5
        old, young = fitted.predict([900, 901], [asked[0]] * 2, given=given)
        assert old == young
    # Features and no ratings: as without given=.
    np.testing.assert_allclose(
        fitted.for_users(([900], ["i0"], [3.0])).predict([901], [war]), fitted.predict([999], [war])
    )
    # Many ratings: as the fit that had them.
    own = data.ratings.subset(data.ratings.users < 110)
    pairs = own.users, own.items
    assert np.corrcoef(fitted.predict(*pairs), fitted.predict(*pairs, given=own))[0, 1] > 0.98


def test_a_session_has_no_features_of_a_user_of_the_same_id(data: Simulated) -> None:
    users = {**data.users, "user": np.arange(160)}  # one of them is 0
    ratings = cf.Ratings(data.ratings.users - 100, data.ratings.items, data.ratings.values)
    model = cf.BayesianSVD(**FEW).fit(ratings, user_features=users)
    session = {"i0": 3.0, "i5": 2.0}
    unknown = model.predict([-5], ["i7"], given=([-5, -5], list(session), list(session.values())))
    assert model.predict(["i7"], given=session) == unknown
    assert model.predict(["i7"], given=session, return_std=True)[0] == unknown
    assert "i7" in str(model.explain(0, "i7"))


def _only(data: Simulated, genre: str) -> int:
    return data.items["genres"].index([genre])


def test_numbers_far_beyond_those_of_the_fit_are_refused(data: Simulated) -> None:
    users = {"user": data.users["user"], "age": np.arange(160) % 50}
    model = cf.BayesianSVD(**FEW).fit(data.ratings, user_features=users)
    with pytest.raises(cf.DataError, match=r"user_features: 'age' of id 901 is 6.*e\+298"):
        model.predict([900], ["i0"], user_features={"user": [900, 901], "age": [3, 1e300]})
    assert np.isfinite(model.predict([900], ["i0"], user_features={"user": [900], "age": [1e9]}))


def test_ids_in_a_numbered_index_with_a_name() -> None:
    # Pandas keeps consecutive ids as a range.
    frame = pd.DataFrame({"user": np.arange(3, 6), "age": [1, 2, 3]}).set_index("user")
    assert cf.Features(frame).ids.tolist() == [3, 4, 5]


def test_columns_of_the_same_name_are_refused() -> None:
    frame = pd.DataFrame({"user": [1, 2], "age": [3, 4]})
    with pytest.raises(cf.DataError, match="there are 2 columns 'age'; rename or drop"):
        cf.Features(pd.concat([frame, frame[["age"]]], axis=1))
