"""What commands read: several files, pipes, all formats; ids and times as the model has them."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.conftest import run_inside as run

ROWS = [
    (user, item, 1 + (user * item) % 5, f"2020-01-{1 + item:02}") for user in range(12) for item in range(9)
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The same ratings as csv, in two parts, compressed, as JSON lines and separated by "::"."""
    lines = [f"{user},{item},{value},{date}" for user, item, value, date in ROWS]
    head = "userId,movieId,rating,date"
    (tmp_path / "all.csv").write_text("\n".join([head, *lines]) + "\n")
    (tmp_path / "part-1.csv").write_text("\n".join([head, *lines[:50]]) + "\n")
    (tmp_path / "part-2.csv").write_text("\n".join([head, *lines[50:]]) + "\n")
    (tmp_path / "all.csv.gz").write_bytes(gzip.compress((tmp_path / "all.csv").read_bytes()))
    (tmp_path / "all.dat").write_text("".join(f"{user}::{item}::{value}\n" for user, item, value, _ in ROWS))
    objects = [
        {"user": user, "item": item, "rating": value, "date": date} for user, item, value, date in ROWS
    ]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(one) + "\n" for one in objects))
    return tmp_path


def shown(done: Any) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "data", [["all.csv"], ["all.csv.gz"], ["all.jsonl"], ["part-1.csv", "part-2.csv"], ["part-*.csv"]]
)
def test_all_commands_read_all_files(folder: Path, data: list[str]) -> None:
    files = [folder / name for name in data]
    facts = shown(run("data", "show", *files, "--json", "-"))
    assert (facts["ratings"], facts["users"], facts["timestamps"]) == (108, 12, True)
    out = folder / "m.cf"
    few = ("--set", "n_epochs=2", "--set", "n_factors=2")
    assert shown(run("fit", *files, "-o", out, "-m", "timesvdpp", *few, "--json", "-"))["n_ratings"] == 108
    expected = cf.load(out).predict(cf.Ratings.read(folder / "all.csv"))
    assert shown(run("evaluate", out, *files, "--json", "-"))["n_ratings"] == 108
    assert run("predict", out, *files, "-o", folder / "p.parquet").returncode == 0
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(folder / "p.parquet")
    np.testing.assert_array_equal(table["prediction"], expected)
    assert table.column_names[:2] == (["user", "item"] if data == ["all.jsonl"] else ["userId", "movieId"])
    tuned = run("tune", *files, "-m", "baseline", "--trials", 1, "--cv", 2, "--json", "-")
    assert shown(tuned)["n_ratings"] == 108


def test_pipes_and_standard_input(folder: Path) -> None:
    text = (folder / "all.csv").read_bytes()
    for data in (text, gzip.compress(text)):
        assert (
            shown(run("fit", "-", "-m", "baseline", "-o", folder / "m.cf", "--json", "-", stdin=data))[
                "n_ratings"
            ]
            == 108
        )
        assert shown(run("evaluate", folder / "m.cf", "-", "--json", "-", stdin=data))["n_ratings"] == 108
    os.mkfifo(folder / "pipe")
    writer = threading.Thread(target=(folder / "pipe").write_bytes, args=(text,))
    writer.start()
    done = run("fit", folder / "pipe", "-m", "baseline", "-o", folder / "m.cf", "--json", "-")
    writer.join()
    assert shown(done)["n_ratings"] == 108


def test_what_a_command_writes_another_reads(folder: Path) -> None:
    run("fit", folder / "all.csv", "-m", "baseline", "-o", folder / "m.cf")
    for ending in (".csv", ".jsonl", ".parquet"):
        first, second = folder / f"first{ending}", folder / f"second{ending}"
        assert run("predict", folder / "m.cf", folder / "all.csv", "-o", first).returncode == 0
        assert run("predict", folder / "m.cf", first, "-o", second).returncode == 0
        assert first.read_bytes() == second.read_bytes()


def test_every_row_is_predicted(folder: Path) -> None:
    run("fit", folder / "all.csv", "-m", "baseline", "-o", folder / "m.cf")
    (folder / "blanks.csv").write_text("user,item\n1,1\n" + "\n" * 250_000 + "2,2\n3,3\n")
    done = run("predict", folder / "m.cf", folder / "blanks.csv")
    assert [line.split(",")[:2] for line in done.stdout.splitlines()[1:]] == [
        ["1", "1"],
        ["2", "2"],
        ["3", "3"],
    ]


def test_ids_are_of_the_kinds_of_the_model(folder: Path) -> None:
    (folder / "isbn.csv").write_text(
        "user,item,rating\n1,080442957X,4\n1,0195153448,2\n2,080442957X,5\n2,0195153448,1\n"
    )
    (folder / "test.csv").write_text("user,item,rating\n1,0195153448,2\n2,0195153448,3\n")
    run("fit", folder / "isbn.csv", "-m", "baseline", "-o", folder / "m.cf")
    found = shown(run("evaluate", folder / "m.cf", folder / "test.csv", "--json", "-"))
    assert (found["n_ratings"], found["unknown_items"]) == (2, 0)
    done = run("predict", folder / "m.cf", folder / "test.csv", "--json")
    assert [json.loads(line)["unknown"] for line in done.stdout.splitlines()] == [None, None]
    run("fit", folder / "test.csv", "-m", "baseline", "-o", folder / "n.cf", "--ids", "str")
    assert cf.load(folder / "n.cf").user_ids_.tolist() == ["1", "2"]
    assert run("fit", folder / "test.csv", "-o", folder / "n.cf", "--ids", "text").returncode == 2


def notes(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Lines of the standard error, but for that of a model that is tested on its training ratings."""
    return [line for line in done.stderr.splitlines() if "pairs that the model was fitted on" not in line]


@pytest.mark.parametrize("dates", ["05 23, 2014", "nan", "1e300", "2020-13-45"])
def test_models_without_time_ignore_times_that_cannot_be_read(folder: Path, dates: str) -> None:
    path = folder / "dates.csv"
    path.write_text(
        "user,item,rating,timestamp\n" + "".join(f'{u},{i},{v},"{dates}"\n' for u, i, v, _ in ROWS)
    )
    for command in (
        ("fit", path, "-m", "baseline", "-o", folder / "m.cf"),
        ("evaluate", folder / "m.cf", path),
        ("predict", folder / "m.cf", path),
        ("tune", path, "-m", "baseline", "--trials", 1, "--cv", 2),
    ):
        done = run(*command)
        assert (done.returncode, notes(done)) == (0, [])
    done = run("fit", path, "-m", "timesvdpp", "-o", folder / "t.cf")
    assert done.returncode == 1
    assert not (folder / "t.cf").exists()


def test_evaluate_counts_what_the_model_does_not_know(folder: Path) -> None:
    run("fit", folder / "all.csv", "-m", "baseline", "-o", folder / "m.cf")
    (folder / "test.csv").write_text("user,item,rating\n1,1,4\n1,77,3\n99,1,3\n2,2,5\n")
    done = run("evaluate", folder / "m.cf", folder / "test.csv", "--json", folder / "e.json")
    assert "of 4 ratings, 2 are of users (1) or items (1) without training ratings" in done.stdout
    found = json.loads((folder / "e.json").read_text())
    assert (found["unknown_users"], found["unknown_items"]) == (1, 1)


def test_lists_of_users_from_a_file_or_standard_input(folder: Path) -> None:
    (folder / "few.csv").write_text("user,item,rating\n1,1,4\n1,2,3\n2,1,3\n2,3,5\n")
    run("fit", folder / "few.csv", "-m", "baseline", "-o", folder / "m.cf")
    (folder / "users.txt").write_bytes("\ufeff1\r\n2\r\n".encode())
    expected = run("recommend", folder / "m.cf", 1, 2).stdout
    assert run("recommend", folder / "m.cf", "--users", folder / "users.txt").stdout == expected
    assert run("recommend", folder / "m.cf", "--users", "-", stdin="1\n2\n").stdout == expected


def test_a_model_of_times_says_that_there_are_none(folder: Path) -> None:
    run("fit", folder / "all.csv", "-m", "timesvdpp", "-o", folder / "t.cf", "--set", "n_epochs=2")
    for command in ("predict", "evaluate"):
        done = run(command, folder / "t.cf", folder / "all.dat")
        assert done.returncode == 0
        assert done.stderr.count("mean date of each user") == 1
        assert "--no-timestamp" in done.stderr
        done = run(command, folder / "t.cf", folder / "all.csv", "--no-timestamp")
        assert (done.returncode, notes(done)) == (0, [])


def test_what_is_logged_names_the_options(folder: Path) -> None:
    done = run("fit", folder / "all.csv", "-m", "baseline", "-o", folder / "m.cf", "--missing", "1,2")
    assert "rows have no rating (--missing 1.0,2.0)" in done.stderr
