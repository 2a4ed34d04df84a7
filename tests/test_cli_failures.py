"""What commands leave when they fail, and what they say of users and items unknown to a model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.conftest import run_inside as run
from tests.contents import csv_rows


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models fitted to integers, with and without times, and to strings."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    cells = rng.choice(400, 150, replace=False)
    users, items, values = cells // 20, cells % 20, rng.integers(1, 6, 150)
    times = rng.integers(880_000_000, 890_000_000, 150)
    cf.SVD(n_factors=4, n_epochs=2, random_state=0).fit((users, items, values)).save(folder / "m.cf")
    cf.TimeSVDpp(n_factors=4, n_epochs=2, random_state=0).fit((users, items, values, times)).save(
        folder / "t.cf"
    )
    names = [f"u{user}" for user in users]
    cf.Baseline().fit((names, items, values)).save(folder / "s.cf")
    (folder / "r.csv").write_text(
        "user,item,rating\n" + "".join(f"{u},{i},{v}\n" for u, i, v in zip(users, items, values, strict=True))
    )
    return folder


def test_unknown_users_and_items_are_marked(models: Path, tmp_path: Path) -> None:
    text = "user,item\n1,1\n999,1\n1,77\n998,88\n"
    done = run("predict", models / "m.cf", "-", stdin=text)
    assert done.returncode == 0
    assert [row["unknown"] for row in csv_rows(done.stdout)] == ["", "user", "item", "both"]
    assert re.fullmatch(r"cfcore: note: 3 of 4 pairs .*\(first: user 999 at row 1\).*\n", done.stderr)
    found = [
        json.loads(line)
        for line in run("predict", models / "m.cf", "-", "--json", stdin=text).stdout.splitlines()
    ]
    assert [row["unknown"] for row in found] == [None, "user", "item", "both"]
    run("predict", models / "m.cf", "-", "-o", tmp_path / "p.parquet", stdin=text)
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / "p.parquet")
    assert table["unknown"].to_pylist() == [None, "user", "item", "both"]
    known = run("predict", models / "m.cf", "-", stdin="user,item\n1,1\n")
    assert (csv_rows(known.stdout)[0]["unknown"], known.stderr) == ("", "")


def test_recommend_names_unknown_users(models: Path) -> None:
    done = run("recommend", models / "m.cf", 1, 999, "-n", 2)
    assert done.returncode == 0
    assert [row["user"] for row in csv_rows(done.stdout)] == ["1", "1", "999", "999"]
    said = done.stderr.splitlines()
    assert re.fullmatch(r"cfcore: note: 1 of 2 users have no training ratings \(999\).*", said[0])
    assert run("recommend", models / "m.cf", 1, "-n", 2).stderr.splitlines() == said[1:]


def test_predictions_are_rows_of_six_digits(models: Path) -> None:
    done = run("predict", models / "m.cf", "-", stdin="user,item\n" + "1,2\n" * 3)
    expected = cf.load(models / "m.cf").predict(1, 2)
    shown = [row["prediction"] for row in csv_rows(done.stdout)]
    assert shown == [f"{expected:.6g}"] * 3


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ("user,item\n1,1\n,2\n", "row 1"),
        ("user,item\n1,1\n2\n", "row 1"),
        (
            "user,item\n1,1\n1_0,2\n",
            "column 'user': '1_0' at row 1 is no integer, but the ids of the model are integers\n",
        ),
        ("user,item\n1,1\n2,\u0662\n", "column 'item': '\u0662' at row 1 is no integer"),
        ("user,item\n1,1\n1.5,2\n", "column 'user': '1.5' at row 1 is no integer"),
        ("user,item\n1,1\nNULL,2\n", "missing id at row 1: 'NULL' among integers; remove such rows\n"),
        ("user,item\n1,1\n7,2\n07,2\n", "'07' at row 2 has zeros in front"),
        (
            "user,item\n1,99999999999999999999\n",
            "99999999999999999999 at row 0 does not fit int64, and not all rows fit uint64\n",
        ),
        ("user,thing\n1,1\n", "--item NAME"),
        ("", "empty"),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet", ""])
def test_pairs_that_cannot_be_predicted_leave_nothing(
    models: Path, tmp_path: Path, pairs: str, message: str, ending: str
) -> None:
    (tmp_path / "pairs.csv").write_text(pairs)
    out = ("-o", tmp_path / f"p{ending}") if ending else ()
    done = run("predict", models / "m.cf", tmp_path / "pairs.csv", *out)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.csv"]


def test_a_failure_keeps_the_earlier_file(models: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    out.write_text("earlier\n")
    (tmp_path / "pairs.csv").write_text("user,item\n" + "1,2\n" * 250_000 + "x,2\n")
    done = run("predict", models / "m.cf", tmp_path / "pairs.csv", "-o", out)
    assert done.returncode == 1
    assert "column 'user': 'x' at row 250000 is no integer" in done.stderr
    assert out.read_text() == "earlier\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.csv", "pairs.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["similar", "@m.cf", "99999"], 1, "item: 99999 has no training ratings"),
        (["similar", "@m.cf", "1", "99999"], 1, "item: 99999 has no training ratings"),
        (["similar", "@m.cf", "x"], 1, "item: 'x' is no integer"),
        (["recommend", "@m.cf", ""], 1, "user: '' is no integer"),
        (["recommend", "@m.cf", "--users", "@none.txt"], 1, "none.txt: holds no id"),
        (["recommend", "@m.cf", "--users", "@bytes.txt"], 1, "bytes.txt: line 2 is not UTF-8 text"),
        (["recommend", "@m.cf", "1", "-o", "@"], 2, "Is a directory"),
        (["recommend", "@m.cf", "1", "-o", "@x.xlsx"], 2, "end in .csv, .jsonl or .parquet"),
        (["predict", "@m.cf", "@r.csv", "-o", "@"], 2, "Is a directory"),
        (["fit", "@r.csv", "-o", "@"], 2, "Is a directory"),
        (["fit", "@r.csv", "-o", "-"], 2, "--out -"),
        (["fit", "@r.csv", "-o", "@x.cf", "--split", "1e-300"], 2, "--split 1e-300"),
        (["fit", "@r.csv", "-o", "@x.cf", "--validation", "1e-300"], 2, "--validation 1e-300"),
        (["fit", "@m.cf", "-o", "@x.cf"], 1, "m.cf"),
        (["fit", "@empty", "-o", "@x.cf"], 1, "empty"),
        (["fit", "@random", "-o", "@x.cf"], 1, "random"),
        (["predict", "@r.csv", "@r.csv"], 1, "r.csv"),
        (["predict", "@m.cf", "@m.cf"], 1, ""),
        (["predict", "@m.cf", "@random"], 1, ""),
        (["predict", "@m.cf", "@"], 1, ""),
        (["info", "@"], 2, "a folder, not a model file"),
        (["info", "@random"], 1, "random"),
        (["info", "@empty"], 1, "empty"),
        (["compare", "@r.csv", "--plot", "@x.doc"], 2, "must end in one of"),
        (["fit", "@r.csv", "-o", "@x.cf", "--members", "svd"], 2, "--members is for --model blend"),
        (["fit", "@r.csv", "-o", "@x.cf", "-m", "blend", "--members", "svm"], 2, "unknown model 'svm'"),
        (["fit", "@r.csv", "-o", "@x.cf", "-m", "blend", "--set", "models=3"], 2, "--set models=3"),
    ],
)
def test_one_line_and_no_file(models: Path, arguments: list[str], code: int, message: str) -> None:
    (models / "none.txt").write_text("\n \n")
    (models / "bytes.txt").write_bytes(b"1\n\xff\n")
    (models / "empty").write_bytes(b"")
    (models / "random").write_bytes(np.random.default_rng(0).bytes(10_000))
    before = sorted(models.iterdir())
    done = run(*[argument.replace("@", f"{models}/") for argument in arguments])
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert message in done.stderr
    assert re.fullmatch(r"cfcore: [^\n\x00-\x1f]{5,2000}\n", done.stderr), done.stderr
    assert sorted(models.iterdir()) == before


def test_unexpected_errors_are_told_in_a_line(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise KeyError("x")

    monkeypatch.setattr(cf.SVD, "predict", fail)
    done = run("predict", models / "m.cf", models / "r.csv")
    assert done.returncode == 1
    assert re.fullmatch(r"cfcore: unexpected KeyError: 'x'; please report it.*\n", done.stderr)


def test_warnings_are_lines_in_terms_of_the_options(models: Path, tmp_path: Path) -> None:
    settings = ("--set", "lr=.5", "--set", "lr_decay=1.0", "--set", "n_epochs=3")  # it diverges in epoch 2
    done = run("fit", models / "r.csv", "-o", tmp_path / "x.cf", "-m", "svd", *settings)
    assert done.returncode == 0
    assert re.fullmatch(r"cfcore: warning: .*Try --set lr=[\d.e+]+.*\n", done.stderr)
