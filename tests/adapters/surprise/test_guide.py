"""What scikit-surprise's guide and its frequently asked questions show, with the drop-in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cfcore.surprise as surprise
from cfcore.surprise import (
    SVD,
    AlgoBase,
    BaselineOnly,
    Dataset,
    KNNBaseline,
    KNNBasic,
    NormalPredictor,
    PredictionImpossible,
    Reader,
    accuracy,
    dump,
)
from cfcore.surprise.model_selection import (
    GridSearchCV,
    KFold,
    PredefinedKFold,
    cross_validate,
    train_test_split,
)


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, str, float]]:
    """Ratings of two kinds of films by two kinds of people."""
    rng = np.random.default_rng(0)
    found = []
    for user in range(40):
        for item in rng.permutation(30)[:15]:
            mean = 4 if user % 2 == item % 2 else 2
            found.append((f"u{user}", f"i{item}", float(np.clip(np.round(rng.normal(mean, 0.6)), 1, 5))))
    return found


@pytest.fixture(scope="module")
def file(rows: list[tuple[str, str, float]], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "u.data"
    path.write_text("".join(f"{user}\t{item}\t{rating:g}\t0\n" for user, item, rating in rows))
    return str(path)


@pytest.fixture
def data(file: str) -> Any:
    return Dataset.load_from_file(file, reader=Reader(line_format="user item rating timestamp", sep="\t"))


# ---------------------------------------------------------------------- getting started


def test_fit_on_all_ratings_and_predict_one(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    algo = KNNBasic()
    algo.fit(data.build_full_trainset())
    prediction = algo.predict("u1", "i2", r_ui=4, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Computing the msd similarity matrix...", "Done computing similarity matrix."]
    assert lines[2].startswith("user: u1         item: i2         r_ui = 4.00   est = ")
    assert "'actual_k'" in lines[2]
    assert (prediction.uid, prediction.iid, prediction.r_ui) == ("u1", "i2", 4)
    assert 1 <= prediction.est <= 5
    assert not prediction.details["was_impossible"]
    unknown = algo.predict("nobody", "i2")
    assert unknown.details == {"was_impossible": True, "reason": "User and/or item is unknown."}
    assert unknown.est == data.build_full_trainset().global_mean


def test_frame_and_file_hold_the_same(rows: list[Any], data: Any) -> None:
    frame = pd.DataFrame(rows, columns=["userID", "itemID", "rating"])
    other = Dataset.load_from_df(frame[["userID", "itemID", "rating"]], Reader(rating_scale=(1, 5)))
    splits = KFold(3, random_state=0)
    found = [
        cross_validate(SVD(random_state=0), one, measures=["RMSE", "MAE"], cv=splits) for one in (data, other)
    ]
    assert np.array_equal(found[0]["test_rmse"], found[1]["test_rmse"])


def test_iterate_over_splits(data: Any) -> None:
    errors = []
    algo = SVD(random_state=0, n_epochs=40, lr_all=0.02)
    for trainset, testset in KFold(n_splits=3, random_state=0).split(data):
        algo.fit(trainset)
        errors.append(accuracy.rmse(algo.test(testset), verbose=False))
    assert max(errors) < 1


def test_predefined_folds(rows: list[Any], tmp_path: Path) -> None:
    files = []
    for fold in range(2):
        names = (tmp_path / f"u{fold}.base", tmp_path / f"u{fold}.test")
        for name, test in zip(names, (False, True), strict=True):
            kept = [row for number, row in enumerate(rows) if (number % 2 == fold) == test]
            name.write_text("".join(f"{user}::{item}::{rating}\n" for user, item, rating in kept))
        files.append((str(names[0]), str(names[1])))
    data = Dataset.load_from_folds(files, reader=Reader(sep="::"))
    found = cross_validate(BaselineOnly(verbose=False), data, cv=PredefinedKFold())
    assert len(found["test_rmse"]) == 2


def test_grid_search(data: Any) -> None:
    grid = {"n_epochs": [2, 10], "lr_all": [0.002, 0.02], "reg_all": [0.02], "random_state": [0]}
    search = GridSearchCV(SVD, grid, measures=["rmse", "mae"], cv=3, refit=True)
    search.fit(data)
    assert search.best_params["rmse"]["n_epochs"] == 10
    assert search.best_score["rmse"] == search.cv_results["mean_test_rmse"].min()
    algo = search.best_estimator["rmse"]
    assert search.predict("u1", "i2").est == algo.predict("u1", "i2").est


# ---------------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    "options",
    [
        {"method": "als", "n_epochs": 5, "reg_u": 12, "reg_i": 5},
        {"method": "sgd", "learning_rate": 0.005, "n_epochs": 5, "reg": 0.1},
    ],
)
def test_baselines(data: Any, options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    trainset, testset = train_test_split(data, test_size=0.25, random_state=0)
    plain = accuracy.rmse(BaselineOnly(verbose=False).fit(trainset).test(testset), verbose=False)
    algo = BaselineOnly(bsl_options=options)
    assert accuracy.rmse(algo.fit(trainset).test(testset), verbose=False) != plain
    assert capsys.readouterr().out == f"Estimating biases using {options['method']}...\n"
    joined = KNNBasic(bsl_options=options, sim_options={"name": "pearson_baseline"}, verbose=False)
    assert np.isfinite(accuracy.rmse(joined.fit(trainset).test(testset), verbose=False))


def test_similarities(data: Any) -> None:
    trainset = data.build_full_trainset()
    by_item = KNNBasic(sim_options={"name": "cosine", "user_based": False}, verbose=False).fit(trainset)
    assert by_item.sim.shape == (30, 30)
    damped = [
        KNNBasic(sim_options={"name": "pearson_baseline", "shrinkage": n}, verbose=False).fit(trainset).sim
        for n in (0, 100)
    ]
    assert np.abs(damped[0]).sum() > np.abs(damped[1]).sum()


# ---------------------------------------------------------------------- algorithms of one's own


class Mean(AlgoBase):
    """The mean of all ratings."""

    def fit(self, trainset: Any) -> Mean:
        AlgoBase.fit(self, trainset)
        self.mean = np.mean([rating for _, _, rating in self.trainset.all_ratings()])
        return self

    def estimate(self, u: Any, i: Any) -> Any:
        if not (self.trainset.knows_user(u) and self.trainset.knows_item(i)):
            raise PredictionImpossible("User and/or item is unknown.")
        return self.mean, {"more": "than the number"}


class Nearest(AlgoBase):
    """The mean rating of the three most similar users, around baselines."""

    def __init__(self, sim_options: dict[str, Any], bsl_options: dict[str, Any]) -> None:
        AlgoBase.__init__(self, sim_options=sim_options, bsl_options=bsl_options)

    def fit(self, trainset: Any) -> Nearest:
        AlgoBase.fit(self, trainset)
        self.bu, self.bi = self.compute_baselines()
        self.sim = self.compute_similarities()
        return self

    def estimate(self, u: Any, i: Any) -> float:
        if not (self.trainset.knows_user(u) and self.trainset.knows_item(i)):
            raise PredictionImpossible("User and/or item is unknown.")
        assert self.bu is not None
        near = sorted(((self.sim[u, v], rating) for v, rating in self.trainset.ir[i]), reverse=True)[:3]
        return float(np.mean([rating for _, rating in near]))


def test_own_algorithms(data: Any) -> None:
    trainset, testset = train_test_split(data, random_state=0)
    predictions = Mean().fit(trainset).test(testset)
    assert predictions[0].details == {"more": "than the number", "was_impossible": False}
    assert predictions[0].est == trainset.global_mean
    assert Mean().fit(trainset).predict("nobody", "i1").details["was_impossible"]
    own = Nearest({"name": "cosine", "user_based": True}, {"method": "als"})
    found = cross_validate(own, data, cv=KFold(3, random_state=0))
    plain = cross_validate(Mean(), data, cv=KFold(3, random_state=0))
    assert found["test_rmse"].mean() < plain["test_rmse"].mean()


# ---------------------------------------------------------------------- frequently asked questions


def top_n(predictions: Iterable[Any], n: int) -> dict[Any, list[tuple[Any, float]]]:
    lists = defaultdict(list)
    for user, item, _, estimate, _ in predictions:
        lists[user].append((item, estimate))
    return {user: sorted(found, key=lambda one: one[1], reverse=True)[:n] for user, found in lists.items()}


def test_top_n_recommendations_of_each_user(data: Any) -> None:
    trainset = data.build_full_trainset()
    algo = SVD(random_state=0, n_epochs=30, lr_all=0.02).fit(trainset)
    lists = top_n(algo.test(trainset.build_anti_testset()), 3)
    assert set(lists) == {f"u{user}" for user in range(40)}
    of_own_kind = [
        int(item[1:]) % 2 == int(user[1:]) % 2 for user, found in lists.items() for item, _ in found
    ]
    assert np.mean(of_own_kind) > 0.9
    rated = {(user, item) for user, item, _ in trainset.build_testset()}
    assert not any((user, item) in rated for user, found in lists.items() for item, _ in found)


def test_precision_and_recall_at_k(data: Any) -> None:
    precisions, recalls, algo = [], [], SVD(random_state=0, n_epochs=100, lr_all=0.02)
    for trainset, testset in KFold(n_splits=5, random_state=0).split(data):
        of_users = defaultdict(list)
        for user, _, true, estimate, _ in algo.fit(trainset).test(testset):
            of_users[user].append((estimate, true))
        for found in of_users.values():
            found.sort(key=lambda one: one[0], reverse=True)
            relevant = sum(true >= 3.5 for _, true in found)
            chosen = [true >= 3.5 for estimate, true in found[:5] if estimate >= 3.5]
            precisions.append(sum(chosen) / len(chosen) if chosen else 0)
            recalls.append(sum(chosen) / relevant if relevant else 0)
    assert np.mean(precisions) > 0.5
    assert 0 < np.mean(recalls) <= 1


def test_nearest_neighbors_by_title(data: Any) -> None:
    titles = {f"i{item}": f"{'Even' if item % 2 == 0 else 'Odd'} Film {item}" for item in range(30)}
    ids = {title: raw for raw, title in titles.items()}
    trainset = data.build_full_trainset()
    algo = KNNBaseline(sim_options={"name": "pearson_baseline", "user_based": False}, verbose=False)
    algo.fit(trainset)
    inner = algo.trainset.to_inner_iid(ids["Even Film 4"])
    neighbors = [titles[algo.trainset.to_raw_iid(one)] for one in algo.get_neighbors(inner, k=10)]
    assert len(neighbors) == 10
    assert "Even Film 4" not in neighbors
    assert all(title.startswith("Even") for title in neighbors)


def test_error_on_the_training_set(data: Any) -> None:
    trainset, testset = train_test_split(data, random_state=0)
    algo = SVD(random_state=0, n_epochs=40).fit(trainset)
    on_training = accuracy.rmse(algo.test(trainset.build_testset()), verbose=False)
    assert on_training < accuracy.rmse(algo.test(testset), verbose=False)


def test_save_for_later(data: Any, tmp_path: Path) -> None:
    algo = SVD(random_state=0).fit(data.build_full_trainset())
    predictions = algo.test(algo.trainset.build_testset())
    dump.dump(str(tmp_path / "dump_file"), algo=algo)
    _, loaded = dump.load(str(tmp_path / "dump_file"))
    assert loaded.test(algo.trainset.build_testset()) == predictions


def test_tune_and_estimate_the_error_without_bias(data: Any) -> None:
    raw_ratings = data.raw_ratings
    rng = np.random.RandomState(0)
    rng.shuffle(raw_ratings)
    threshold = int(0.9 * len(raw_ratings))
    kept, left_out = raw_ratings[:threshold], raw_ratings[threshold:]
    data.raw_ratings = kept
    search = GridSearchCV(SVD, {"n_epochs": [5, 10], "random_state": [0]}, measures=["rmse"], cv=3)
    search.fit(data)
    algo = search.best_estimator["rmse"]
    trainset = data.build_full_trainset()
    assert trainset.n_ratings == threshold
    algo.fit(trainset)
    testset = data.construct_testset(left_out)
    assert len(testset) == len(raw_ratings) - threshold
    assert accuracy.rmse(algo.test(testset), verbose=False) < 1.5


def test_runs_can_be_repeated(data: Any) -> None:
    found = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002  # what random_state=None draws from
        found.append(cross_validate(SVD(), data, cv=2)["test_rmse"].tolist())
        found.append(cross_validate(NormalPredictor(), data, cv=2)["test_rmse"].tolist())
    assert found[:2] == found[2:]


def test_the_same_with_cfcore(data: Any) -> None:
    """One line changes, and all of the above is computed by cfcore's models."""
    trainset, testset = train_test_split(data, random_state=0)
    with surprise.use("cfcore"):
        algo = SVD(random_state=0).fit(trainset)
    assert accuracy.rmse(algo.test(testset), verbose=False) < 1
    lists = top_n(algo.test(trainset.build_anti_testset()), 3)
    assert len(lists) == 40
