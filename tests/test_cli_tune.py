"""``cfcore tune``, run as a process."""

from __future__ import annotations

import json
import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.conftest import run_cfcore, run_inside

run = partial(run_inside, "tune")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of ratings."""
    ratings = cf.datasets.synthetic(80, 50, 1_500, random_state=0)
    rows = zip(ratings.users, ratings.items, ratings.values, strict=True)
    path = tmp_path_factory.mktemp("tune")
    (path / "ratings.csv").write_text("user,item,rating\n" + "".join(f"{u},{i},{v:g}\n" for u, i, v in rows))
    return path


def test_tune_is_search_and_goes_on(folder: Path, tmp_path: Path) -> None:
    data, study = folder / "ratings.csv", tmp_path / "study.db"
    arguments = (data, "-m", "svd", "--set", "n_epochs=4", "--vary", "lr=.001,.05,log", "--vary",
                 "n_factors=2,6", "--vary", "biased=[true, false]", "--cv", 2, "--seed", 1,
                 "--study", study, "--json", "-")  # fmt: skip
    first = run(*arguments, "--trials", 3)
    assert first.returncode == 0, first.stderr
    found = json.loads(first.stdout)
    space = {"lr": (0.001, 0.05, "log"), "n_factors": (2, 6), "biased": [True, False]}
    ratings = cf.Ratings.read(data)
    expected = cf.selection.search(
        cf.SVD(n_epochs=4, random_state=1), ratings, space, budget=3, cv=2, random_state=1
    )
    assert found["value"] == expected.value
    assert found["params"] == expected.params
    assert [trial["rmse"] for trial in found["trials"]] == expected.table["rmse"].tolist()

    out = tmp_path / "best.cf"
    more = run(*arguments, "--trials", 5, "--out", out)
    assert more.returncode == 0, more.stderr
    again = json.loads(more.stdout)
    assert again["trials"][:3] == found["trials"]  # seconds, too: they were not run again
    assert len(again["trials"]) == 5
    assert again["value"] <= found["value"]
    written = cf.load(out)
    assert {name: written.get_params()[name] for name in again["params"]} == again["params"]
    refitted = written.clone().fit(ratings)
    np.testing.assert_array_equal(refitted.predict(ratings), written.predict(ratings))


def test_settings_are_printed_as_fit_takes_them(folder: Path) -> None:
    done = run(folder / "ratings.csv", "-m", "baseline", "--trials", 3, "--metric", "ndcg@5", "--cv", 2)
    assert done.returncode == 0, done.stderr
    assert re.match(r"Baseline: ndcg@5 0\.\d+ on ratings held out; trials: 3 complete", done.stdout)
    assert re.search(r"^  --set reg_user=[\d.]+$", done.stdout, re.MULTILINE)
    assert done.stderr == ""  # no bar without a terminal


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((), {"by": "preference"}),
        (("--by", "rating", "--min-support", 3, "--threshold", 3),
         {"by": "rating", "min_support": 3, "threshold": 3}),
    ],
)  # fmt: skip
def test_lists_are_judged_as_evaluate_judges_them(folder: Path, arguments: Any, options: Any) -> None:
    done = run(folder / "ratings.csv", "-m", "svd", "--trials", 2, "--metric", "ndcg@5", "--cv", 2,
               "--vary", "n_factors=[2,3]", "--set", "n_epochs=3", "--json", "-", *arguments)  # fmt: skip
    assert done.returncode == 0, done.stderr
    model = cf.SVD(n_epochs=3, random_state=0)
    expected = cf.selection.search(
        model, cf.Ratings.read(folder / "ratings.csv"), {"n_factors": [2, 3]}, budget=2, cv=2,
        metric="ndcg@5", **options,
    )  # fmt: skip
    assert json.loads(done.stdout)["value"] == expected.value


def test_a_budget_of_time(folder: Path) -> None:
    done = run(folder / "ratings.csv", "-m", "baseline", "--budget", "2s", "--cv", 2, "--json", "-")
    assert done.returncode == 0, done.stderr
    trials = json.loads(done.stdout)["trials"]
    assert sum(trial["seconds"] for trial in trials if trial["state"] != "failed") < 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.csv"], 2, "neither a data set"),
        (["@ratings.csv", "--rating", "stars"], 1, "no column 'stars' for rating"),
        (["@ratings.csv", "-m", "svm"], 2, "unknown model 'svm'"),
        (["@ratings.csv", "-m", "global-mean"], 2, "there are no ranges built in for GlobalMean"),
        (["@ratings.csv", "-m", "popularity"], 2, "name those to vary with --vary NAME=RANGE"),
        (["@ratings.csv", "-m", "timesvdpp", "--trials", "1"], 1, "timestamps"),
        (["@ratings.csv", "--budget", "5"], 2, "for a number of trials --trials 5"),
        (["@ratings.csv", "--budget", "5m", "--trials", "3"], 2, "give one of them"),
        (["@ratings.csv", "--trials", "1", "--cv", "1"], 2, "--cv 1: it must be from 2"),
        (["@ratings.csv", "--metric", "auc"], 2, "unknown metric 'auc'"),
        (["@ratings.csv", "--set", "lr=-1", "--trials", "1"], 2, "lr must be"),
        (["@ratings.csv", "--vary", "lr"], 2, "write it as NAME=LOW,HIGH"),
        (["@ratings.csv", "--vary", "speed=1,2"], 2, "no hyper-parameter 'speed'"),
        (["@ratings.csv", "--vary", "lr=[a]"], 2, "double quotes"),
        (["@ratings.csv", "--vary", "lr=2,1"], 2, "lr has the range"),
        (["@ratings.csv", "-o", "no/best.cf"], 2, "there is no folder"),
        (["@ratings.csv", "--study", "no/study.db"], 2, "there is no folder"),
        (["@ratings.csv", "--study", "@text.db"], 1, "damaged or no study"),
        (["@ratings.csv", "--study", "@cut.db", "-m", "baseline"], 1, "damaged or no study"),
        (["@ratings.csv", "--study", "@study.db", "-m", "baseline", "--cv", "3"], 2, "another search"),
    ],
)
def test_errors_are_reported_in_one_line(folder: Path, arguments: list[str], code: int, message: str) -> None:
    (folder / "text.db").write_text("trials\n")
    if not (folder / "study.db").exists():
        cf.selection.search(
            cf.Baseline(), ratings=cf.Ratings.read(folder / "ratings.csv"), budget=2, cv=2,
            study=folder / "study.db", refit=False,
        )  # fmt: skip
        (folder / "cut.db").write_bytes((folder / "study.db").read_bytes()[:5_000])
    before = (folder / "study.db").read_bytes()
    done = run(*[argument.replace("@", f"{folder}/") for argument in arguments])
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert (folder / "study.db").read_bytes() == before


def test_without_optuna_the_error_names_the_package(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "optuna.py").write_text("raise ImportError('no optuna here')\n")
    path = os.pathsep.join([str(tmp_path), str(Path(cf.__file__).parents[1])])
    done = run_cfcore("tune", folder / "ratings.csv", "--trials", 2, PYTHONPATH=path)
    assert done.returncode == 1
    assert "pip install 'cfcore[tune]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_bar_shows_the_budget(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cfcore.progress import progress_bar
    from cfcore.selection import searching

    titles = []

    def shown(total: float | None, description: str, enabled: bool | int) -> object:
        titles.append((total, description))
        return progress_bar(total, description, False)

    monkeypatch.setattr(searching, "progress_bar", shown)
    assert run(folder / "ratings.csv", "-m", "baseline", "--budget", "1s", "--cv", 2).returncode == 0
    assert run(folder / "ratings.csv", "-m", "baseline", "--trials", 2, "--cv", 2).returncode == 0
    assert titles == [(None, "search, 1s at most"), (2, "search")]
