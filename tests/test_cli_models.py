"""The commands that fit and use a model, run as processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.conftest import run_inside as run
from tests.contents import csv_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ratings of users with names and items with numbers, and a model that the command fitted to them."""
    rng = np.random.default_rng(0)
    cells = rng.choice(50 * 30, size=800, replace=False)
    lines = [f"u{cell // 30},{cell % 30},{rng.integers(1, 6)},{880_000_000 + cell}" for cell in cells]
    path = tmp_path_factory.mktemp("cli")
    (path / "ratings.csv").write_text("user,item,rating,timestamp\n" + "\n".join(lines) + "\n")
    done = run("fit", path / "ratings.csv", "--out", path / "svd.cf", "--model", "svd",
               "--set", "n_factors=4", "--set", "lr=.02", "--seed", 3,
               "--json", path / "fit.json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    """The model that the command should have fitted."""
    return cf.SVD(n_factors=4, lr=0.02, random_state=3).fit(cf.Ratings.read(folder / "ratings.csv"))


def test_fit_writes_the_model_that_the_library_fits(folder: Path, model: Any) -> None:
    written = cf.load(folder / "svd.cf")
    np.testing.assert_array_equal(written.user_factors_, model.user_factors_)
    report = json.loads((folder / "fit.json").read_text())
    assert report["n_ratings"] == 800
    assert report["params"]["lr"] == 0.02
    assert report["history"]["train_rmse"] == model.history_["train_rmse"]


def test_fit_with_validation_stops_early(folder: Path, tmp_path: Path) -> None:
    done = run("fit", folder / "ratings.csv", "-o", tmp_path / "m.cf", "-m", "svd", "--validation", 0.2,
               "--early-stopping", 1, "--set", "n_epochs=200", "--json", "-")  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["n_ratings"] == 640
    assert len(report["history"]["validation_rmse"]) < 200


def test_fit_goes_on_from_a_checkpoint(folder: Path, tmp_path: Path) -> None:
    ratings, state = folder / "ratings.csv", tmp_path / "state"
    arguments = ("fit", ratings, "-m", "svd", "--set", "n_epochs=4", "--checkpoint", state, "--json", "-")
    first = json.loads(run(*arguments, "-o", tmp_path / "a.cf").stdout)
    assert state.exists()
    again = json.loads(run(*arguments, "-o", tmp_path / "b.cf").stdout)
    assert again["history"] == first["history"]
    refused = run(
        *arguments[:4], "--set", "n_epochs=4", "--set", "lr=.5", *arguments[6:8], "-o", tmp_path / "c.cf"
    )
    assert refused.returncode == 1
    assert "lr" in refused.stderr


def test_predictions_do_not_depend_on_the_kind_of_file(folder: Path, tmp_path: Path, model: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    users, items = ["u1", "u7", "unknown"], [3, 5, 7]
    expected = model.predict(users, items)
    text = "userId,movieId\n" + "".join(f"{u},{i}\n" for u, i in zip(users, items, strict=True))
    streamed = csv_rows(run("predict", folder / "svd.cf", "-", stdin=text).stdout)
    np.testing.assert_allclose([float(row["prediction"]) for row in streamed], expected, rtol=5e-6)
    assert [row["userId"] for row in streamed] == users  # names of columns are kept
    assert list(streamed[0]) == ["userId", "movieId", "prediction", "unknown"]

    pa.parquet.write_table(
        pa.table({"who": users, "item": items}), tmp_path / "pairs.parquet", row_group_size=2
    )
    done = run("predict", folder / "svd.cf", tmp_path / "pairs.parquet", "--user", "who",
               "--out", tmp_path / "p.parquet")  # fmt: skip
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(pa.parquet.read_table(tmp_path / "p.parquet")["prediction"], expected)

    (tmp_path / "pairs.tsv").write_text("u1\t3\nu7\t5\nunknown\t7\n")  # no header: the first two columns
    run("predict", folder / "svd.cf", tmp_path / "pairs.tsv", "-o", tmp_path / "p.csv")
    found = csv_rows((tmp_path / "p.csv").read_text())
    np.testing.assert_allclose([float(row["prediction"]) for row in found], expected, rtol=5e-6)
    assert not list(tmp_path.glob("*.part"))


def test_recommendations_are_those_of_the_model(folder: Path, tmp_path: Path, model: Any) -> None:
    found = csv_rows(run("recommend", folder / "svd.cf", "u1", "u2", "-n", 4).stdout)
    for user in ("u1", "u2"):
        ids, scores = model.recommend(user, 4, by="preference")
        own = [row for row in found if row["user"] == user]
        assert [int(row["item"]) for row in own] == ids.tolist()
        assert [row["score"] for row in own] == [str(float(f"{score:.6g}")) for score in scores]
        assert [row["rank"] for row in own] == ["1", "2", "3", "4"]
    (tmp_path / "users.txt").write_text("u1\n\nu2\n")
    by_file = run("recommend", folder / "svd.cf", "--users", tmp_path / "users.txt", "-n", 4)
    assert csv_rows(by_file.stdout) == found
    # All users, an unknown one, and lists that end early: the same as `recommend` for each user.
    of_all = csv_rows(run("recommend", folder / "svd.cf", "--all", "-n", 40).stdout)
    assert len({row["user"] for row in of_all}) == 50
    assert csv_rows(run("recommend", folder / "svd.cf", "--all", "-n", 10**9).stdout) == of_all
    for user in ("u3", "u44"):
        items = [int(row["item"]) for row in of_all if row["user"] == user]
        assert items == model.recommend(user, 40, by="preference")[0].tolist()
        assert len(items) < 40
    unknown = csv_rows(run("recommend", folder / "svd.cf", "unknown", "-n", 2).stdout)
    assert [int(row["item"]) for row in unknown] == model.recommend("unknown", 2, by="preference")[0].tolist()


def test_items_that_nobody_gets(folder: Path, tmp_path: Path, model: Any) -> None:
    first = model.recommend("u1", 4, by="preference")[0].tolist()
    (tmp_path / "out.txt").write_text(f"{first[0]}\n{first[2]}\n999\n")
    done = run("recommend", folder / "svd.cf", "--all", "-n", 3, "--exclude", tmp_path / "out.txt",
               "--exclude-item", first[1])  # fmt: skip
    found = csv_rows(done.stdout)
    assert not {int(row["item"]) for row in found} & set(first[:3])
    assert next(int(row["item"]) for row in found if row["user"] == "u1") == first[3]
    assert "1 of 4 items that nobody is to get have no training ratings (999)" in done.stderr
    wrong = run("recommend", folder / "svd.cf", "u1", "--exclude", "no.txt")
    assert (wrong.returncode, "--exclude no.txt: there is no such file" in wrong.stderr) == (2, True)


def test_rows_as_json_are_those_of_csv(folder: Path, tmp_path: Path) -> None:
    def objects(text: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in text.splitlines()]

    def same(found: list[dict[str, Any]], table: str) -> None:
        assert found
        texts = [{name: "" if it is None else str(it) for name, it in row.items()} for row in found]
        assert texts == csv_rows(table)

    (tmp_path / "pairs.csv").write_text("user,item\nu1,3\nunknown,7\n")
    for command in (
        ("predict", folder / "svd.cf", tmp_path / "pairs.csv"),
        ("recommend", folder / "svd.cf", "u1", "u2", "-n", 3),
        ("similar", folder / "svd.cf", 5, "-n", 3),
    ):
        table = run(*command).stdout
        same(objects(run(*command, "--json").stdout), table)
        assert run(*command, "--out", tmp_path / "rows.jsonl").returncode == 0
        same(objects((tmp_path / "rows.jsonl").read_text()), table)
    both = run("recommend", folder / "svd.cf", "u1", "--json", "--out", tmp_path / "rows.csv")
    assert (both.returncode, (tmp_path / "rows.csv").exists()) == (2, False)
    assert "ends in .jsonl" in both.stderr
    assert {"name": "ml-1m", "ratings": 1_000_209} in objects(run("data", "list", "--json").stdout)


def test_similar_items_and_users(folder: Path, model: Any) -> None:
    items = csv_rows(run("similar", folder / "svd.cf", 5, "-n", 3).stdout)
    assert [int(row["similar_item"]) for row in items] == model.similar_items(5, 3)[0].tolist()
    users = csv_rows(run("similar", folder / "svd.cf", "u5", "--users", "-n", 3).stdout)
    assert [row["similar_user"] for row in users] == model.similar_users("u5", 3)[0].tolist()


def test_evaluate_and_info(folder: Path, model: Any) -> None:
    done = run("evaluate", folder / "svd.cf", folder / "ratings.csv", "--json", "-")
    found = json.loads(done.stdout)
    test = cf.Ratings.read(folder / "ratings.csv")
    assert found["rmse"] == cf.metrics.rmse(test.values, model.predict(test))
    assert f"RMSE {found['rmse']:.4f}" in done.stderr
    facts = json.loads(run("info", folder / "svd.cf", "--json", "-").stdout)
    assert (facts["model"], facts["users"], facts["items"], facts["ratings"]) == ("SVD", 50, 30, 800)
    assert "n_factors = 4" in run("info", folder / "svd.cf").stdout


def test_info_tells_version_names_and_the_rates_used(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("userId,film,rating\n1,a,4\n1,b,2\n2,a,5\n2,c,3\n")
    run("fit", tmp_path / "r.csv", "--item", "film", "-o", tmp_path / "m.cf", "-m", "svd", "--scale", "0,5")
    shown = run("info", tmp_path / "m.cf").stdout
    facts = json.loads(run("info", tmp_path / "m.cf", "--json", "-").stdout)
    model: Any = cf.load(tmp_path / "m.cf")
    assert f"written by cfcore: {cf.__version__}" in shown
    assert re.search(rf"^  reg = None \(used: {model.rates_['reg']:.6g}\)$", shown, re.MULTILINE)
    assert re.search(
        rf"^  lr = None \(used: {model.rates_['lr']:.6g} in the last epoch\)$", shown, re.MULTILINE
    )
    assert "user ids: integers, such as 1" in shown
    assert (facts["written by cfcore"], facts["used"]["reg"]) == (cf.__version__, model.rates_["reg"])
    assert facts["scale"] == [0.0, 5.0]
    assert (facts["columns"]["user"], facts["columns"]["item"]) == ("userId", "film")


def test_evaluate_lists_with_intervals(folder: Path, tmp_path: Path, model: Any) -> None:
    test = folder / "liked.csv"
    test.write_text("who,item,rating\n" + "".join(f"u{k % 50},{k % 31},{1 + k % 5}\n" for k in range(200)))
    done = run("evaluate", folder / "svd.cf", test, "--user", "who", "--k", 5, "--bootstrap",
               "--threshold", 3, "--json", tmp_path / "e.json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "e.json").read_text())
    ratings = cf.Ratings.read(test, user="who")
    of_ratings = {"rmse", "mae", "fcp"}
    names = [f"{name}@5" for name in cf.metrics.METRICS if name not in of_ratings]
    expected = cf.metrics.bootstrap(model, ratings, names, threshold=3, by="preference")
    for name in names:
        assert found[name] == expected[name].value
        low, high = found["intervals"][name]
        ends = (None, None) if "coverage" in name else pytest.approx(expected[name][1:3])
        assert (low, high) == ends
        assert re.search(f"^{name} +{found[name]:.4f}", done.stdout, re.MULTILINE)
    assert found["intervals"].keys() == of_ratings | set(names)
    plain = json.loads(run("evaluate", folder / "svd.cf", test, "--user", "who", "--json", "-").stdout)
    assert found["rmse"] == plain["rmse"]
    assert "ndcg@5" not in plain


def test_data(tmp_path: Path) -> None:
    assert "ml-100k" in run("data", "list").stdout
    done = run("data", "get", "ml-100k", "--out", tmp_path / "copy.parquet")
    assert "100,000 by 943 users" in done.stdout
    assert len(cf.Ratings.read(tmp_path / "copy.parquet")) == 100_000
    told = json.loads(run("data", "get", "ml-100k", "--json", "-").stdout)
    assert (told["users"], told["items"], told["scale"]) == (943, 1682, [1.0, 5.0])


def test_shell_completion_offers_the_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cfcore"],
        capture_output=True,
        text=True,
        env={**os.environ, "_CFCORE_COMPLETE": "complete_bash", "COMP_WORDS": "cfcore re", "COMP_CWORD": "1"},
    )
    assert done.stdout.split() == ["recommend", "report"]


def test_compare_draws_a_picture(folder: Path, tmp_path: Path) -> None:
    done = run("compare", folder / "ratings.csv", "--models", "svd,baseline", "--no-reference", "--no-peers",
               "--plot", tmp_path / "models.png")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "models.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["predict", "no.cf", "@ratings.csv"], 2, "no such model file"),
        (["predict", "@svd.cf", "no.csv"], 2, "no.csv: there is no such file"),
        (["predict", "@damaged.cf", "@ratings.csv"], 1, "damaged.cf"),
        (["info", "@damaged.cf"], 1, "damaged.cf"),
        (["info", "@ratings.csv"], 1, "ratings.csv"),
        (
            ["predict", "@svd.cf", "@ratings.csv", "--user", "who"],
            1,
            "no column 'who' for user",
        ),
        (["predict", "@svd.cf", "@short.csv"], 1, "at row 1, which has 1 columns"),
        (["predict", "@svd.cf", "@words.csv"], 1, "column 'item': 'film' at row 0 is no integer"),
        (
            ["predict", "@svd.cf", "@ratings.csv", "-o", "@x.txt"],
            2,
            "end in .csv, .jsonl or .parquet",
        ),
        (["predict", "@svd.cf", "@ratings.csv", "-o", "no/x.csv"], 2, "there is no folder"),
        (["fit", "@short.csv", "-o", "@y.cf"], 1, "short.csv"),
        (["fit", "@ratings.csv", "-o", "no/y.cf"], 2, "there is no folder"),
        (["fit", "@ratings.csv", "-o", "@y.cf", "-m", "svm"], 2, "unknown model 'svm'"),
        (
            ["fit", "@ratings.csv", "-o", "@y.cf", "--set", "factors=3"],
            2,
            "SVDpp has n_factors",
        ),
        (["fit", "@ratings.csv", "-o", "@y.cf", "--set", "lr=-1"], 2, "lr must be"),
        (["fit", "@ratings.csv", "-o", "@y.cf", "--rating", "stars"], 1, "no column 'stars'"),
        (["fit", "@ratings.csv", "-o", "@y.cf", "--early-stopping", "2"], 2, "--validation"),
        (["recommend", "@svd.cf"], 2, "give the users to recommend to"),
        (["recommend", "@svd.cf", "--users", "no.txt"], 2, "no.txt: there is no such file"),
        (["similar", "@svd.cf", "99"], 1, "no training ratings"),
        (["similar", "@mean.cf", "5"], 2, "does not compare items"),
        (["evaluate", "@svd.cf", "nowhere"], 2, "neither a data set"),
        (["evaluate", "@svd.cf", "@ratings.csv", "--rating", "stars"], 1, "no column 'stars'"),
        (["evaluate", "@damaged.cf", "@ratings.csv", "--k", "5"], 1, "damaged.cf"),
        (["evaluate", "@svd.cf", "@ratings.csv", "--k", "5", "--threshold", "nan"], 2, "threshold"),
        (["evaluate", "@svd.cf", "@ratings.csv", "--json", "no/x.json"], 2, "there is no folder"),
        (["data", "get", "ml-100"], 2, "unknown data set"),
        (["data", "get", "ml-100k", "-o", "no/x.csv"], 2, "there is no folder"),
        (["compare", "@ratings.csv", "--plot", "no/x.png"], 2, "there is no folder"),
        (["compare", "@ratings.csv", "--item", "film"], 1, "no column 'film' for item"),
    ],
)
def test_errors_are_reported_in_one_line(folder: Path, arguments: list[str], code: int, message: str) -> None:
    (folder / "damaged.cf").write_bytes((folder / "svd.cf").read_bytes()[:-100])
    (folder / "short.csv").write_text("user,item,rating\nu1,3,4\nu2\n")
    (folder / "words.csv").write_text("user,item\nu1,film\n")
    cf.GlobalMean().fit(cf.Ratings.read(folder / "ratings.csv")).save(folder / "mean.cf")
    done = run(*[argument.replace("@", f"{folder}/") for argument in arguments])
    assert done.returncode == code, done.stderr
    assert re.search(re.escape(message), done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not list(folder.glob("*.part"))
    assert not (folder / "y.cf").exists()
