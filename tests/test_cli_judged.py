"""`cfcore evaluate` judges lists with the options of `cfcore recommend`, beside lists by popularity."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import cfcore as cf
from tests.conftest import run_inside as run

OF_LISTS = [name for name in cf.metrics.METRICS if name not in ("rmse", "mae", "fcp")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training and test ratings, and a model in a file."""
    path = tmp_path_factory.mktemp("lists")
    parts = cf.split.holdout(cf.datasets.synthetic(60, 50, 1_200, random_state=1), 0.3, random_state=0)
    for name, part in zip(("train", "test"), parts, strict=True):
        rows = zip(part.users, part.items, part.values, strict=True)
        lines = [f"{user},{item},{value:g}" for user, item, value in rows]
        (path / f"{name}.csv").write_text("\n".join(["user,item,rating", *lines]) + "\n")
    model = cf.SVD(n_factors=4, n_epochs=5, random_state=0)
    model.fit(cf.Ratings.read(path / "train.csv")).save(path / "m.cf")
    return path


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((), {"by": "preference"}),
        (("--by", "rating", "--min-support", 9), {"by": "rating", "min_support": 9}),
        (("--candidates", "test", "--threshold", 3), {"candidates": "test", "threshold": 3}),
        (("--by", "rating", "--include-seen"), {"by": "rating", "exclude_seen": False}),
        (("--exclude-item", 3, "--exclude-item", 8, "--exclude", "@ids.txt"), {"exclude": [3, 8, 11]}),
    ],
)
def test_metrics_and_popularity_are_those_of_the_library(
    folder: Path, tmp_path: Path, arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    (folder / "ids.txt").write_text("11\n")
    options = {"by": "preference", **options}
    arguments = tuple(folder / one[1:] if str(one).startswith("@") else one for one in arguments)
    done = run("evaluate", folder / "m.cf", folder / "test.csv", "--k", 4, *arguments,
               "--json", tmp_path / "e.json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "e.json").read_text())
    names = [f"{name}@4" for name in OF_LISTS]
    test = cf.Ratings.read(folder / "test.csv")
    expected = cf.metrics.evaluate(cf.load(folder / "m.cf"), test, names, **options)
    assert {name: report[name] for name in names} == expected
    assert report["popularity"] == expected.popularity
    for name, popular in expected.popularity.items():
        assert re.search(
            rf"^{name} +{expected[name]:.4f}  popularity {popular:.4f}$", done.stdout, re.MULTILINE
        )
    assert f"lists by {options['by']}, of " in done.stdout
    assert report["lists"]["by"] == options["by"]
    assert report["lists"]["exclude"] == options.get("exclude", [])
    if "threshold" not in options:
        assert "(surprise_*: 3.5)" in done.stdout


def test_an_option_of_lists_asks_for_lists(folder: Path) -> None:
    done = run("evaluate", folder / "m.cf", folder / "test.csv", "--by", "rating", "--bootstrap")
    assert re.search(
        r"^ndcg@10 +0\.\d{4}  \[0\.\d{4}, 0\.\d{4}\]  popularity 0\.\d{4}$", done.stdout, re.MULTILINE
    )
    plain = run("evaluate", folder / "m.cf", folder / "test.csv")
    assert "popularity" not in plain.stdout


def test_lists_below_popularity_are_told(tmp_path: Path) -> None:
    """The one item that is rated 5 is listed first, and nobody chooses it."""
    train = [(user, "usual", 4) for user in range(9)] + [(9, "rare", 5), (10, "other", 1), (10, "usual", 3)]
    test = [(user, "usual", 5) for user in (9, 11, 12)]
    for name, rows in (("train", train), ("test", test)):
        lines = [",".join(map(str, row)) for row in rows]
        (tmp_path / f"{name}.csv").write_text("\n".join(["user,item,rating", *lines]) + "\n")
    run("fit", tmp_path / "train.csv", "-m", "baseline", "-o", tmp_path / "m.cf")
    told = "lists of the items with most ratings are better (ndcg@2 1.0000)"
    done = run("evaluate", tmp_path / "m.cf", tmp_path / "test.csv", "--k", 2, "--by", "rating")
    assert told in done.stdout
    done = run("evaluate", tmp_path / "m.cf", tmp_path / "test.csv", "--k", 2)
    assert "ndcg@2" in done.stdout
    assert told not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--by", "stars"), "--by stars: write rating or preference"),
        (("--candidates", "few"), '--candidates must be "all" or "test"'),
    ],
)
def test_wrong_options_are_told_by_name(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run("evaluate", folder / "m.cf", folder / "test.csv", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_lists_are_judged_for_a_time(tmp_path: Path) -> None:
    ratings = cf.datasets.synthetic(40, 30, 500, random_state=0)
    model = cf.TimeSVDpp(n_factors=2, n_epochs=4, random_state=0).fit(ratings)
    model.save(tmp_path / "time.cf")
    columns = ratings.users, ratings.items, ratings.values, ratings.timestamps
    lines = [",".join(map(str, row)) for row in zip(*columns, strict=True)]  # type: ignore[arg-type]
    (tmp_path / "r.csv").write_text("\n".join(["user,item,rating,timestamp", *lines]) + "\n")
    start = (
        "evaluate",
        tmp_path / "time.cf",
        tmp_path / "r.csv",
        "--include-seen",
        "--by",
        "rating",
        "-k",
        5,
    )
    for at, moment in (("test", "test"), ("1000000000", 1_000_000_000)):
        done = run(*start, "--at", at, "--json", "-")
        assert done.returncode == 0, done.stderr
        found, metrics = json.loads(done.stdout), ["ndcg@5", "recall@5"]
        expected = cf.metrics.evaluate(
            model, ratings, metrics, by="rating", exclude_seen=False, timestamps=moment
        )
        assert [found[name] for name in metrics] == [expected[name] for name in metrics]
        assert found["lists"]["timestamps"] == moment
    wrong = run(*start, "--at", "yesterday")
    assert (wrong.returncode, "--at yesterday: write now, test, a date" in wrong.stderr) == (2, True)
