"""Scores of LensKit's components are those of the models: known and cold users, options, seeds, pickles."""

from __future__ import annotations

import io
import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lenskit import batch, operations
from lenskit.data import Dataset, DatasetBuilder, ItemList, RecQuery, from_interactions_df
from lenskit.pipeline import Pipeline, predict_pipeline, topn_pipeline
from lenskit.training import TrainingOptions

import cfcore as cf
from cfcore import lenskit as lk

DRAWN = cf.datasets.synthetic(80, 60, 2000, random_state=0)
# LensKit orders ratings by user and item, and fits by SGD depend on the order.
ORDER = np.lexsort((DRAWN.items, DRAWN.users))
RATINGS = cf.Ratings(DRAWN.users[ORDER], DRAWN.items[ORDER], DRAWN.values[ORDER], scale=DRAWN.scale)
FRAME = pd.DataFrame(
    {
        "user_id": RATINGS.users,
        "item_id": RATINGS.items,
        "rating": RATINGS.values,
        "timestamp": pd.to_datetime(880_000_000 + 40_000 * np.arange(len(RATINGS)), unit="s").astype(
            "datetime64[s]"
        ),
    }
)
DATA = from_interactions_df(FRAME)
TIMES = 880_000_000 + 40_000 * np.arange(len(RATINGS))
TRAIN = cf.Ratings(RATINGS.users, RATINGS.items, RATINGS.values, TIMES)
ITEMS = np.unique(RATINGS.items)
USER = int(RATINGS.users[0])
FEW = {"n_epochs": 4, "random_state": 0}
SVD = cf.SVD(n_factors=4, **FEW)
MODELS = [
    cf.GlobalMean(), cf.Baseline(), cf.ItemKNN(), cf.UserKNN(), SVD, cf.SVDpp(n_factors=4, **FEW),
    cf.TimeSVDpp(n_factors=4, **FEW), cf.AsymmetricSVD(n_factors=4, **FEW), cf.ALS(n_factors=4, **FEW),
    cf.BayesianSVD(n_factors=2, n_samples=6, burn_in=2, n_kept=2, random_state=0), cf.RBM(n_hidden=4, **FEW),
    cf.Popularity(), cf.EASE(), cf.Blend([cf.Baseline(), SVD], random_state=0),
    cf.Ranker(cf.EASE(), SVD, random_state=0),
]  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore:.*R-hat", "ignore::cfcore.DataWarning")


def trained(model: Any, data: Dataset = DATA, **options: Any) -> lk.CFScorer:
    scorer = lk.CFScorer(model=model, **options)
    scorer.train(data, TrainingOptions())
    return scorer


def scores(scorer: Any, query: Any, items: Any = ITEMS) -> np.ndarray:
    return scorer(query, ItemList(items)).scores()


def history(user: int, shift: float = 0.0) -> tuple[ItemList, dict[int, float]]:
    """Ratings of a user, as LensKit has them and as a dict."""
    own = FRAME[FRAME["user_id"] == user]
    values = np.clip(own["rating"].to_numpy() + shift, *RATINGS.scale)
    return ItemList(own["item_id"].to_numpy(), rating=values), dict(zip(own["item_id"], values, strict=True))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_scores_are_predictions(model: cf.Model) -> None:
    fitted = model.clone().fit(TRAIN)
    ask = fitted.predict if fitted.ranks_by == "rating" else fitted.preference
    scorer = trained(model)
    np.testing.assert_allclose(scores(scorer, USER), ask([USER] * len(ITEMS), ITEMS), rtol=1e-6)
    own, ratings = history(USER, shift=0.5)
    cold = scores(scorer, RecQuery(history_items=own))
    np.testing.assert_allclose(cold, ask(ITEMS, given=ratings), rtol=1e-5)
    of_unknown = scores(scorer, USER, [ITEMS[0], -7])[1]
    assert np.isnan(of_unknown) == (type(model) not in (cf.GlobalMean, cf.Baseline, cf.Popularity))


def test_each_model_has_a_scorer() -> None:
    for model in MODELS:
        name = type(model).__name__
        config = getattr(lk, f"{name}Config")
        scorer = getattr(lk, f"{name}Scorer")(config())
        assert scorer.config_class() is config
        own = scorer.make_model()
        assert type(own) is type(model)
        if name not in ("Blend", "Ranker"):
            assert own.get_params() == type(model)().get_params()
    for given in ("SVDpp", "svdpp", cf.SVDpp, {"class": "SVDpp", "params": {}}):
        assert type(lk.CFScorer(model=given).make_model()) is cf.SVDpp
    assert lk.SVDScorer(embedding_size=7, epochs=3).make_model().get_params()["n_factors"] == 7
    for wrong in ({"n_factors": "many"}, {"factors": 3}, {"history": "sometimes"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            lk.SVDScorer(**wrong)
    for make in (
        lambda **params: lk.SVDScorer(**params),
        lambda **params: lk.CFScorer(model=cf.SVD(**params)),
    ):
        with pytest.raises(ValueError, match="n_factors must be >= 0, not -3"):
            make(n_factors=-3)
    with pytest.raises(cf.NotFittedError, match="SVDScorer is not trained"):
        scores(lk.SVDScorer(), USER)
    with pytest.raises(ValueError, match="there is no model 'SVM'"):
        lk.CFScorer(model="SVM")


def test_options() -> None:
    fitted = SVD.clone().fit(TRAIN)
    pairs = [USER] * len(ITEMS), ITEMS
    by = trained(SVD, rank_by="preference")
    np.testing.assert_allclose(scores(by, USER), fitted.preference(*pairs), rtol=1e-6)
    codes = fitted.encode_users(pairs[0]), fitted.encode_items(pairs[1])
    np.testing.assert_allclose(scores(trained(SVD, clip=False), USER), fitted.score_codes(*codes), rtol=1e-6)
    falls_back = trained(SVD, unknown="fallback")
    np.testing.assert_allclose(
        scores(falls_back, USER, [ITEMS[0], -7]), fitted.predict([USER] * 2, [ITEMS[0], -7]), rtol=1e-6
    )
    np.testing.assert_allclose(scores(falls_back, -1), fitted.predict([-1] * len(ITEMS), ITEMS), rtol=1e-6)
    assert np.isnan(scores(trained(SVD), -1)).all()
    assert np.isnan(scores(trained(SVD), RecQuery())).all()
    assert np.isnan(scores(trained(cf.Baseline(), unknown="nan"), -1)).all()
    assert trained(SVD, scale=(0, 10)).model.scale_ == (0, 10)


def test_when_a_history_counts() -> None:
    same, _ = history(USER)
    other, ratings = history(USER, shift=0.5)
    fitted = SVD.clone().fit(TRAIN)
    known = fitted.predict([USER] * len(ITEMS), ITEMS)
    given = fitted.predict(ITEMS, given=ratings)
    assert abs(known - given).max() > 0.01
    for when, of_same, of_other in (
        ("auto", known, given), ("cold", known, known), ("never", known, known),
    ):  # fmt: skip
        scorer = trained(SVD, history=when)
        for items, expected in ((same, of_same), (other, of_other), (None, known)):
            found = scores(scorer, RecQuery(user_id=USER, history_items=items))
            np.testing.assert_allclose(found, expected, rtol=1e-5)
    always = trained(SVD, history="always")
    found = scores(always, RecQuery(user_id=USER, history_items=same))
    np.testing.assert_allclose(found, fitted.predict(ITEMS, given=history(USER)[1]), rtol=1e-5)
    assert np.isnan(scores(trained(SVD, history="never"), RecQuery(history_items=other))).all()
    # A history without ratings tells a model of ratings nothing, and one for lists who chose what.
    plain = ItemList(other.ids())
    np.testing.assert_allclose(
        scores(trained(SVD), RecQuery(user_id=USER, history_items=plain)), known, rtol=1e-5
    )
    assert np.isfinite(scores(trained(cf.EASE()), RecQuery(history_items=plain))).all()
    # Unknown items of a history are left out, and items of the session come first.
    more = ItemList([*other.ids(), -5], rating=[*other.field("rating"), 3.0])
    query = RecQuery(history_items=same, session_items=more)
    np.testing.assert_allclose(scores(trained(SVD), query), given, rtol=1e-5)
    low = ItemList(ITEMS[:1], rating=[-3.0])
    with pytest.raises(
        cf.DataError, match=r"is -3, and the scale .* CFScorer\(scale=\(low, high\), ...\) makes"
    ):
        scores(trained(SVD), RecQuery(history_items=low))
    with pytest.raises(cf.DataError, match="is inf, and the scale"):
        scores(trained(SVD), RecQuery(history_items=ItemList(ITEMS[:1], rating=[np.inf])))
    # An item without a rating tells as little as one that is not there.
    unrated = ItemList(ITEMS[:2], rating=[4.0, np.nan])
    alone = ItemList(ITEMS[:1], rating=[4.0])
    np.testing.assert_array_equal(
        scores(trained(SVD), RecQuery(history_items=unrated)),
        scores(trained(SVD), RecQuery(history_items=alone)),
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_ratings_that_are_no_numbers_are_named(value: float) -> None:
    frame = FRAME.copy()
    frame.loc[7, "rating"] = value
    user, item = frame.loc[7, ["user_id", "item_id"]].astype(int)
    with pytest.raises(cf.DataError, match=f"1 of the ratings .* {value}, of user {user} and item {item};"):
        trained(SVD, from_interactions_df(frame))


def test_seeds() -> None:
    plain = cf.SVD(n_factors=4, n_epochs=2)

    def of(model: cf.Model, **options: Any) -> np.ndarray:
        scorer = lk.CFScorer(model=model)
        scorer.train(DATA, TrainingOptions(**options))
        return scores(scorer, USER)

    np.testing.assert_array_equal(of(plain, rng=5), of(plain, rng=5))
    assert not np.array_equal(of(plain, rng=5), of(plain, rng=6))
    np.testing.assert_array_equal(of(SVD), of(SVD))
    assert not np.array_equal(of(SVD, rng=5), of(SVD, rng=6))
    np.testing.assert_array_equal(
        of(plain, rng=np.random.SeedSequence(3)),
        of(plain, rng=np.random.default_rng(np.random.SeedSequence(3))),
    )
    blend = cf.Blend([cf.SVD(n_factors=2, n_epochs=2), cf.Baseline()], cv=2)
    np.testing.assert_array_equal(of(blend, rng=5), of(blend, rng=5))
    found = []
    for _ in range(2):
        pipeline = predict_pipeline(lk.CFScorer(plain), fallback=False)
        pipeline.train(DATA, TrainingOptions(rng=7))
        found.append(operations.score(pipeline, USER, ItemList(ITEMS)).scores())
    np.testing.assert_array_equal(*found)


def test_retraining() -> None:
    scorer = lk.SVDScorer(n_factors=2, n_epochs=2)
    assert not scorer.is_trained()
    scorer.train(DATA, TrainingOptions(rng=1))
    model = scorer.model
    scorer.train(DATA, TrainingOptions(retrain=False, rng=2))
    assert scorer.model is model
    scorer.train(DATA, TrainingOptions(rng=2))
    assert scorer.model is not model
    assert scorer.is_trained()


def test_pickles_and_configurations() -> None:
    pipeline = topn_pipeline(lk.CFScorer(model=cf.Blend([cf.Baseline(), SVD], random_state=0)), n=5)
    pipeline.train(DATA)
    lists = operations.recommend(pipeline, USER)
    restored = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(operations.recommend(restored, USER).ids(), lists.ids())
    anew = Pipeline.from_config(json.loads(pipeline.config.model_dump_json()))
    anew.train(DATA)
    np.testing.assert_array_equal(operations.recommend(anew, USER).ids(), lists.ids())
    for clone in (pipeline.clone(), Pipeline.from_config(pipeline.config)):
        assert not clone.component("scorer").is_trained()


def test_many_processes() -> None:
    pipeline = topn_pipeline(lk.ItemKNNScorer(rank_by="preference"), n=5)
    pipeline.train(DATA)
    users = np.unique(RATINGS.users)[:6].tolist()
    alone, many = (batch.recommend(pipeline, users, n_jobs=n_jobs) for n_jobs in (1, 2))
    for user in users:
        np.testing.assert_array_equal(alone.lookup(user).ids(), many.lookup(user).ids())
        expected, _ = cf.ItemKNN().fit(TRAIN).recommend(user, 5, by="preference")
        np.testing.assert_array_equal(alone.lookup(user).ids(), expected)


def test_a_model_of_a_file() -> None:
    file = io.BytesIO()
    SVD.clone().fit(TRAIN).save(file)
    file.seek(0)
    scorer = lk.CFScorer.of(cf.load(file), unknown="fallback")
    np.testing.assert_array_equal(scores(scorer, USER), scores(trained(SVD), USER))
    again = io.BytesIO()
    trained(SVD).model.save(again)
    again.seek(0)
    np.testing.assert_array_equal(cf.load(again).predict(USER, ITEMS).astype("f4"), scores(scorer, USER))


# ---------------------------------------------------------------------- data


def test_repeated_interactions_and_strings() -> None:
    again = FRAME.iloc[:50].assign(rating=1.0, timestamp=FRAME["timestamp"].max() + pd.Timedelta("1D"))
    frame = pd.concat([again, FRAME], ignore_index=True)
    names = frame.assign(
        user_id="u" + frame["user_id"].astype(str), item_id="i" + frame["item_id"].astype(str)
    )
    latest = RATINGS.values.copy()
    latest[:50] = 1.0
    expected = SVD.clone().fit(cf.Ratings(RATINGS.users, RATINGS.items, latest)).predict(USER, ITEMS)
    builder = DatasetBuilder()
    builder.add_interactions(
        "rating", frame, entities=["user", "item"], missing="insert", allow_repeats=True, default=True
    )
    np.testing.assert_allclose(scores(trained(SVD, builder.build()), USER), expected, atol=0.2)
    assert trained(SVD, builder.build()).model.mean_ == pytest.approx(latest.mean())
    text = DatasetBuilder()
    text.add_interactions(
        "rating", names, entities=["user", "item"], missing="insert", allow_repeats=True, default=True
    )
    scorer = trained(SVD, text.build())
    found = scores(scorer, f"u{USER}", [f"i{item}" for item in ITEMS])
    assert np.isfinite(found).all()
    assert np.isnan(scores(scorer, "nobody", ["i1"])).all()
    own, _ = history(USER)
    cold = RecQuery(history_items=ItemList([f"i{item}" for item in own.ids()], rating=own.field("rating")))
    assert np.isfinite(scores(scorer, cold, [f"i{item}" for item in ITEMS])).all()
    # LensKit's command line has ids as text.
    np.testing.assert_array_equal(scores(trained(SVD), str(USER)), scores(trained(SVD), USER))
    assert np.isnan(scores(trained(SVD), "nobody")).all()


def test_interactions_without_ratings() -> None:
    data = from_interactions_df(FRAME[["user_id", "item_id"]])
    ones = cf.Ratings(RATINGS.users, RATINGS.items, np.ones(len(RATINGS)), scale=(0, 1))
    for model in (cf.EASE(), cf.Popularity()):
        expected = model.clone().fit(ones).preference([USER] * len(ITEMS), ITEMS)
        np.testing.assert_allclose(scores(trained(model, data), USER), expected, rtol=1e-6)
    with pytest.raises(cf.DataError, match=r"have no ratings, which SVD predicts; .* EASE or Popularity"):
        trained(SVD, data)
    plain = ItemList(history(USER)[0].ids())
    assert np.isfinite(scores(trained(cf.EASE(), data), RecQuery(history_items=plain))).all()


def test_times() -> None:
    from datetime import UTC, datetime

    model = cf.TimeSVDpp(n_factors=2, **FEW)
    scorer, fitted = trained(model), model.clone().fit(TRAIN)
    at = int(TIMES[0])
    query = RecQuery(user_id=USER)
    query.query_time = datetime.fromtimestamp(at, UTC)
    expected = fitted.predict([USER] * len(ITEMS), ITEMS, [at] * len(ITEMS))
    np.testing.assert_allclose(scores(scorer, query), expected, rtol=1e-6)
    assert abs(scores(scorer, USER) - expected).max() > 1e-4
    own = FRAME[FRAME["user_id"] == USER]
    timed = ItemList(
        own["item_id"].to_numpy(), rating=own["rating"].to_numpy(), timestamp=own["timestamp"].to_numpy()
    )
    rows = [10**6] * len(own), own["item_id"], own["rating"], TIMES[FRAME["user_id"] == USER]
    cold = fitted.predict([10**6] * len(ITEMS), ITEMS, timestamps=False, given=rows)
    np.testing.assert_allclose(scores(scorer, RecQuery(history_items=timed)), cold, rtol=1e-5)


def test_attributes_are_features() -> None:
    genres = [["Drama"] if item % 3 else ["War", "Drama"] for item in ITEMS]
    builder = DatasetBuilder(DATA)
    builder.add_entities("item", [900])
    builder.add_list_attribute("item", "genres", [*ITEMS, 900], [*genres, ["War"]])
    builder.add_scalar_attribute("item", "year", [*ITEMS, 900], [*(1950 + ITEMS % 7), 1953])
    model = cf.BayesianSVD(n_factors=2, n_samples=6, burn_in=2, n_kept=2, random_state=0)
    table = {"item": [*ITEMS, 900], "genres": [*genres, ["War"]], "year": [*(1950 + ITEMS % 7), 1953]}
    fitted = model.clone().fit(TRAIN, item_features=table)
    scorer = trained(model, builder.build(), item_features=["genres", "year"])
    some = [*ITEMS, 900]
    expected = fitted.predict([USER] * len(some), some, timestamps=False)
    np.testing.assert_allclose(scores(scorer, USER, some), expected, rtol=1e-5)
    with pytest.raises(cf.DataError, match="item_features: the items have no attribute 'genre'; there are"):
        trained(model, builder.build(), item_features=["genre"])


def test_a_model_of_ones_own() -> None:
    class Mine(cf.Model):
        def __init__(self, *, plus: float = 0.5) -> None:
            self.plus = plus

        def _fit(self, train: Any, context: Any) -> Any:
            return context.state()

        def _score(self, users: Any, items: Any, timestamps: Any) -> Any:
            return np.full(len(users), self.mean_ + self.plus)

    scorer = trained(Mine(plus=0.25))
    np.testing.assert_allclose(scores(scorer, USER), RATINGS.values.mean() + 0.25)
    anew = lk.CFScorer(lk.CFScorer.validate_config(json.loads(json.dumps(scorer.dump_config()))))
    assert anew.make_model().get_params() == {"plus": 0.25}
