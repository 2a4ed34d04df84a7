"""Models for lists on the command line: fit, what lists are ranked by, and what is said of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.conftest import run_inside as run
from tests.contents import csv_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ratings, and models of them."""
    path = tmp_path_factory.mktemp("lists")
    ratings = cf.datasets.synthetic(40, 30, 500, random_state=0)
    rows = zip(ratings.users, ratings.items, ratings.values, strict=True)
    (path / "r.csv").write_text("user,item,rating\n" + "".join(f"{u},{i},{v:g}\n" for u, i, v in rows))
    for name, options in {
        "svd": ("--set", "n_factors=4"),
        "popularity": (),
        "ease": ("--set", "reg=20"),
        "ranker": ("--rater", "svd", "--set", "rater__n_factors=4", "--set", "chooser__reg=20"),
    }.items():
        done = run("fit", path / "r.csv", "-o", path / f"{name}.cf", "-m", name, *options)
        assert done.returncode == 0, done.stderr
    return path


def items_of(text: str) -> list[int]:
    return [int(row["item"]) for row in csv.DictReader(text.splitlines())]


@pytest.mark.parametrize("name", ["svd", "popularity", "ease", "ranker"])
def test_lists_are_by_preference_unless_by_says_otherwise(folder: Path, name: str) -> None:
    model: Any = cf.load(folder / f"{name}.cf")
    user = model.user_ids_[3].item()
    found = run("recommend", folder / f"{name}.cf", user, "-n", 6)
    ids, scores = model.recommend(user, 6, by="preference")
    assert items_of(found.stdout) == ids.tolist()
    rows = list(csv.DictReader(found.stdout.splitlines()))
    assert list(rows[0]) == ["user", "rank", "item", "score"]
    np.testing.assert_allclose([float(row["score"]) for row in rows], scores, rtol=1e-5)
    for by in ("rating", "preference"):
        asked = run("recommend", folder / f"{name}.cf", user, "-n", 6, "--by", by)
        assert items_of(asked.stdout) == model.recommend(user, 6, by=by)[0].tolist()
        assert asked.stderr == ""
    assert found.stdout == asked.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("svd", r"choices by popularity, weighed by the chance of a rating of at least \S+ by SVD"),
        ("popularity", "choices by popularity"),
        ("ease", "choices by EASE"),
        ("ranker", r"choices by EASE, weighed by the chance of a rating of at least \S+ by SVD"),
    ],
)
def test_what_lists_are_ranked_by_is_said_with_the_way_to_the_other(
    folder: Path, name: str, said: str
) -> None:
    import re

    done = run("recommend", folder / f"{name}.cf", 1, "--json")
    (line,) = done.stderr.splitlines()
    pattern = rf"cfcore: note: lists are ranked by preference \({said}\); for predicted ratings: --by rating"
    assert re.fullmatch(pattern, line), line
    assert json.loads(done.stdout.splitlines()[0]).keys() == {"user", "rank", "item", "score"}


def test_a_criterion_that_does_not_exist_is_refused(folder: Path) -> None:
    done = run("recommend", folder / "svd.cf", 1, "--by", "score")
    assert done.returncode == 2
    assert "--by score: write rating or preference" in done.stderr


def test_a_ranker_is_that_of_the_library(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.cf"
    done = run("fit", folder / "r.csv", "-o", out, "-m", "Ranker", "--chooser", "ItemKNN",
               "--rater", "baseline", "--set", "weight=.7",
               "--set", "rater__reg_user=9", "--seed", 4, "--json", "-")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == "Ranker"
    ratings = cf.Ratings.read(folder / "r.csv")
    expected = cf.Ranker(cf.ItemKNN(), cf.Baseline(reg_user=9.0), weight=0.7, random_state=4).fit(ratings)
    found: Any = cf.load(out)
    np.testing.assert_array_equal(found.preference(ratings), expected.preference(ratings))
    told = run("info", out).stdout
    assert "model: Ranker" in told
    assert "rater__reg_user = 9" in told
    assert "weight = 0.7" in told


def test_the_usual_ranker_is_that_of_the_library(folder: Path, tmp_path: Path) -> None:
    done = run("fit", folder / "r.csv", "-o", tmp_path / "m.cf", "-m", "ranker", "--seed", 2)
    assert done.returncode == 0, done.stderr
    ratings = cf.Ratings.read(folder / "r.csv")
    expected = cf.Ranker(random_state=2).fit(ratings)
    np.testing.assert_array_equal(
        cf.load(tmp_path / "m.cf").preference(ratings), expected.preference(ratings)
    )


def test_a_rater_may_be_a_blend(folder: Path, tmp_path: Path) -> None:
    quick = ("--set", "rater__cv=2", "--set", "rater__svdpp__n_epochs=2", "--set", "rater__rbm__n_epochs=2")
    done = run("fit", folder / "r.csv", "-o", tmp_path / "m.cf", "-m", "ranker", "--rater", "blend", *quick)
    assert done.returncode == 0, done.stderr
    found: Any = cf.load(tmp_path / "m.cf")
    assert found.members_[1].names_ == ["itemknn", "userknn", "svdpp", "rbm"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-m", "svd", "--chooser", "ease"), "--chooser is for --model ranker, not for svd"),
        (("-m", "ranker", "--members", "svd"), "--members is for --model blend, not for ranker"),
        (("-m", "ranker", "--rater", "nonsense"), "--rater: unknown model 'nonsense'"),
        (("-m", "ranker", "--chooser", "ranker"), "--chooser takes no ranker; it takes global-mean"),
        (("-m", "ranker", "--set", "rater=svd"), "--set rater=svd: Ranker has chooser__reg"),
        (("-m", "ranker", "--set", "rater__n_epochs=0"), "rater__n_epochs must be"),
    ],
)
def test_wrong_parts_are_named(folder: Path, tmp_path: Path, arguments: Any, said: str) -> None:
    done = run("fit", folder / "r.csv", "-o", tmp_path / "m.cf", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_compare_is_of_models_of_ratings(folder: Path) -> None:
    done = run("compare", folder / "r.csv", "--models", "popularity,baseline", "--no-peers")
    assert done.returncode == 2
    assert "popularity is for lists" in done.stderr


def test_lists_for_a_time(tmp_path: Path) -> None:
    ratings = cf.datasets.synthetic(40, 30, 500, random_state=0)
    model = cf.TimeSVDpp(n_factors=2, n_epochs=4, random_state=0).fit(ratings)
    model.save(tmp_path / "time.cf")
    last = int(ratings.timestamps.max())  # type: ignore[union-attr]
    day = str(np.datetime64(last, "s").astype("datetime64[D]"))
    for at, moment in ((last, last), (day, np.datetime64(day)), (-5, -5)):
        done = run("recommend", tmp_path / "time.cf", 1, "-n", 5, "--by", "rating", f"--at={at}")
        assert done.returncode == 0, done.stderr
        ids, scores = model.recommend(1, 5, by="rating", timestamps=moment)
        assert [int(row["item"]) for row in csv_rows(done.stdout)] == ids.tolist()
        assert [float(row["score"]) for row in csv_rows(done.stdout)] == pytest.approx(scores, rel=1e-5)
    assert run("recommend", tmp_path / "time.cf", 1, "--at", "now").returncode == 0
    wrong = run("recommend", tmp_path / "time.cf", 1, "--at", "yesterday")
    assert (wrong.returncode, "--at yesterday: write now, a date" in wrong.stderr) == (2, True)
    cf.Baseline().fit(ratings).save(tmp_path / "baseline.cf")
    timeless = run("recommend", tmp_path / "baseline.cf", 1, "--at", "now")
    assert (timeless.returncode, "Baseline do not depend on time" in timeless.stderr) == (2, True)


def test_no_item_has_so_many_ratings(folder: Path) -> None:
    done = run("recommend", folder / "svd.cf", 1, "--min-support", 999)
    assert (done.returncode, len(csv_rows(done.stdout))) == (0, 0)
    assert "note: --min-support 999: no item has so many ratings, the most is" in done.stderr
