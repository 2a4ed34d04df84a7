"""RatingRegressor: weights, times and features, as columns and as metadata; transform and set_output."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

import cfcore as cf
from cfcore.sklearn import RatingRegressor

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

RATINGS = cf.datasets.synthetic(40, 30, 500, random_state=0)
USERS, ITEMS, Y = RATINGS.users, RATINGS.items, RATINGS.values.astype(np.float64)
X = np.column_stack([USERS, ITEMS])
FRAME = pandas.DataFrame({"movieId": ITEMS, "userId": USERS})
SVD = cf.SVD(n_factors=4, n_epochs=3, random_state=0)
ALS = cf.ALS(n_factors=4, n_epochs=2, random_state=0)
BAYES = cf.BayesianSVD(n_factors=2, n_samples=4, burn_in=2, n_kept=2, random_state=0)
GENRES = np.array(["War", "Drama", "Comedy"])
GENRE_OF = {item: GENRES[item % 3] for item in map(int, np.unique(ITEMS))}
TABLE = pandas.DataFrame({"item": list(GENRE_OF), "genre": list(GENRE_OF.values())})
FEATURED = FRAME.assign(genre=[GENRE_OF[int(item)] for item in ITEMS])


@pytest.fixture
def routing() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


# ---------------------------------------------------------------------- weights


def test_weights_reach_the_model() -> None:
    weights = np.random.default_rng(0).uniform(0.5, 3, len(Y))
    own = ALS.clone().fit((USERS, ITEMS, Y), weights=weights).predict(USERS, ITEMS)
    np.testing.assert_array_equal(RatingRegressor(ALS).fit(X, Y, sample_weight=weights).predict(X), own)
    # A weight of 0 leaves a row out.
    some = weights * (np.arange(len(Y)) % 7 > 0)
    kept = some > 0
    left = ALS.clone().fit((USERS[kept], ITEMS[kept], Y[kept]), weights=some[kept])
    regressor = RatingRegressor(ALS).fit(X, Y, sample_weight=some)
    np.testing.assert_array_equal(regressor.predict(X), left.predict(USERS, ITEMS))
    assert regressor.score(X, Y, sample_weight=weights) != regressor.score(X, Y)
    with pytest.raises(
        TypeError, match="SVD takes no weights: leave out sample_weight=; ALS and BayesianSVD do"
    ):
        RatingRegressor(SVD).fit(X, Y, sample_weight=weights)
    with pytest.raises(ValueError, match="all weights are zero"):
        RatingRegressor(ALS).fit(X, Y, sample_weight=np.zeros(len(Y)))
    with pytest.raises(cf.DataError, match="row 0 is -1"):
        RatingRegressor(ALS).fit(X, Y, sample_weight=-np.ones(len(Y)))


def test_weights_of_repeated_pairs() -> None:
    pairs, y = [[1, 1], [1, 2], [2, 1], [1, 1], [1, 1]], [1.0, 4.0, 3.0, 5.0, 2.0]
    weights = [1.0, 2.0, 1.0, 3.0, 4.0]
    for duplicates, value, weight in (("first", 1.0, 1.0), ("last", 2.0, 4.0), ("mean", 3.0, 8.0)):
        found = RatingRegressor(ALS, scale=(1, 5), duplicates=duplicates).fit(pairs, y, weights).model_
        plain = cf.Ratings([1, 1, 2], [1, 2, 1], [value, 4.0, 3.0], scale=(1, 5))
        expected = ALS.clone().fit(plain, weights=[weight, 2.0, 1.0])
        np.testing.assert_allclose(found.predict([1, 2], [1, 2]), expected.predict([1, 2], [1, 2]), rtol=1e-6)
    timed = RatingRegressor(ALS, scale=(1, 5), duplicates="last").fit(
        pairs, y, weights, timestamps=[9, 1, 1, 5, 1]
    )
    expected = ALS.clone().fit(
        cf.Ratings([1, 1, 2], [1, 2, 1], [1.0, 4.0, 3.0], scale=(1, 5)), weights=[1, 2, 1]
    )
    np.testing.assert_allclose(timed.predict([[1, 1]]), expected.predict([1], [1]), rtol=1e-6)


@pytest.mark.usefixtures("routing")
def test_weights_and_times_are_routed() -> None:
    rng = np.random.default_rng(1)
    weights, times = rng.uniform(0.5, 2, len(Y)), rng.integers(0, 10**6, len(Y))
    seen: list[tuple[int, int]] = []

    class Spy(cf.ALS):
        def uses_timestamps(self) -> bool:
            return True

        def _fit(self, train: Any, context: Any) -> Any:
            assert train.timestamps is not None
            at = {(u, i): (w, t) for u, i, w, t in zip(USERS, ITEMS, weights, times, strict=True)}
            rows = [at[pair] for pair in zip(train.users, train.items, strict=True)]
            np.testing.assert_array_equal(train.timestamps, [row[1] for row in rows])
            np.testing.assert_allclose(context.weights, [row[0] for row in rows], rtol=1e-6)
            seen.append((len(train), len(np.unique(train.timestamps))))
            return super()._fit(train, context)

    regressor = RatingRegressor(Spy(n_factors=2, n_epochs=1, random_state=0))
    regressor.set_fit_request(sample_weight=True, timestamps=True)
    regressor.set_score_request(sample_weight=True, timestamps=True)
    scores = cross_val_score(regressor, X, Y, cv=4, params={"sample_weight": weights, "timestamps": times})
    assert len(scores) == len(seen) == 4
    search = GridSearchCV(regressor, {"model__n_factors": [2, 3]}, cv=2)
    search.fit(X, Y, sample_weight=weights, timestamps=times)
    assert len(seen) == 4 + 5
    make_pipeline(regressor).fit(X, Y, sample_weight=weights, timestamps=times)
    assert len(seen) == 10


# ---------------------------------------------------------------------- features


def with_table(**tables: Any) -> cf.BayesianSVD:
    return BAYES.clone().fit((USERS, ITEMS, Y), **tables)


def test_features_in_columns() -> None:
    expected = with_table(item_features=TABLE).predict(USERS, ITEMS)
    for frame in (FEATURED, polars.DataFrame(FEATURED), FEATURED[["genre", "userId", "movieId"]]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            regressor = RatingRegressor(BAYES, item_columns=["genre"]).fit(frame, Y)
            np.testing.assert_array_equal(regressor.predict(frame), expected)
        assert regressor.n_features_in_ == 3
    # Known ids need no features; those of new ones count.
    np.testing.assert_array_equal(regressor.predict(FRAME), expected)
    new = pandas.DataFrame({"userId": [1, 1], "movieId": [900, 901], "genre": ["War", "Drama"]})
    own = with_table(item_features=TABLE).predict(
        [1, 1], [900, 901], item_features={"item": [900, 901], "genre": ["War", "Drama"]}
    )
    np.testing.assert_array_equal(regressor.predict(new), own)
    assert own[0] != own[1]


@pytest.mark.parametrize(
    "columns", ["genre", ["genre"], [2], 2, slice(2, None), make_column_selector("^gen")]
)
def test_ways_to_choose_columns(columns: Any) -> None:
    regressor = RatingRegressor(BAYES, item_columns=columns).fit(FEATURED, Y)
    expected = with_table(item_features=TABLE).predict(USERS, ITEMS)
    np.testing.assert_array_equal(clone(regressor).fit(FEATURED, Y).predict(FEATURED), expected)


def test_features_in_arrays() -> None:
    flags = (np.array([item % 3 for item in ITEMS])[:, None] == np.arange(3)).astype(float)
    table = {
        "item": list(GENRE_OF),
        **{str(at + 2): [float(item % 3 == at) for item in GENRE_OF] for at in range(3)},
    }
    expected = with_table(item_features=table).predict(USERS, ITEMS)
    wide = np.column_stack([USERS, ITEMS, flags])
    regressor = RatingRegressor(BAYES, item_columns=[2, 3, 4]).fit(wide, Y)
    np.testing.assert_array_equal(regressor.predict(wide), expected)
    turned = RatingRegressor(BAYES, user=4, item=3, item_columns=slice(0, 3)).fit(wide[:, [2, 3, 4, 1, 0]], Y)
    np.testing.assert_array_equal(turned.predict(wide[:, [2, 3, 4, 1, 0]]), expected)
    for given in (flags, sparse.csr_matrix(flags)):
        RatingRegressor(BAYES).fit(X, Y, item_features=given)


def test_features_that_do_not_fit() -> None:
    twice = FEATURED.copy()
    twice.loc[len(twice) - 1, "genre"] = "Western"
    with pytest.raises(
        cf.DataError, match=r"item_columns=, column 'genre': item \d+ has other features in row"
    ):
        RatingRegressor(BAYES, item_columns=["genre"]).fit(twice, Y)
    with pytest.raises(TypeError, match="SVD takes no features, leave out item_features= or item_columns="):
        RatingRegressor(SVD, item_columns=["genre"]).fit(FEATURED, Y)
    with pytest.raises(ValueError, match="X has no column 'genres' for item_columns; it has 'movieId'"):
        RatingRegressor(BAYES, item_columns=["genres"]).fit(FEATURED, Y)
    with pytest.raises(ValueError, match="leave out one of both"):
        RatingRegressor(BAYES, item_columns=["genre"]).fit(FEATURED, Y, item_features=TABLE)
    with pytest.raises(ValueError, match="X has no names"):
        RatingRegressor(BAYES, item_columns=["genre"]).fit(X, Y)


@pytest.mark.usefixtures("routing")
def test_features_are_routed() -> None:
    regressor = RatingRegressor(BAYES).set_fit_request(item_features=True)
    regressor.set_score_request(item_features=True)
    expected = with_table(item_features=TABLE).predict(USERS, ITEMS)
    pipeline = Pipeline([("rate", regressor)]).fit(X, Y, item_features=TABLE)
    np.testing.assert_array_equal(pipeline.predict(X), expected)
    rows = FEATURED[["genre"]]  # one for each row of X, which cross-validation takes parts of
    for given in (TABLE, rows):
        found = cross_validate(regressor, X, Y, cv=2, params={"item_features": given}, error_score="raise")
        assert np.isfinite(found["test_score"]).all()
    np.testing.assert_array_equal(clone(regressor).fit(X, Y, item_features=rows).predict(X), expected)


def test_a_column_transformer_makes_the_features() -> None:
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    prepare = ColumnTransformer([("kind", encoder, ["genre"])], remainder="passthrough")
    pipeline = Pipeline([
        ("prepare", prepare),
        ("rate", RatingRegressor(BAYES, item_columns=make_column_selector("^kind__"))),
    ])  # fmt: skip
    pipeline.set_output(transform="pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.fit(FEATURED, Y)
    assert pipeline["rate"].columns_ == ("remainder__userId", "remainder__movieId")
    assert list(pipeline["rate"].feature_names_in_[:3]) == [
        "kind__genre_Comedy",
        "kind__genre_Drama",
        "kind__genre_War",
    ]
    flags = {
        f"kind__genre_{genre}": [float(GENRE_OF[item] == genre) for item in GENRE_OF]
        for genre in sorted(GENRES)
    }
    expected = with_table(item_features={"item": list(GENRE_OF), **flags}).predict(USERS, ITEMS)
    np.testing.assert_array_equal(pipeline.predict(FEATURED), expected)
    assert len(cross_val_score(pipeline, FEATURED, Y, cv=2, error_score="raise")) == 2
    search = GridSearchCV(pipeline, {"rate__model__n_factors": [2, 3]}, cv=2, error_score="raise").fit(
        FEATURED, Y
    )
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_arrays_of_a_column_transformer() -> None:
    named = pandas.DataFrame({"who": [f"u{user}" for user in USERS], "what": [f"i{item}" for item in ITEMS]})
    named["genre"] = FEATURED["genre"]
    encoder = OneHotEncoder(sparse_output=False)
    prepare = ColumnTransformer([("kind", encoder, ["genre"])], remainder="passthrough")
    pipeline = make_pipeline(prepare, RatingRegressor(BAYES, item_columns=slice(0, 3)))
    pipeline.fit(named, Y)
    flags = {
        str(at): [float(GENRE_OF[item] == genre) for item in GENRE_OF]
        for at, genre in enumerate(sorted(GENRES))
    }
    table = {"item": [f"i{item}" for item in GENRE_OF], **flags}
    expected = BAYES.clone().fit((named["who"], named["what"], Y), item_features=table)
    np.testing.assert_array_equal(pipeline.predict(named), expected.predict(named["who"], named["what"]))
    sparse_one = ColumnTransformer(
        [("kind", OneHotEncoder(), ["genre"])], remainder="passthrough", sparse_threshold=1
    )
    with pytest.raises(TypeError, match="dense data is required"):
        make_pipeline(sparse_one, RatingRegressor(BAYES, item_columns=slice(0, 3))).fit(FEATURED, Y)


@pytest.mark.usefixtures("routing")
def test_times_of_predictions_are_routed() -> None:
    times = np.random.default_rng(1).integers(9 * 10**8, 10**9, len(Y))
    model = cf.TimeSVDpp(n_factors=2, n_epochs=2, random_state=0)
    regressor = RatingRegressor(model).set_fit_request(timestamps=True).set_predict_request(timestamps=True)
    pipeline = make_pipeline(ColumnTransformer([("ids", "passthrough", ["userId", "movieId"])]), regressor)
    pipeline.fit(FRAME, Y, timestamps=times)
    own = model.clone().fit((USERS, ITEMS, Y, times)).predict(USERS, ITEMS, times)
    np.testing.assert_array_equal(pipeline.predict(FRAME, timestamps=times), own)
    with pytest.raises(ValueError, match=r"timestamps must be of shape \(500,\), not \(3,\)"):
        RatingRegressor(model).fit(X, Y, timestamps=times[:3])
    with pytest.raises(ValueError, match="X has a column of times as well"):
        RatingRegressor(model).fit(np.column_stack([X, times]), Y, timestamps=times)


# ---------------------------------------------------------------------- transform


def test_transform_and_set_output() -> None:
    regressor = RatingRegressor(SVD).fit(FRAME, Y)
    found = regressor.transform(FRAME)
    names = list(regressor.get_feature_names_out())
    assert names[:4] == ["prediction", "user_count", "item_count", "user_factor0"]
    assert found.shape == (len(Y), 3 + 2 * 4) == (len(Y), len(names))
    np.testing.assert_array_equal(found[:, 0], regressor.predict(FRAME))
    np.testing.assert_array_equal(found[:, 1], [RATINGS.user_counts[code] for code in RATINGS.user_codes])
    model = regressor.model_
    code = int(model.encode_users([USERS[0]])[0])
    np.testing.assert_allclose(found[0, 3:7], model.user_factors_[code])
    stranger = regressor.transform(pandas.DataFrame({"userId": [-1], "movieId": ITEMS[:1]}))
    assert not stranger[0, 3:7].any()
    assert stranger[0, 1] == 0
    framed = regressor.set_output(transform="pandas").transform(FRAME[::-1])
    assert list(framed.columns) == names
    assert list(framed.index) == list(FRAME.index[::-1])
    np.testing.assert_array_equal(framed.to_numpy(), found[::-1])
    assert isinstance(regressor.set_output(transform="polars").transform(FRAME), polars.DataFrame)
    stacked = Pipeline([("rate", RatingRegressor(SVD)), ("ridge", Ridge())]).set_output(transform="pandas")
    assert stacked.fit(FRAME, Y).predict(FRAME).shape == Y.shape
    assert list(stacked["ridge"].feature_names_in_) == names
    assert list(RatingRegressor(cf.Baseline()).fit(X, Y).get_feature_names_out()) == names[:3]


def test_clones_and_pickles() -> None:
    regressor = RatingRegressor(BAYES, item_columns=["genre"]).fit(FEATURED, Y)
    restored = pickle.loads(pickle.dumps(regressor))
    np.testing.assert_array_equal(restored.predict(FEATURED), regressor.predict(FEATURED))
    assert clone(restored).item_columns == ["genre"]
    assert "item_columns" in repr(restored)
    assert RatingRegressor.__module__.startswith("cfcore.")
