"""``engine="cfcore"``: the same interface, computed by cfcore's models."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import cfcore as cf
import cfcore.surprise as surprise
from cfcore.adapters.surprise.on_cfcore import ratings_of

MODELS: dict[str, Any] = {
    "SVD": cf.SVD,
    "SVDpp": cf.SVDpp,
    "BaselineOnly": cf.Baseline,
    "KNNBasic": cf.UserKNN,
    "KNNWithMeans": cf.UserKNN,
    "KNNWithZScore": cf.UserKNN,
    "KNNBaseline": cf.UserKNN,
}


def made(users: Any = str, items: Any = str) -> Any:
    """Ratings with effects of users and items, and of pairs."""
    rng = np.random.default_rng(0)
    p, q = rng.normal(size=(80, 3)), rng.normal(size=(60, 3))
    values = np.clip(np.round(3 + rng.normal(0, 0.5, 80)[:, None] + 0.6 * p @ q.T), 1, 5)
    rows = [(users(u), items(i), float(values[u, i]), None) for u in range(80) for i in range(60)]
    kept = [rows[row] for row in rng.permutation(len(rows))[:1500]]
    data = surprise.Dataset(surprise.Reader())
    return data.construct_trainset(kept[:1200]), data.construct_testset(kept[1200:])


@pytest.fixture(scope="module")
def split() -> Any:
    return made()


def algorithm(name: str, **options: Any) -> Any:
    given = {"verbose": False, **({"random_state": 1} if name.startswith("SVD") else {}), **options}
    return getattr(surprise, name)(**given)


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_those_of_the_model(name: str, split: Any) -> None:
    trainset, testset = split
    algo = algorithm(name, engine="cfcore").fit(trainset)
    assert (type(algo).__name__, algo.engine) == (name, "cfcore")
    assert isinstance(algo, getattr(surprise, name))
    model = algo.to_cfcore()
    assert type(model) is MODELS[name]
    predictions = algo.test(testset)
    users, items, _ = zip(*testset, strict=True)
    assert np.allclose([one.est for one in predictions], np.clip(model.predict(users, items), 1, 5))
    assert [algo.predict(*row) for row in testset[:20]] == predictions[:20]
    assert predictions[0].details == {"was_impossible": False}
    # Raw ids are those of the model, and what is unknown falls back.
    assert model.knows(users=[users[0]]).all()
    assert algo.predict("nobody", items[0]).est == pytest.approx(
        float(model.predict("nobody", items[0])), 1e-5
    )
    assert algo.predict("nobody", "nothing").est == pytest.approx(trainset.global_mean, abs=0.1)
    again = pickle.loads(pickle.dumps(algo))
    assert again.test(testset) == predictions


@pytest.mark.parametrize("name", ["SVD", "SVDpp", "KNNBaseline"])
def test_errors_are_lower(name: str, split: Any) -> None:
    trainset, testset = split
    errors = [
        surprise.accuracy.rmse(algorithm(name, engine=engine).fit(trainset).test(testset), verbose=False)
        for engine in ("surprise", "cfcore")
    ]
    assert errors[1] < errors[0]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("SVD", {}, {"n_factors": 100, "lr": None, "n_epochs": None}),
        ("SVD", {"n_factors": 7, "n_epochs": 3}, {"n_factors": 7, "n_epochs": 3, "biased": True}),
        ("SVD", {"biased": False}, {"biased": False, "lr": None}),
        ("SVD", {"lr_all": 0.01}, {"lr": 0.01, "lr_decay": 1.0, "reg": None}),
        ("SVD", {"reg_all": 0.1, "reg_bu": 0.2, "reg_bi": 0.2}, {"reg": 0.1, "reg_bias": 0.2, "lr": None}),
        ("SVD", {"init_std_dev": 0.2}, {"init_scale": 0.2}),
        ("SVDpp", {"lr_yj": 0.02, "n_factors": 5}, {"lr": 0.007, "lr_implicit": 0.02, "n_factors": 5}),
        ("BaselineOnly", {"bsl_options": {"reg_u": 3, "reg_i": 4}}, {"reg_user": 3, "reg_item": 4}),
        (
            "BaselineOnly",
            {"bsl_options": {"method": "sgd", "learning_rate": 0.02, "reg": 0.1, "n_epochs": 3}},
            {"method": "sgd", "lr": 0.02, "reg": 0.1, "n_epochs": 3},
        ),
        ("KNNBasic", {"k": 5}, {"n_neighbors": 5, "center": None, "similarity": "raw_msd"}),
        ("KNNWithZScore", {"sim_options": {"name": "pearson", "min_support": 3}},
         {"similarity": "pearson", "min_support": 3, "center": "zscore"}),
        ("KNNBaseline", {"sim_options": {"name": "pearson_baseline", "shrinkage": 7}},
         {"similarity": "pearson_baseline", "shrinkage": 7, "center": "baseline", "n_neighbors": 60}),
    ],
)  # fmt: skip
def test_parameters_are_translated(
    name: str, options: dict[str, Any], expected: dict[str, Any], split: Any
) -> None:
    model = algorithm(name, engine="cfcore", **options).fit(split[0]).to_cfcore()
    assert {key: model.get_params()[key] for key in expected} == expected


def test_items_in_place_of_users(split: Any) -> None:
    algo = algorithm("KNNWithMeans", engine="cfcore", sim_options={"user_based": False}).fit(split[0])
    assert isinstance(algo.to_cfcore(), cf.ItemKNN)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("SVD", {"lr_bu": 0.1}, "lr_bu=0.1, lr_bi=0.005"),
        ("SVD", {"init_mean": 0.1}, "init_mean=0.1"),
        ("KNNBasic", {"min_k": 3}, "min_k=3"),
        ("KNNBaseline", {"bsl_options": {"method": "sgd"}}, "by 'als'"),
        ("BaselineOnly", {"bsl_options": {"method": "x"}}, "Invalid method x"),
    ],
)
def test_what_has_no_counterpart_is_refused(
    name: str, options: dict[str, Any], message: str, split: Any
) -> None:
    with pytest.raises(ValueError, match=message):
        algorithm(name, engine="cfcore", **options).fit(split[0])


def test_use() -> None:
    class Mine(surprise.SVD):
        pass

    assert not hasattr(surprise.SVD(), "engine")
    with surprise.use("cfcore"):
        assert surprise.SVD().engine == "cfcore"
        assert not hasattr(surprise.SVD(engine="surprise"), "engine")
        for kind in (surprise.NMF, surprise.SlopeOne, surprise.CoClustering, surprise.NormalPredictor, Mine):
            assert type(kind()) is kind
    assert not hasattr(surprise.SVD(), "engine")
    surprise.use("cfcore")
    assert surprise.KNNBasic().engine == "cfcore"
    surprise.use("surprise")
    assert not hasattr(surprise.KNNBasic(), "engine")
    for method in (surprise.use, lambda engine: surprise.SVD(engine=engine)):
        with pytest.raises(ValueError, match='engine must be "surprise" or "cfcore", not \'x\''):
            method("x")
    for kind in (surprise.NMF, Mine):
        with pytest.raises(ValueError, match=rf'engine="cfcore" is for SVD, .*, not for {kind.__name__}'):
            kind(engine="cfcore")


def test_in_searches(split: Any) -> None:
    trainset, _ = split
    data = surprise.dataset.DatasetAutoFolds.__new__(surprise.dataset.DatasetAutoFolds)
    surprise.Dataset.__init__(data, surprise.Reader())
    data.raw_ratings = [(*row, None) for row in trainset.build_testset()]
    search = surprise.model_selection.GridSearchCV(
        surprise.SVD, {"engine": ["surprise", "cfcore"], "random_state": [0]}, ["rmse"], cv=2, refit=True
    )
    search.fit(data)
    assert search.best_params["rmse"]["engine"] == "cfcore"
    assert isinstance(search.best_estimator["rmse"].to_cfcore(), cf.SVD)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SVD", {"n_factors": 5, "lr_bu": 0.01}),
        ("SVD", {"biased": False}),
        ("SVDpp", {"n_epochs": 2}),
        ("BaselineOnly", {"bsl_options": {"method": "sgd"}}),
        ("KNNBasic", {}),
        ("KNNBasic", {"k": 3, "sim_options": {"name": "pearson_baseline", "user_based": False}}),
        ("KNNWithMeans", {"sim_options": {"name": "pearson", "min_support": 3}}),
        ("KNNWithZScore", {"sim_options": {"name": "pearson_baseline", "shrinkage": 5}}),
        ("KNNBaseline", {"bsl_options": {"reg_u": 3}, "sim_options": {"user_based": False}}),
    ],
)
def test_to_cfcore_keeps_the_predictions_of_the_other_engine(
    name: str, options: dict[str, Any], split: Any
) -> None:
    trainset, testset = split
    algo = algorithm(name, **options).fit(trainset)
    model = algo.to_cfcore()
    by_item = options.get("sim_options", {}).get("user_based") is False
    assert type(model) is (cf.ItemKNN if by_item else MODELS[name])
    found = [one for one in algo.test(testset) if one.details.get("actual_k", 1) > 0]
    assert len(found) > 200
    users, items = [one.uid for one in found], [one.iid for one in found]
    assert np.allclose(np.clip(model.predict(users, items), 1, 5), [one.est for one in found], atol=1e-5)
    assert len(model.recommend(users[0], n=3)[0]) == 3
    seen = set(model.recommend(users[0], n=60, exclude_seen=False)[0]) - set(
        model.recommend(users[0], n=60)[0]
    )
    assert len(seen) == len(trainset.ur[trainset.to_inner_uid(users[0])])


def test_to_cfcore_refused() -> None:
    for engine in ("surprise", "cfcore"):
        with pytest.raises(cf.NotFittedError, match="call fit of this SVD before to_cfcore"):
            surprise.SVD(engine=engine).to_cfcore()
    with pytest.raises(TypeError, match="cfcore has no model for NMF"):
        surprise.NMF().to_cfcore()


def test_ids(split: Any) -> None:
    trainset, testset = made(users=int, items=lambda item: item * 10**9)
    algo = algorithm("BaselineOnly", engine="cfcore").fit(trainset)
    assert algo.to_cfcore().knows(users=[testset[0][0]]).all()
    for ids, message in (
        (float, "are neither, such as"),
        (lambda x: x if x % 2 else str(x), "both integers"),
    ):
        trainset, _ = made(users=ids)
        with pytest.raises(cf.DataError, match=rf"users with raw ids .*{message}.*astype\(str\)"):
            algorithm("BaselineOnly", engine="cfcore").fit(trainset)


def test_repeated_pairs_and_ratings_beyond_the_scale() -> None:
    data = surprise.Dataset(surprise.Reader(rating_scale=(1, 5)))
    trainset = data.construct_trainset([("a", 1, 2.0, None), ("b", 1, 9.0, None), ("a", 1, 4.0, None)])
    with pytest.warns(cf.DataWarning, match="keeps the last rating of each pair"):
        algo = algorithm("BaselineOnly", engine="cfcore").fit(trainset)
    assert len(algo.to_cfcore().seen_items_) == 2
    assert algo.predict("b", 1).est <= 5


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (cf.SVD, {"lr_all": 0.1}, "SVD: lr_all is called lr"),
        (cf.SVDpp, {"lr_yj": 0.1, "n_factors": 3}, "SVDpp: lr_yj is called lr_implicit"),
        (cf.ItemKNN, {"k": 5}, "ItemKNN: k is called n_neighbors"),
        (
            cf.UserKNN,
            {"sim_options": {}},
            "sim_options is called similarity, min_support, shrinkage .*ItemKNN",
        ),
        (cf.Baseline, {"bsl_options": {}}, "bsl_options is called reg_user, reg_item"),
        (
            cf.SVD,
            {"factors": 5, "iterations": 3},
            "factors is called n_factors; iterations is called n_epochs",
        ),
    ],
)
def test_names_of_arguments_elsewhere(model: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        model(**arguments)
    name = next(iter(arguments))
    with pytest.raises(ValueError, match=f"has no parameter '{name}'; {name} is called"):
        model().set_params(**{name: 1})


def test_fits_on_one_training_set_share_its_ratings_until_it_changes() -> None:
    trainset, _ = made()
    first = surprise.SVD(random_state=0, engine="cfcore").fit(trainset)
    again = surprise.SVD(random_state=0, engine="cfcore").fit(trainset)
    assert ratings_of(trainset) is ratings_of(trainset)
    rows = trainset.build_testset()[:20]
    assert first.test(rows) == again.test(rows)
    copy = pickle.loads(pickle.dumps(trainset))
    assert surprise.SVD(random_state=0, engine="cfcore").fit(copy).test(rows) == first.test(rows)
    before = len(ratings_of(trainset))
    user, item = next(
        (user, item)
        for user in trainset.all_users()
        for item in trainset.all_items()
        if item not in dict(trainset.ur[user])
    )
    trainset.ur[user].append((item, 5.0))
    trainset.ir[item].append((user, 5.0))
    assert len(ratings_of(trainset)) == before + 1
