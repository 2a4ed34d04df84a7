"""Errors and notes of commands name files and columns of the user, and options or commands that work."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cfcore as cf
from tests.conftest import run_inside as run

HEADER = "userId,movieId,rating,date\n"
ROWS = [
    f"{user},{item},{1 + (user * item) % 5},2020-01-{1 + item:02}" for user in range(9) for item in range(9)
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.csv").write_text(HEADER + "\n".join(ROWS) + "\n")
    return tmp_path


def fit(*data: Any, model: str = "svd", options: tuple[str, ...] = ()) -> Any:
    return run("fit", *data, "--model", model, "--set", "n_epochs=1", "--out", "m.cf", *options)


def test_a_wide_table_becomes_rows_by_the_command_in_the_message(folder: Path) -> None:
    pytest.importorskip("pandas")
    (folder / "wide.csv").write_text("user,10,20,30\n1,4,,3\n2,,5,1\n3,2,2,\n")
    done = fit("wide.csv")
    assert done.returncode == 1
    command = re.search(r"python -c \".*?\"", done.stderr)
    assert command is not None
    words = shlex.split(command[0].replace("'FILE'", "'wide.csv'"))
    found = {**os.environ, "PYTHONPATH": str(Path(cf.__file__).parents[1])}
    subprocess.run([sys.executable, *words[1:]], check=True, cwd=folder, env=found)
    assert sorted((folder / "ratings.csv").read_text().split()) == [
        "1,10,4.0", "1,30,3.0", "2,20,5.0", "2,30,1.0", "3,10,2.0", "3,20,2.0", "user,item,rating",
    ]  # fmt: skip
    assert fit("ratings.csv").returncode == 0


def test_errors_name_the_file_among_several(folder: Path) -> None:
    (folder / "more.csv").write_text(HEADER + "20,1,3,2020-01-01\n1,1,3,2020-01-01\n")
    assert "row 1 of more.csv repeats row 10 of r.csv" in fit("r.csv", "more.csv").stderr
    done = fit("r.csv", "more.csv", options=("--duplicates", "last"))
    assert done.returncode == 0
    assert "1 of 83 rows repeat a pair of others and are left out" in done.stderr
    (folder / "more.csv").write_text(HEADER + "20,1,9,2020-01-01\n")
    assert "9 at row 0 of more.csv is outside" in fit("r.csv", "more.csv", options=("--scale", "1,5")).stderr
    done = fit("r.csv", "more.csv", options=("--missing", "9"))
    assert (done.returncode, "1 of 82 rows have no rating" in done.stderr) == (0, True)


def test_times_of_another_unit_name_file_and_column(folder: Path) -> None:
    fit("r.csv", model="timesvdpp")
    (folder / "p.csv").write_text("userId,movieId,date\n1,1,1577836800000\n")
    done = run("predict", "m.cf", "p.csv")
    assert done.returncode == 1
    assert "p.csv: column 'date': 1577836800000 looks like milliseconds" in done.stderr


def test_times_that_cannot_be_read(folder: Path) -> None:
    (folder / "us.csv").write_text(
        HEADER + "".join(f"{k},{k % 3},{1 + k % 5},05/23/2014\n" for k in range(9))
    )
    done = fit("us.csv", model="timesvdpp")
    assert done.returncode == 1
    assert "name their column in --timestamp NAME" in done.stderr
    assert "(users, items" not in done.stderr
    fit("r.csv", model="timesvdpp")
    done = run("evaluate", "m.cf", "us.csv")
    assert done.returncode == 0
    assert "--timestamp NAME names their column, or --no-timestamp" in done.stderr
    assert "in predict" not in done.stderr


def test_ids_of_a_model_are_not_a_choice_of_evaluate(folder: Path) -> None:
    fit("r.csv")
    (folder / "s.csv").write_text("userId,movieId,rating\nu1,1,3\n")
    done = run("evaluate", "m.cf", "s.csv")
    assert "'u1' at row 0 is no integer, but the ids of the model are integers" in done.stderr
    done = run("evaluate", "m.cf", "s.csv", "--ids", "int")
    assert "'u1' at row 0 is no integer, and --ids int was given" in done.stderr


def test_whole_decimals_are_ids_on_the_command_line_too(folder: Path) -> None:
    fit("r.csv")
    assert (
        run("recommend", "m.cf", "1.0", "-n", "1").stdout == run("recommend", "m.cf", "1", "-n", "1").stdout
    )
    assert run("recommend", "m.cf", "01").returncode == 1


def test_missing_ratings_of_typed_files(folder: Path) -> None:
    (folder / "r.jsonl").write_text('{"user":1,"item":1,"rating":null}\n{"user":1,"item":2,"rating":3}\n')
    done = fit("r.jsonl")
    assert "missing value at row 0; --missing nan leaves such rows out" in done.stderr
    assert fit("r.jsonl", options=("--missing", "nan")).returncode == 0
    assert cf.load("m.cf").item_ids_.tolist() == [2]
