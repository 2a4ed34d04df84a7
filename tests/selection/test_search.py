"""search: finds better settings, prunes bad ones, keeps to its budget, goes on after a kill."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

import cfcore as cf
from cfcore.selection import spaces
from cfcore.selection import study as studies
from cfcore.selection.searching import parse_budget

BAD: dict[str, Any] = {"n_factors": 3, "n_epochs": 4, "lr": 0.3, "reg": 1.0}


@pytest.fixture(scope="module")
def train() -> cf.Ratings:
    return cf.datasets.synthetic(150, 100, 5_000, random_state=1)


def cv_rmse(model: cf.Model, train: cf.Ratings, cv: int = 5) -> float:
    return cf.selection.cross_validate(model, train, cv=cv).mean("rmse")


def test_finds_better_settings_from_bad_ones(train: cf.Ratings) -> None:
    given = cf.SVD(**BAD, random_state=0)
    found = cf.selection.search(given, ratings=train, budget=12)
    assert found.table["trial"].tolist() == list(range(12))
    # The first trial is the model as it was given, the second the defaults of its class.
    assert found.table["rmse"][0] == pytest.approx(cv_rmse(given, train), 1e-9)
    assert found.table["lr"][0] == 0.3
    assert found.table["rmse"][1] == pytest.approx(cv_rmse(cf.SVD(random_state=0), train), abs=1e-3)
    assert found.value == np.nanmin(found.table["rmse"][found.table["state"] == "complete"])
    assert found.value <= found.table["rmse"][1] < found.table["rmse"][0]
    # The value is that of `cross_validate`.
    assert found.value == pytest.approx(cv_rmse(found.model, train), 1e-9)
    assert found.params == {name: found.model.get_params()[name] for name in found.params}
    assert found.model.random_state == 0
    assert len(found.model.predict(train)) == len(train)
    assert given.get_params()["n_factors"] == 3
    assert f"{found.value:.5f}" in repr(found)
    assert "n_factors" in repr(found.table)


def test_bad_settings_are_pruned_by_epoch(train: cf.Ratings) -> None:
    space = {"lr": (1e-6, 1e-5), "n_epochs": (20, 20), "lr_decay": (1.0, 1.0)}
    calls: list[Any] = []

    class Counted(cf.SVD):
        def _fit(self, train: cf.Ratings, context: Any) -> Any:
            state = super()._fit(train, context)
            calls.append(state.n_epochs)
            return state

    good = {"lr": (0.04, 0.05), "n_epochs": (20, 20), "lr_decay": (0.9, 0.9)}
    model = Counted(n_factors=4, random_state=0)
    study = cf.selection.search(model, train, good, budget=8, refit=False).study
    epochs = sum(calls)
    # Trials that learn nothing, after good ones: none of them gets past the first fold.
    pairs = list(cf.split.kfold(train, 5, 0))
    from cfcore.metrics.measuring import parse
    from cfcore.selection.trials import Goal, Judge
    from cfcore.selection.workers import Stop

    asked = studies.Asked(study, 11, None)
    judge = Judge(model, space, pairs, Goal(parse("rmse")[0]), study, asked)
    for trial in asked:
        judge(trial, Stop())
    assert [trial.state.name for trial in study.trials[8:]] == ["PRUNED"] * 3
    assert all(max(trial.intermediate_values) < 4 for trial in study.trials[8:])
    assert sum(calls) == epochs  # none of their fits ended


def test_built_in_ranges_hold_the_defaults(train: cf.Ratings) -> None:
    for name in ("Baseline", "ItemKNN", "UserKNN", "SVD", "SVDpp"):
        model = getattr(cf, name)()
        space, defaults = spaces.default_space(model, train)
        spaces.check_space(space, model)
        assert spaces.inside(space, defaults), name
        found = cf.selection.search(model, ratings=train, budget=3, cv=2)
        assert set(found.params) == set(space)
        assert found.value < train.values.std()
    sgd, _ = spaces.default_space(cf.Baseline(method="sgd"), train)
    assert "lr" in sgd
    with pytest.raises(ValueError, match=r"GlobalMean.*space="):
        cf.selection.search(cf.GlobalMean(), ratings=train)


@pytest.mark.parametrize("name", ["TimeSVDpp", "RBM"])
def test_built_in_ranges_of_slow_models(name: str) -> None:
    """Settings from all parts of the ranges can be fitted, and bad ones are pruned."""
    train = cf.datasets.synthetic(60, 40, 1_000, random_state=2)
    model = getattr(cf, name)(random_state=0)
    space, defaults = spaces.default_space(model, train)
    spaces.check_space(space, model)
    assert spaces.inside(space, defaults)
    found = cf.selection.search(model, ratings=train, budget=14, cv=2, refit=False)
    assert set(found.params) == set(space)
    states = list(found.table["state"])
    assert states.count("complete") + states.count("pruned") == 14
    assert states.count("pruned") >= 1
    assert found.value <= found.table["rmse"][1]  # the defaults of the class
    for key, given in space.items():
        drawn = list(found.table[key][2:])
        if isinstance(given, list):
            assert all(value in given for value in drawn)
            assert len({repr(value) for value in drawn}) > 1
        else:
            assert given[0] <= min(drawn) < max(drawn) <= given[1]
    # The value is that of `cross_validate`.
    assert cf.selection.cross_validate(found.model, train, cv=2).mean("rmse") == pytest.approx(found.value)


def test_space_of_ones_own(train: cf.Ratings) -> None:
    blend = cf.Blend([cf.Baseline(), cf.SVD(n_factors=2, n_epochs=3)], cv=2)
    space = {
        "svd__n_factors": (1, 4),
        "baseline__reg_user": (1.0, 9.0, "log"),
        "method": ["ridge", "mean"],
    }
    found = cf.selection.search(blend, train, space, budget=4, cv=2, metric="fcp")
    assert found.value == max(found.table["fcp"][found.table["state"] == "complete"])
    assert 0.5 < found.value < 1
    for row in range(1, 4):
        assert found.table["svd__n_factors"][row] in (1, 2, 3, 4)
        assert 1 <= found.table["baseline__reg_user"][row] <= 9
        assert found.table["method"][row] in ("ridge", "mean")


@pytest.mark.parametrize(
    ("space", "error", "message"),
    [
        ({"nonsense": (0, 1)}, ValueError, "nonsense"),
        ({"reg_user": (1,)}, TypeError, "reg_user"),
        ({"reg_user": (2, 1)}, ValueError, "reg_user"),
        ({"reg_user": (0, 1, "log")}, ValueError, "reg_user"),
        ({"reg_user": (0, 1, "lin")}, TypeError, "reg_user"),
        ({"reg_user": ("a", "b")}, TypeError, "reg_user"),
        ({"reg_user": []}, ValueError, "reg_user"),
        ({}, TypeError, "space"),
    ],
)
def test_bad_space(train: cf.Ratings, space: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        cf.selection.search(cf.Baseline(), train, space)


def test_searches_by_lists(train: cf.Ratings) -> None:
    space = {"n_factors": (2, 8), "lr": (0.005, 0.03, "log")}
    found = cf.selection.search(
        cf.SVD(n_epochs=4, random_state=0), train, space, budget=4, cv=2, metric="ndcg@5", refit=False
    )
    complete = found.table["ndcg@5"][found.table["state"] == "complete"]
    assert found.value == max(complete) > min(complete)  # larger is better
    table = cf.selection.cross_validate(found.model, train, cv=2, metrics="ndcg@5")
    assert found.value == pytest.approx(table.mean("ndcg@5"))


def test_a_metric_without_a_value_ends_the_search(train: cf.Ratings) -> None:
    low = cf.Ratings(train.users, train.items, np.clip(train.values, 1, 2), scale=(1, 5))
    with pytest.raises(
        cf.DataError, match=r"fold 0: ndcg: no item is relevant: the threshold is 4"
    ):  # no item is relevant
        cf.selection.search(cf.Baseline(), ratings=low, budget=3, metric="ndcg")


def test_a_model_that_always_fails_ends_the_search(train: cf.Ratings) -> None:
    class Failing(cf.Baseline):
        def _fit(self, train: cf.Ratings, context: Any) -> Any:
            raise FloatingPointError

    with pytest.raises(ValueError, match="no trial was finished"):
        cf.selection.search(Failing(), ratings=train, budget=3)


def test_bad_arguments(train: cf.Ratings, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets: list[Any] = [0, -1, "5", "m", "-5m", "infm", 2.5, None, True]
    for budget in budgets:
        with pytest.raises(ValueError, match="budget"):
            cf.selection.search(cf.Baseline(), ratings=train, budget=budget)
    with pytest.raises(ValueError, match="ratings"):
        cf.selection.search(cf.Baseline())
    with pytest.raises(ValueError, match="metric"):
        cf.selection.search(cf.Baseline(), ratings=train, metric="accuracy")
    with pytest.raises(ValueError, match="n_epochs"):
        cf.selection.search(cf.SVD(n_epochs=-1), train, {"lr": (0.01, 0.02)}, budget=2)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"cfcore\[tune\]"):
        cf.selection.search(cf.Baseline(), ratings=train)


def test_budget_of_time(train: cf.Ratings) -> None:
    assert [parse_budget(text) for text in ("90s", "5m", "1.5h", 7)] == [
        (90, None), (300, None), (5400, None), (None, 7)
    ]  # fmt: skip
    now, begun, ended = [0.0], [], []

    class Late(cf.SVD):
        """The time is up during the fifth fit."""

        def _fit(self, train: cf.Ratings, context: Any) -> Any:
            begun.append(1)
            if len(begun) == 5:
                now[0] = 41.0
            state = super()._fit(train, context)
            ended.append(1)
            return state

    real = time.monotonic
    try:
        time.monotonic = lambda: now[0]
        found = cf.selection.search(
            Late(n_factors=2, n_epochs=3, random_state=0), train, {"lr": (0.01, 0.02)}, budget="40s", cv=2,
            refit=False,
        )  # fmt: skip
    finally:
        time.monotonic = real
    # Two trials of two folds; the third ended in its first fit, does not count, and is the last.
    assert (len(begun), len(ended)) == (5, 4)
    assert list(found.table["state"]) == ["complete", "complete", "stopped"]
    assert np.isnan(found.table["rmse"][-1])
    assert found.value == min(found.table["rmse"][:2])


def test_study_that_goes_on_draws_other_settings(train: cf.Ratings, tmp_path: Path) -> None:
    settings = []
    for budget in (5, 10):  # after the two given trials all are drawn at random
        study = cf.selection.search(
            cf.Baseline(), ratings=train, budget=budget, study=tmp_path / "study.db", random_state=3
        ).study
        settings = [tuple(trial.params.values()) for trial in study.trials]
    assert len(settings) == 10
    assert len(set(settings)) == 10


def test_study_goes_on(train: cf.Ratings, tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    first = cf.selection.search(cf.Baseline(), ratings=train, budget=4, study=path)
    more = cf.selection.search(cf.Baseline(), ratings=train, budget=7, study=path)
    assert len(more.table["trial"]) == 7
    np.testing.assert_array_equal(more.table["rmse"][:4], first.table["rmse"])
    assert more.value <= first.value
    again = cf.selection.search(cf.Baseline(), ratings=train, budget=7, study=path)
    np.testing.assert_array_equal(again.table["rmse"], more.table["rmse"])
    for other, what in (
        ({"model": cf.Baseline(n_epochs=3)}, "model"),
        ({"ratings": train.subset(slice(1, None))}, "ratings"),
        ({"metric": "mae"}, "metric"),
        ({"cv": 3}, "folds"),
    ):
        arguments: dict[str, Any] = {
            "model": cf.Baseline(),
            "ratings": train,
            "budget": 9,
            "study": path,
            **other,
        }
        with pytest.raises(ValueError, match=what):
            cf.selection.search(**arguments)


PROGRAM = """
import sys, time
import cfcore as cf

class Slow(cf.Baseline):
    def _fit(self, train, context):
        if sys.argv[2] == "slow":
            time.sleep(.05)
        return super()._fit(train, context)

train = cf.datasets.synthetic(150, 100, 5_000, random_state=1)
found = cf.selection.search(Slow(), ratings=train, budget=12, study=sys.argv[1])
print(len([state for state in found.table["state"] if state != "failed"]), found.value)
"""


def begun(path: Path) -> int:
    """Number of trials in the file; 0 until it has tables."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT COUNT(*) FROM trials").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_a_killed_search_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(path), "slow"])

    def trials() -> list[Any]:
        return optuna.load_study(study_name="cfcore", storage=f"sqlite:///{path}").trials

    # Read here without Optuna, which would make the tables at the same time as the process.
    while process.poll() is None and begun(path) < 4:
        time.sleep(0.05)
    assert process.poll() is None, "the search ended before it was killed"
    process.kill()
    process.wait()
    before = [trial for trial in trials() if trial.state.name in ("COMPLETE", "PRUNED")]
    assert 1 <= len(before) < 12
    out = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), "fast"], capture_output=True, text=True, check=True
    )
    after = trials()
    assert out.stdout.split()[0] == "12"
    assert not [trial for trial in after if trial.state.name == "RUNNING"]
    kept = {trial.number: trial.value for trial in after}
    assert all(kept[trial.number] == trial.value for trial in before)


def test_a_trial_left_running_is_run_again(train: cf.Ratings, tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    cf.selection.search(cf.Baseline(), ratings=train, budget=3, study=path)
    study = optuna.load_study(study_name="cfcore", storage=f"sqlite:///{path}")
    trial = study.ask()
    trial.suggest_float("reg_user", 1.0, 30.0, log=True)
    trial.suggest_float("reg_item", 1.0, 30.0, log=True)
    found = cf.selection.search(cf.Baseline(), ratings=train, budget=4, study=path)
    assert list(found.table["state"])[3:] == ["failed", "complete"]
    assert found.table["reg_user"][4] == trial.params["reg_user"]


def test_trials_side_by_side(train: cf.Ratings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFCORE_NUM_THREADS", "4")
    found = cf.selection.search(
        cf.SVD(n_factors=4, n_epochs=3), train, {"lr": (0.005, 0.05), "reg": (0.01, 0.2)}, budget=9,
        n_jobs=3,
    )  # fmt: skip
    assert len(found.table["trial"]) == 9
    assert found.value == pytest.approx(cv_rmse(found.model.clone().set_params(random_state=0), train), 1e-9)


def test_models_for_lists_are_judged_by_their_lists() -> None:
    ratings = cf.datasets.synthetic(60, 40, 900, random_state=0)
    for model, metric in ((cf.EASE(), "ndcg@10"), (cf.Popularity(), "ndcg@10"), (cf.Baseline(), "rmse")):
        name = {"EASE": "reg", "Popularity": "reg_item", "Baseline": "reg_user"}[type(model).__name__]
        found = cf.selection.search(model, ratings, {name: [1.0, 200.0]}, budget=2, cv=2, refit=False)
        assert metric in found.table
    ranker = cf.Ranker(cf.Popularity(), cf.Baseline())
    found = cf.selection.search(ranker, ratings, budget=3, cv=2, refit=False)
    assert 0 <= found.params["weight"] <= 1
