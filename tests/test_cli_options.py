"""Options of the commands: the same ones for all that read files, and errors that name them."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

import cfcore as cf
from cfcore.cli import compare, evaluate, fit, lists, predict, tune
from cfcore.cli.command import command, options_of
from cfcore.cli.errors import in_options
from tests.conftest import run_inside as run

COMMANDS = {
    "fit": fit.fit,
    "evaluate": evaluate.evaluate,
    "tune": tune.tune,
    "compare": compare.compare,
    "predict": predict.predict,
    "recommend": lists.recommend,
    "similar": lists.similar,
}
OF_PAIRS = [f"--{name}" for name in (
    "user", "item", "timestamp", "no-timestamp", "separator", "header", "no-header", "encoding"
)]  # fmt: skip
OF_RATINGS = [*OF_PAIRS, "--rating", "--scale", "--duplicates", "--missing"]
READERS = ("fit", "evaluate", "tune", "compare")


def keywords_of(name: str) -> dict[str, str]:
    """The option of each keyword of the library, on a command."""
    return options_of(inspect.signature(command(COMMANDS[name])).parameters.values())


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    """Ratings in latin-1, separated by semicolons, with a pair rated twice and a zero for none."""
    path = tmp_path / "books.csv"
    path.write_bytes(
        "Kunde;Buch;Note;Tag\nJosé;b1;4;2020-01-01\nJosé;b1;2;2020-01-02\nAnn;b1;0;2020-01-03\nAnn;b2;5;x\n"
        .encode("latin-1")
    )  # fmt: skip
    return path


@pytest.mark.parametrize("name", [*COMMANDS, "info", "data show", "data get"])
def test_help_has_examples_and_exit_codes(name: str) -> None:
    narrow, wide = (run(*name.split(), "--help", COLUMNS=width).stdout for width in ("80", "160"))
    examples = [
        line.strip() for line in wide.splitlines() if f"cfcore {name} " in line and "Usage" not in line
    ]
    assert examples
    assert all(example in narrow for example in examples)  # none is broken into two lines
    shown = " ".join(wide.split())
    assert re.search(rf"Examples?: cfcore {name} ", shown)
    assert "Exit codes: 0 done; 1 data" in shown
    assert "130 interrupted" in shown


@pytest.mark.parametrize("name", [*READERS, "data show", "predict"])
def test_all_commands_that_read_files_have_the_same_options(name: str) -> None:
    shown = run(*name.split(), "--help").stdout
    for option in OF_PAIRS if name == "predict" else OF_RATINGS:
        assert re.search(rf"{option}\s", shown), option


def test_version() -> None:
    assert run("--version").stdout == f"cfcore {cf.__version__}\n"


def test_a_file_is_read_as_the_options_say(ratings: Path, tmp_path: Path) -> None:
    options = ("--user", "Kunde", "--item", 1, "--rating", "Note", "--separator", ";", "--encoding",
               "latin-1", "--duplicates", "mean", "--missing", "0", "--scale", "1,10",
               "--no-timestamp")  # fmt: skip
    done = run("data", "show", ratings, *options, "--out", tmp_path / "copy.csv", "--json", "-")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["ratings"], found["users"], found["scale"]) == (2, 2, [1.0, 10.0])
    assert not found["timestamps"]
    copied = cf.Ratings.read(tmp_path / "copy.csv", user="Kunde", item="Buch", rating="Note")
    assert list(zip(copied.users, copied.items, copied.values, strict=True)) == [
        ("José", "b1", 3.0),
        ("Ann", "b2", 5.0),
    ]
    out = tmp_path / "m.cf"
    assert run("fit", ratings, *options, "-o", out, "-m", "baseline").returncode == 0
    assert cf.load(out).scale_ == (1.0, 10.0)
    measured = json.loads(run("evaluate", out, ratings, *options, "--json", "-").stdout)
    assert measured["n_ratings"] == 2


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ((), 1, "name one with --user NAME"),
        (("--user", "Kunde", "--item", "Buch"), 1, "name one with --rating NAME"),
        (("--user", "Wer"), 1, "no column 'Wer' for user"),
        (("--encoding", "latin-7000"), 2, "--encoding latin-7000: there is no such encoding"),
        (("--scale", "5"), 2, "--scale 5: write it as LO,HI"),
        (("--scale", "5,1"), 2, "the first number must be lower"),
        (("--missing", "none"), 2, "--missing none: write it as numbers"),
        (("--timestamp", "Tag", "--no-timestamp"), 2, "give one of them"),
        (("--user", "7"), 1, "no column 7 for the user"),
        (("--user", ""), 1, "no column '' for user"),
        (("--separator", ""), 2, "separator"),
        (("--encoding", ""), 2, "--encoding : there is no such encoding"),
        (("--decimal", "x"), 2, "--decimal must be"),
        (("--duplicates", "newest"), 2, "--duplicates newest: give error, last, first or mean"),
    ],
)
@pytest.mark.parametrize("name", [*READERS, "data show"])
def test_errors_of_reading_name_the_options(
    ratings: Path, name: str, given: tuple[Any, ...], code: int, message: str
) -> None:
    arguments = {"fit": ("-o", ratings.parent / "m.cf"), "evaluate": (), "tune": ("--trials", 1)}
    if name == "evaluate":
        cf.Baseline().fit((["a"], ["b"], [1.0])).save(ratings.parent / "given.cf")
    before = (ratings.parent / "given.cf",) if name == "evaluate" else ()
    done = run(*name.split(), *before, ratings, *arguments.get(name, ()), *given)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (ratings.parent / "m.cf").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_named_as_the_command_has_it(name: str) -> None:
    shown = run(name, "--help").stdout
    options = keywords_of(name)
    assert options
    for keyword, option in options.items():
        if not keyword:
            assert in_options("Try lr=0.02", options) == "Try --set lr=0.02"
            continue
        said = in_options(f"pass {keyword if '=' in keyword else keyword + '='} or else", options)
        assert said == f"pass {option} or else"
        assert re.search(rf"(?m)[ ,|│]{option.split()[0]}[ ,│]", shown), option


@pytest.mark.parametrize(
    ("name", "message", "expected"),
    [
        ("fit", 'pass duplicates="last" or "mean" to merge them', "pass --duplicates last or mean to merge them"),  # noqa: E501
        ("fit", 'pass duplicates="last", "first" or "mean"', "pass --duplicates last, first or mean"),
        ("fit", "pass header=True or False", "pass --header or --no-header"),
        ("fit", "pass decimal=',' or '.'", "pass --decimal , or ."),
        ("fit", "--set lr=5: and --vary reg=1,2", "--set lr=5: and --vary reg=1,2"),
        ("fit", "set_params(n_factors=8) or SVD(n_factors=8)", "--set n_factors=8 or --set n_factors=8"),
        ("fit", "rows have no rating (missing=[0.0, 9.0])", "rows have no rating (--missing 0.0,9.0)"),
        ("evaluate", "by ids=int in Ratings, Ratings.read or Ratings.from_frame", "by --ids int"),
        ("fit", "n_threads must be at most 1024", "--threads must be at most 1024"),
        ("evaluate", "threshold must be a number", "--threshold must be a number"),
        ("fit", "the threshold must be a number", "the threshold must be a number"),
        ("fit", "name one with user=, or timestamp=False", "name one with --user NAME, or --no-timestamp"),
        ("fit", "is not utf-8; pass encoding='latin-1'", "is not utf-8; pass --encoding latin-1"),
        ("fit", "Ratings.from_frame(frame, user=..., item=...)", "--user NAME --item NAME"),
        ("fit", "scale=(1, 5) leaves", "--scale 1,5 leaves"),
        ("fit", "fit(..., validation=ratings)", "--validation <float>"),
        ("fit", "a checkpoint; fit(..., checkpoint=path) resumes it", "a checkpoint; --checkpoint FILE resumes it"),  # noqa: E501
        ("predict", "a checkpoint; fit(..., checkpoint=path)", "a checkpoint; fit(..., checkpoint=path)"),
        ("predict", 'pass duplicates="last"', 'pass duplicates="last"'),
        ("tune", "study='x.db' holds another search", "--study x.db holds another search"),
        ("recommend", "exclude_seen=False lists them", "--include-seen lists them"),
        ("fit", "shrinkage=0 and n_threads=2 and user == 3", "--set shrinkage=0 and --threads 2 and user == 3"),  # noqa: E501
        ("fit", "the rating x=5 and y=None at row 3", "the rating x=5 and y=None at row 3"),
    ],
)  # fmt: skip
def test_messages_of_the_library_in_terms_of_the_command(name: str, message: str, expected: str) -> None:
    said = in_options(message, keywords_of(name))
    assert said == expected.replace("<float>", keywords_of("fit")["validation"].split()[1])


def test_reading_options_are_for_files_only() -> None:
    done = run("evaluate", "no.cf", "ml-100k")
    assert done.returncode == 2
    done = run("data", "show", "ml-100k", "--separator", ";", "--no-timestamp")
    assert done.returncode == 2
    assert "--no-timestamp, --separator: for files only, and ml-100k is a data set" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("fit", "x.csv", "--sepa", ";"), ("fit",), ("recommend", "m.cf", "1", "-n", "-2"), ("fitt",),
     ("fit", "x.csv", "-o", "y.cf", "--seed", "é"), ("data", "shoe"), ("predict", "m.cf")],
)  # fmt: skip
def test_wrong_arguments_are_told_in_one_line(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"cfcore: .*; see cfcore( \w+)* --help\n", done.stderr)


def test_a_budget_that_is_a_number_is_explained(ratings: Path) -> None:
    done = run("tune", ratings, "--budget", 3)
    assert done.returncode == 2
    assert "--trials 3" in done.stderr


@pytest.mark.parametrize("path", ["", "https://files.example/ratings.csv"])
@pytest.mark.parametrize("name", ["fit", "evaluate", "predict"])
def test_what_is_no_path_is_refused(ratings: Path, name: str, path: str) -> None:
    cf.Baseline().fit((["a"], ["b"], [1.0])).save(ratings.parent / "m.cf")
    arguments = ("-o", ratings.parent / "x.cf", path) if name == "fit" else (ratings.parent / "m.cf", path)
    done = run(name, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert ("| cfcore" if path else "empty") in done.stderr
