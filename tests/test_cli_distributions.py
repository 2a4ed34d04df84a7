"""Commands with distributions: columns of `predict`, and lists that explore."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.conftest import run_inside as run


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model with distributions, one without, and pairs."""
    folder = tmp_path_factory.mktemp("models")
    ratings = cf.datasets.synthetic(60, 40, 900, random_state=0)
    paths = {name: folder / f"{name}.cf" for name in ("bayesian", "svd")}
    cf.BayesianSVD(n_factors=3, n_samples=20, burn_in=10, sessions=None, random_state=0).fit(ratings).save(
        paths["bayesian"]
    )
    cf.SVD(n_factors=3, n_epochs=3, random_state=0).fit(ratings).save(paths["svd"])
    paths["pairs"] = folder / "pairs.csv"
    rows = [f"{user},{item}" for user, item in zip(ratings.users[:30], ratings.items[:30], strict=True)]
    paths["pairs"].write_text("\n".join(["user,item", *rows, "99999,1"]) + "\n")
    paths["ratings"] = folder / "ratings.csv"
    columns = zip(ratings.users, ratings.items, ratings.values, strict=True)
    lines = [f"{user},{item},{value}" for user, item, value in columns]
    paths["ratings"].write_text("\n".join(["user,item,rating", *lines]) + "\n")
    return paths


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_columns_of_standard_deviations_and_intervals(files: dict[str, Path]) -> None:
    found = run("predict", files["bayesian"], files["pairs"], "--std", "--interval", "0.8")
    assert found.returncode == 0, found.stderr
    rows = rows_of(found.stdout)
    assert list(rows[0]) == ["user", "item", "prediction", "std", "low", "high", "unknown"]
    model: Any = cf.load(files["bayesian"])
    users, items = (np.array([int(row[name]) for row in rows]) for name in ("user", "item"))
    expected = *model.predict(users, items, return_std=True), *model.predict_interval(users, items, 0.8)
    for name, numbers in zip(("prediction", "std", "low", "high"), expected, strict=True):
        np.testing.assert_allclose([float(row[name]) for row in rows], numbers, rtol=1e-5)
    assert rows[-1]["unknown"] == "user"
    only = rows_of(run("predict", files["bayesian"], files["pairs"], "--std").stdout)
    assert list(only[0]) == ["user", "item", "prediction", "std", "unknown"]


def test_lists_that_explore(files: dict[str, Path]) -> None:
    model: Any = cf.load(files["bayesian"])
    user = int(model.user_ids_[4])
    found = run("recommend", files["bayesian"], user, "-n", "4", "--by", "upper", "--n-std", "2")
    ids, scores = model.recommend(user, 4, by="upper", n_std=2)
    rows = rows_of(found.stdout)
    assert [int(row["item"]) for row in rows] == ids.tolist()
    np.testing.assert_allclose([float(row["score"]) for row in rows], scores, rtol=1e-5)
    first, again, other = (
        run("recommend", files["bayesian"], "--all", "--by", "sample", "--seed", seed).stdout
        for seed in ("1", "1", "4")
    )
    assert first == again != other
    judged = run("evaluate", files["bayesian"], files["ratings"], "--by", "upper", "--include-seen")
    assert judged.returncode == 0, judged.stderr
    assert "ndcg@10" in judged.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "svd", "pairs", "--std"], "--std: SVD has no distribution of its predictions; models"),
        (["predict", "svd", "pairs", "--interval", "0.9"], "--interval 0.9: SVD has no distribution"),
        (["predict", "bayesian", "pairs", "--interval", "1"], "--interval 1: a coverage is below 1"),
        (["recommend", "svd", "--all", "--by", "upper"], "--by upper: SVD has no distribution"),
        (["evaluate", "svd", "pairs", "--by", "sample"], "--by sample: SVD has no distribution"),
        (["recommend", "bayesian", "--all", "--by", "stars"], "or to explore upper or sample"),
    ],
)
def test_wrong_usage_is_one_line(files: dict[str, Path], arguments: list[str], message: str) -> None:
    found = run(*(files.get(argument, argument) for argument in arguments))
    assert found.returncode == 2
    assert message in found.stderr
    assert found.stdout == ""


def test_pairs_without_times_are_said_to_be_without_sessions(files: dict[str, Path], tmp_path: Path) -> None:
    ratings = tmp_path / "ratings.csv"
    header, *rows = files["ratings"].read_text().split()
    timed = [f"{row},{880_000_000 + 40_000 * (at % 7)}" for at, row in enumerate(rows)]
    ratings.write_text("\n".join([f"{header},timestamp", *timed]) + "\n")
    few = ["--set=n_factors=2", "--set=n_samples=4", "--set=burn_in=2"]
    assert run("fit", ratings, "-m", "bayesian-svd", *few, "-o", tmp_path / "m.cf").returncode == 0
    done = run("predict", tmp_path / "m.cf", files["pairs"])
    assert "no times, so that predictions leave out the biases of sessions; --timestamp NAME" in done.stderr
    assert "no times" not in run("predict", files["bayesian"], files["pairs"]).stderr
