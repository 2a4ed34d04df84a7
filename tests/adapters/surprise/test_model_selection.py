"""Splits, cross-validation and search of the drop-in; the splits are recorded from scikit-surprise 1.1.5."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cfcore.surprise import SVD, BaselineOnly, Dataset, KNNBasic, NormalPredictor, Reader, accuracy
from cfcore.surprise.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneOut,
    PredefinedKFold,
    RandomizedSearchCV,
    RepeatedKFold,
    ShuffleSplit,
    cross_validate,
    train_test_split,
)
from cfcore.surprise.model_selection.split import get_cv

#: Ten ratings of four users; each item is its row.
SMALL = pd.DataFrame(
    {"u": [0, 0, 0, 1, 1, 1, 2, 2, 3, 3], "i": range(10), "r": [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]}
)


@pytest.fixture(params=["columns", "list", "duck"])
def small(request: pytest.FixtureRequest) -> Any:
    """The same data: as it was loaded, with its list handed out, and an object of another class."""
    data = Dataset.load_from_df(SMALL, Reader())
    if request.param == "list":
        assert data.raw_ratings
    if request.param == "duck":
        other = Dataset(Reader())
        other.raw_ratings = data.raw_ratings  # type: ignore[attr-defined]
        return other
    return data


@pytest.fixture(scope="module")
def data() -> Any:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"u": rng.integers(0, 20, 400), "i": rng.integers(0, 30, 400)}).drop_duplicates()
    effect = (frame.u % 5 + frame.i % 4) / 2
    return Dataset.load_from_df(frame.assign(r=np.round(effect + rng.normal(1.5, 0.5, len(frame)))), Reader())


def items(splits: Any, data: Any) -> list[list[int]]:
    found = []
    for trainset, testset in splits.split(data):
        tested = [item for _, item, _ in testset]
        trained = {item for _, item, _ in trainset.build_testset()}
        assert trained.isdisjoint(tested)
        assert (trainset.n_ratings, trainset.rating_scale) == (len(trained), (1, 5))
        found.append(tested)
    return found


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (KFold(3, random_state=1), [[2, 9, 6, 4], [0, 3, 1], [7, 8, 5]]),
        (KFold(3, shuffle=False), [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]),
        (
            RepeatedKFold(3, 2, random_state=1),
            [[2, 9, 6, 4], [0, 3, 1], [7, 8, 5], [9, 5, 3, 0], [8, 4, 2], [1, 6, 7]],
        ),
        (ShuffleSplit(2, random_state=1), [[8, 5], [6, 7]]),
        (ShuffleSplit(1, test_size=3, random_state=1), [[7, 8, 5]]),
        (ShuffleSplit(1, test_size=0.25, train_size=0.25, random_state=3), [[1, 2, 9]]),
        (ShuffleSplit(1, test_size=None, train_size=0.3, random_state=1), [[4, 0, 3, 1, 7, 8, 5]]),
        (ShuffleSplit(1, shuffle=False), [[8, 9]]),
        (LeaveOneOut(2, random_state=1), [[1, 3, 6, 9], [1, 4, 7, 8]]),
        (LeaveOneOut(2, random_state=1, min_n_ratings=2), [[1, 3], [0, 4]]),
    ],
)
def test_splits(splits: Any, expected: list[list[int]], small: Any) -> None:
    assert items(splits, small) == expected
    assert items(splits, small) == expected  # an int is the same seed each time
    assert splits.get_n_folds() == len(expected)
    assert [row[1] for row in small.raw_ratings] == list(range(10))


def test_splits_by_a_generator_differ(small: Any) -> None:
    splits = KFold(3, random_state=np.random.RandomState(1))
    assert items(splits, small) != items(splits, small)
    np.random.seed(1)  # noqa: NPY002  # the generator that scikit-surprise uses
    assert items(KFold(3), small) == items(KFold(3, random_state=1), small)


def test_train_test_split(small: Any) -> None:
    trainset, testset = train_test_split(small, random_state=1)
    assert [item for _, item, _ in testset] == [8, 5]
    assert list(trainset.all_ratings())[:3] == [(0, 0, 3.0), (0, 4, 1.0), (0, 6, 2.0)]
    assert len(train_test_split(small, test_size=0.25, train_size=2)[1]) == 3


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (KFold(11), "Incorrect value for n_splits=11"),
        (KFold(1), "Incorrect value for n_splits=1"),
        (ShuffleSplit(test_size=10), "test_size=10 should be less than the number of ratings 10"),
        (ShuffleSplit(train_size=11), "train_size=11 should be less than the number of ratings 10"),
        (ShuffleSplit(test_size=0.2, train_size=0.9), r"The sum of train_size and test_size \(11\)"),
        (LeaveOneOut(min_n_ratings=3), "Could not build any trainset. Maybe min_n_ratings is too high"),
    ],
)
def test_splits_refused(splits: Any, message: str, small: Any) -> None:
    with pytest.raises(ValueError, match=message):
        next(splits.split(small))


def test_sizes_refused_at_once() -> None:
    for arguments in ({"n_splits": 0}, {"test_size": 0}, {"train_size": -0.5}):
        with pytest.raises(ValueError, match="should be strictly greater than 0"):
            ShuffleSplit(**arguments)  # type: ignore[arg-type]


def test_get_cv() -> None:
    splits = PredefinedKFold()
    assert get_cv(splits) is splits
    assert (get_cv(None).get_n_folds(), get_cv(3).get_n_folds()) == (5, 3)
    for wrong in ("5", 2.0, [1]):
        with pytest.raises(ValueError, match=r"Wrong CV object\. Expecting None, an int or CV iterator"):
            get_cv(wrong)


# ---------------------------------------------------------------------- cross-validation


def test_cross_validate(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    splits = KFold(3, random_state=0)
    found = cross_validate(
        BaselineOnly(verbose=False), data, ["RMSE", "fcp"], splits, return_train_measures=True, verbose=True
    )
    assert list(found) == ["test_rmse", "train_rmse", "test_fcp", "train_fcp", "fit_time", "test_time"]
    assert isinstance(found["fit_time"], tuple)
    by_hand = []
    for trainset, testset in splits.split(data):
        algo = BaselineOnly(verbose=False).fit(trainset)
        by_hand.append(accuracy.rmse(algo.test(testset), verbose=False))
    assert found["test_rmse"].tolist() == by_hand
    assert (found["train_rmse"] < found["test_rmse"]).all()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Evaluating RMSE, FCP of algorithm BaselineOnly on 3 split(s)."
    assert lines[2] == "                  Fold 1  Fold 2  Fold 3  Mean    Std     "
    assert re.fullmatch(r"RMSE \(testset\)    (\d\.\d{4}  ){5}", lines[3])
    assert [line[:18].strip() for line in lines[4:]] == [
        "FCP (testset)", "RMSE (trainset)", "FCP (trainset)", "Fit time", "Test time"
    ]  # fmt: skip


def test_jobs_give_the_same(data: Any) -> None:
    found = [
        cross_validate(SVD(n_epochs=2, random_state=3), data, cv=KFold(3, random_state=0), n_jobs=n_jobs)
        for n_jobs in (1, 2)
    ]
    assert np.array_equal(found[0]["test_rmse"], found[1]["test_rmse"])
    assert np.array_equal(found[0]["test_mae"], found[1]["test_mae"])


def test_repeated_folds_have_a_column_each(data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cross_validate(NormalPredictor(), data, ["mae"], RepeatedKFold(2, 2), verbose=True)
    out = capsys.readouterr().out
    assert "on 4 split(s)" in out
    assert "Fold 4" in out


def test_unknown_measures(data: Any) -> None:
    with pytest.raises(AttributeError, match="nothing"):
        cross_validate(NormalPredictor(), data, ["nothing"], cv=2)


def test_a_measure_of_my_own(data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def greatest(predictions: Any, verbose: bool = True) -> float:
        return float(max(abs(row.r_ui - row.est) for row in predictions))

    monkeypatch.setattr(accuracy, "greatest", greatest, raising=False)
    found = cross_validate(SVD(), data, ["Greatest", "rmse"], cv=2)
    assert (found["test_greatest"] > found["test_rmse"]).all()


# ---------------------------------------------------------------------- search


def test_grid_search(data: Any) -> None:
    grid = {"n_epochs": [1, 8], "lr_all": [0.001, 0.02], "random_state": [0]}
    search = GridSearchCV(SVD, grid, ["RMSE", "fcp"], cv=KFold(3, random_state=0), return_train_measures=True)
    assert [list(one.values()) for one in search.param_combinations] == [
        [1, 0.001, 0], [1, 0.02, 0], [8, 0.001, 0], [8, 0.02, 0]
    ]  # fmt: skip
    assert search.fit(data) is None  # type: ignore[func-returns-value]
    results = search.cv_results
    rmses, fcps = results["mean_test_rmse"], results["mean_test_fcp"]
    assert search.best_index == {"rmse": rmses.argmin(), "fcp": fcps.argmax()}
    assert search.best_score["rmse"] == rmses.min()
    assert search.best_params["rmse"] == {"n_epochs": 8, "lr_all": 0.02, "random_state": 0}
    assert search.best_estimator["rmse"].n_epochs == 8
    assert results["rank_test_rmse"][rmses.argmin()] == 1
    assert results["rank_test_fcp"][fcps.argmax()] == 1
    assert results["param_n_epochs"] == [1, 1, 8, 8]
    splits = [results[f"split{split}_test_rmse"] for split in range(3)]
    assert np.allclose(np.mean(splits, axis=0), rmses)
    assert np.allclose(np.std(splits, axis=0), results["std_test_rmse"])
    assert {"mean_train_rmse", "split2_train_fcp", "mean_fit_time", "std_test_time"} <= set(results)
    assert len(pd.DataFrame(results)) == 4
    for method in (lambda: search.predict(1, 2), lambda: search.test([])):
        with pytest.raises(ValueError, match=r"refit is False, cannot use (predict|test)\(\)"):
            method()


@pytest.mark.parametrize("refit", [True, "mae", "RMSE"])
def test_refit(data: Any, refit: bool | str) -> None:
    search = GridSearchCV(SVD, {"n_epochs": [3], "random_state": [0]}, cv=2, refit=refit)
    search.fit(data)
    algo = SVD(n_epochs=3, random_state=0).fit(data.build_full_trainset())
    assert search.predict(1, 2) == algo.predict(1, 2)
    assert search.test([(1, 2, 3.0)]) == algo.test([(1, 2, 3.0)])


def test_refit_refused(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match=r"the measure you want to use with refit \(fcp\)"):
        GridSearchCV(SVD, {}, refit="fcp")
    (tmp_path / "a").write_text("1 2 3\n1 3 4\n")
    folds = Dataset.load_from_folds([(str(tmp_path / "a"),) * 2], Reader())
    with pytest.raises(
        ValueError, match="refit cannot be used when data has been loaded with load_from_folds"
    ):
        GridSearchCV(SVD, {"n_epochs": [1]}, refit=True, cv=PredefinedKFold()).fit(folds)
    search = GridSearchCV(SVD, {"n_epochs": [1]}, cv=PredefinedKFold())
    search.fit(folds)
    assert len(search.cv_results["mean_test_rmse"]) == 1


def test_options_in_grids(data: Any) -> None:
    grid = {
        "k": [2, 5],
        "sim_options": {"name": ["msd", "cosine"], "min_support": [1, 5], "user_based": [False]},
        "verbose": [False],
    }
    search = GridSearchCV(KNNBasic, grid, cv=2, n_jobs=2)
    assert len(search.param_combinations) == 8
    assert search.param_combinations[1] == {
        "k": 2,
        "sim_options": {"name": "msd", "min_support": 5, "user_based": False},
        "verbose": False,
    }
    search.fit(data)
    assert len(search.cv_results["params"]) == 8
    assert grid["sim_options"]["name"] == ["msd", "cosine"]  # type: ignore[index]


def test_randomized_search(data: Any) -> None:
    lists = {"n_epochs": [1, 2, 3], "lr_all": [0.002, 0.005], "random_state": [0]}
    np.random.seed(0)  # noqa: NPY002  # the generator that scikit-surprise uses
    search = RandomizedSearchCV(SVD, lists, n_iter=6, cv=2, refit=True)
    chosen = {(one["n_epochs"], one["lr_all"]) for one in search.param_combinations}
    assert len(chosen) == 6  # without replacement
    search.fit(data)
    assert search.predict(1, 2) == search.best_estimator["rmse"].predict(1, 2)
    with pytest.raises(ValueError, match="larger sample than population"):
        RandomizedSearchCV(SVD, lists, n_iter=7)


def test_draws_from_distributions() -> None:
    space = {"n_epochs": stats.randint(1, 5), "lr_all": stats.uniform(0.001, 0.005), "reg_all": [0.1, 0.2]}
    search = RandomizedSearchCV(SVD, space, n_iter=2, random_state=3)
    assert search.param_combinations == [  # those of scikit-surprise
        {"lr_all": 0.0037539895128728775, "n_epochs": 2, "reg_all": 0.2},
        {"lr_all": 0.002454523694564722, "n_epochs": 1, "reg_all": 0.2},
    ]
