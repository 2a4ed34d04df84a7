"""The command line, run as a process: its output, its files and its errors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import cfcore as cf
from cfcore.compare import Job, choose_job
from cfcore.registry import BY_COMMAND
from tests.conftest import run_inside as run


@pytest.fixture(scope="module")
def ratings_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    pairs = rng.choice(60 * 40, size=1_200, replace=False)
    lines = [f"u{pair // 40},{pair % 40},{rng.integers(1, 6)}" for pair in pairs]
    path = tmp_path_factory.mktemp("data") / "ratings.csv"
    path.write_text("user,item,rating\n" + "\n".join(lines) + "\n")
    return path


def test_file_of_ratings_and_json(ratings_file: Path, tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    done = run(
        "compare",
        str(ratings_file),
        "--split",
        "0.2",
        "--threads",
        "2",
        "--no-peers",
        "--json",
        str(report_file),
    )
    assert done.returncode == 0, done.stderr
    assert "have no timestamps" in done.stdout
    report = json.loads(report_file.read_text())
    assert (report["n_train"], report["n_test"], report["n_threads"]) == (960, 240, 2)
    of_ratings = [entry for entry in BY_COMMAND.values() if not entry.lists]
    rows = [entry.name for entry in of_ratings if not entry.load().needs_timestamps]
    assert [row["model"] for row in report["models"]] == rows
    assert len(rows) >= 7
    for row in report["models"]:
        assert row["error"] is None
        assert row["model"] in done.stdout
        assert f"{row['rmse']:.4f}" in done.stdout
        assert row["fit_seconds"] > 0
        assert row["predictions_per_second"] > 0
        assert row["speedup"] > 0
        # The twin of a sampler needs minutes.
        assert row["reference_job"] == "all of it" or row["model"] == "BayesianSVD"
        assert row["reference_difference"] < 1e-4


def test_metrics_are_those_of_the_library(ratings_file: Path, tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    done = run(
        "compare",
        str(ratings_file),
        "--models",
        "Baseline,global-mean",
        "--no-reference",
        "--json",
        str(report_file),
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(report_file.read_text())["models"]
    train, test = cf.split.holdout(cf.Ratings.read(ratings_file), 0.1, random_state=0)
    assert [row["model"] for row in rows] == ["Baseline", "GlobalMean"]
    for row, model in zip(rows, (cf.Baseline(), cf.GlobalMean()), strict=True):
        expected = cf.metrics.evaluate(model.fit(train), test)
        assert row["rmse"] == pytest.approx(expected["rmse"])
        assert row["mae"] == pytest.approx(expected["mae"])
        assert row["speedup"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ml-100"], "'ml-100' is neither a data set .*ml-100k.*synthetic.* nor a file"),
        (["no/such/file.csv"], "no/such/file.csv: there is no such file"),
        (["synthetic", "--models", "svd,rbn"], "unknown model 'rbn'; known: .*svd"),
        (["synthetic", "--split", "u1"], "synthetic has no such split"),
        (["ml-100k", "--split", "u9"], "u9"),
        (["synthetic", "--split", "1.5"], "between 0 and 1"),
        (["synthetic", "--json", "no/such/folder/x.json"], "there is no folder"),
    ],
)
def test_unknown_names_are_reported_in_one_line(arguments: list[str], message: str) -> None:
    done = run("compare", *arguments)
    assert done.returncode == 2
    assert re.search(message, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_synthetic_data_replace_data_that_is_not_available(tmp_path: Path) -> None:
    # The only source of this set is the user's own folder.
    nowhere = {"CFCORE_DATA": "", "CFCORE_CACHE": str(tmp_path)}
    done = run("compare", "movietweetings", "--models", "global-mean", "--no-reference", **nowhere)
    assert done.returncode == 0, done.stderr
    assert "movietweetings is not available; synthetic data takes its place" in done.stdout
    assert "synthetic, split 0.1: 90,000 ratings" in done.stdout
    assert not list(tmp_path.iterdir())


def test_bad_ratings_are_refused_with_their_row(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("user,item,rating\n1,1,3\n1,2,nan\n")
    done = run("compare", str(path))
    assert done.returncode == 1
    assert re.search("rating.*row 1", done.stderr)
    assert "Traceback" not in done.stderr


def test_the_first_lines_fit_80_columns(ratings_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ratings_file.parent)
    for data in ("ML_100K", ratings_file.name):
        done = run("compare", data, "--models", "global-mean", "--no-reference", "--no-peers", COLUMNS="80")
        assert done.returncode == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert "users, " in done.stdout.splitlines()[1]
    assert run("compare", "ml-100K", "--models", "global-mean", "--split", "u7").returncode == 2


def test_config_and_help() -> None:
    assert cf.__version__ in run("config").stdout
    shown = run("compare", "--help").stdout
    for option in ("--split", "--models", "--threads", "--json", "--no-reference", "--no-peers"):
        assert option in shown


@pytest.mark.parametrize(
    ("a_rating", "n_epochs", "expected"),
    [
        (1e-6, 20, Job(80_000, 20)),  # a second and a half in all
        (1e-5, 100, Job(80_000, 12)),  # .8 s a pass
        (1e-3, 20, Job(10_000, 1)),  # 80 s a pass
    ],
)
def test_twins_of_iterative_models_have_as_many_epochs_as_time_allows(
    a_rating: float, n_epochs: int, expected: Job
) -> None:
    assert choose_job(lambda job: a_rating * job.rows * (job.epochs or 1), 80_000, n_epochs) == expected


def test_the_setup_does_not_count_as_an_epoch() -> None:
    assert choose_job(lambda job: 0.5 + 1e-6 * job.rows * (job.epochs or 1), 80_000, 60) == Job(80_000, 60)


def test_twins_without_epochs_have_as_many_ratings_as_time_allows() -> None:
    assert choose_job(lambda job: 0.5, 80_000, None) == Job(80_000, None)  # larger trials cost no more
    chosen = choose_job(lambda job: 1e-7 * job.rows**2, 80_000, None)
    assert chosen.epochs is None
    assert 5 < 1e-7 * chosen.rows**2 < 10.1
