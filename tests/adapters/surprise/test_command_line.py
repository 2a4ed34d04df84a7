"""``python -m cfcore.surprise``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import cfcore.surprise as surprise
from cfcore.surprise.__main__ import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data sets with a small ml-100k."""
    monkeypatch.setenv("SURPRISE_DATA_FOLDER", str(tmp_path / "data"))
    place = tmp_path / "data" / "ml-100k" / "ml-100k"
    place.mkdir(parents=True)
    rows = [f"{user}\t{item}\t{(user + item) % 5 + 1}\t0" for user in range(12) for item in range(10)]
    (place / "u.data").write_text("\n".join(rows) + "\n")
    return tmp_path / "data"


def run(*arguments: str) -> None:
    main(arguments)


def test_cross_validation(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for seed in ("1", "1", "2"):
        run(
            "-algo",
            "SVD",
            "-params",
            "{'n_epochs': 2}",
            "-load-builtin",
            "ml-100k",
            "-n-folds",
            "3",
            "-seed",
            seed,
        )
        outputs.append(re.sub(r"time.*", "", capsys.readouterr().out))
    assert outputs[0].startswith("Evaluating RMSE, MAE of algorithm SVD on 3 split(s).\n\n")
    assert outputs[0] == outputs[1] != outputs[2]
    run("-algo", "NormalPredictor")  # ml-100k, five folds
    assert "of algorithm NormalPredictor on 5 split(s)" in capsys.readouterr().out


def test_the_seed_is_that_of_the_folds_too(capsys: pytest.CaptureFixture[str]) -> None:
    run("-algo", "BaselineOnly", "-params", "{'verbose': False}", "-n-folds", "3", "-seed", "4")
    shown = re.findall(r"RMSE \(testset\) +([0-9.]+) +([0-9.]+) +([0-9.]+)", capsys.readouterr().out)
    data = surprise.Dataset.load_builtin("ml-100k", prompt=False)
    folds = surprise.model_selection.KFold(3, random_state=4)
    found = surprise.model_selection.cross_validate(surprise.BaselineOnly(verbose=False), data, cv=folds)
    assert list(shown[0]) == [f"{error:.4f}" for error in found["test_rmse"]]


def test_custom_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(folder / "ml-100k" / "ml-100k" / "u.data")
    reader = r"Reader(line_format='user item rating timestamp', sep='\t')"
    run("-algo", "BaselineOnly", "-params", "{'verbose': False}", "-load-custom", path, "-reader", reader)
    assert "of algorithm BaselineOnly on 5 split(s)" in capsys.readouterr().out
    run("-algo", "KNNBasic", "-folds-files", f"{path} {path}", "-reader", reader)
    assert "of algorithm KNNBasic on 1 split(s)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "No algorithm was specified."),
        (["-algo", "Nothing"], "argument -algo: invalid choice: 'Nothing'"),
        (["-algo", "SVD", "-load-custom", "x"], "-reader parameter is needed."),
        (["-algo", "SVD", "-load-custom", "x", "-reader", "print(1)"], "argument -reader"),
        (["-algo", "SVD", "-load-custom", "x", "-reader", "Reader(sep=open('y'))"], "argument -reader"),
        (["-algo", "SVD", "-params", "exit()"], "argument -params"),
        (["-algo", "SVD", "-folds-files", "x", "-reader", "Reader()"], "argument -folds-files"),
    ],
)
def test_errors(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        run(*arguments)
    assert exit.value.code == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert message in shown.err
    assert "-load-builtin" in shown.out


def test_clean(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--clean")
    assert capsys.readouterr().out == f"Removed {folder}\n"
    assert not folder.exists()


def test_as_a_module() -> None:
    program = [sys.executable, "-m", "cfcore.surprise", "--version"]
    assert subprocess.run(program, capture_output=True, text=True, check=True).stdout == "1.1.5\n"


def test_dumps_are_not_written_and_this_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("-algo", "NormalPredictor", "-n-folds", "2", "--with-dump", "-dump-dir", str(folder / "dumps"))
    assert "have no effect" in capsys.readouterr().err
    assert not (folder / "dumps").exists()
