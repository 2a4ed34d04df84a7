"""``--model blend``: members that suit the ratings, or those that are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.conftest import run_inside as run

QUICK = (
    "--set",
    "cv=2",
    "--set",
    "svdpp__n_epochs=2",
    "--set",
    "rbm__n_epochs=2",
    "--set",
    "rbm__n_hidden=4",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ratings with and without times, and with more different values than an RBM takes."""
    path = tmp_path_factory.mktemp("blend")
    ratings = cf.datasets.synthetic(40, 30, 500, random_state=0)
    rng = np.random.default_rng(0)
    rows = list(
        zip(
            ratings.users, ratings.items, ratings.values, rng.integers(10**9, 10**9 + 10**7, 500), strict=True
        )
    )
    (path / "times.csv").write_text(
        "user,item,rating,time\n" + "".join(f"{u},{i},{v:g},{t}\n" for u, i, v, t in rows)
    )
    (path / "plain.csv").write_text("user,item,rating\n" + "".join(f"{u},{i},{v:g}\n" for u, i, v, _ in rows))
    (path / "fine.csv").write_text(
        "user,item,rating\n" + "".join(f"{u},{i},{v + rng.random():.4f}\n" for u, i, v, _ in rows)
    )
    return path


@pytest.mark.parametrize(
    ("data", "members", "left_out"),
    [
        ("times.csv", ["itemknn", "userknn", "svdpp", "timesvdpp", "rbm"], []),
        ("plain.csv", ["itemknn", "userknn", "svdpp", "rbm"], ["TimeSVDpp"]),
        ("fine.csv", ["itemknn", "userknn", "svdpp"], ["TimeSVDpp", "RBM"]),
    ],
)
def test_members_suit_the_ratings(
    folder: Path, tmp_path: Path, data: str, members: list[str], left_out: list[str]
) -> None:
    done = run(
        "fit", folder / data, "-o", tmp_path / "b.cf", "-m", "blend", *QUICK, "--set", "timesvdpp__n_epochs=2"
    )
    assert done.returncode == 0, done.stderr
    fitted: Any = cf.load(tmp_path / "b.cf")
    assert fitted.names_ == members
    assert [line.split()[2] for line in done.stderr.splitlines()] == left_out
    assert fitted.get_params()["svdpp__n_epochs"] == 2


def test_named_members_are_those_of_the_library(folder: Path, tmp_path: Path) -> None:
    done = run("fit", folder / "plain.csv", "-o", tmp_path / "b.cf", "--model", "Blend",
               "--members", "ItemKNN,baseline", "--seed", 3, "--json", "-")  # fmt: skip
    assert done.returncode == 0, done.stderr
    ratings = cf.Ratings.read(folder / "plain.csv")
    expected = cf.Blend([cf.ItemKNN(), cf.Baseline()], random_state=3).fit(ratings)
    np.testing.assert_array_equal(cf.load(tmp_path / "b.cf").predict(ratings), expected.predict(ratings))
    assert json.loads(done.stdout)["model"] == "Blend"
    assert "itemknn" in run("info", tmp_path / "b.cf").stdout


def test_a_named_member_that_needs_times_says_so(folder: Path, tmp_path: Path) -> None:
    done = run(
        "fit", folder / "plain.csv", "-o", tmp_path / "b.cf", "-m", "blend", "--members", "svd,timesvdpp"
    )
    assert done.returncode == 1
    assert "TimeSVDpp needs ratings with timestamps" in done.stderr


def test_tune_varies_members(folder: Path) -> None:
    done = run("tune", folder / "plain.csv", "-m", "blend", "--members", "baseline,global-mean",
               "--set", "cv=2", "--vary", "baseline__reg_user=1,20", "--trials", 2,
               "--cv", 2, "--json", "-")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)["params"]) == ["baseline__reg_user"]
