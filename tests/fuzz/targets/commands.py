"""The command line, in the process: options, files and lines of every kind."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cfcore as cf
from tests.fuzz.captured import ratings_of
from tests.fuzz.engine import Stream, Target, Wrong
from tests.fuzz.targets.text import LINE_TOKENS, TEXTS, TOKENS

COMMANDS = ("fit", "evaluate", "predict", "recommend", "similar", "info", "config", "data", "", "x")
OPTIONS = (
    "--model", "--out", "--params", "--param", "--format", "--user", "--item", "--rating", "--timestamp",
    "--separator",
    "--encoding", "--duplicates", "--scale", "--ids", "--no-timestamp", "--header", "--no-header",
    "--version", "--test",
    "--n", "-n", "--metric", "--set", "--seed", "--threads", "--help", "-", "--", "--verbose", "--color",
)  # fmt: skip
VALUES = (
    "svd", "global-mean", "baseline", "x", "", "1", "-1", "0", "1,2", "nan", "n_factors=2", "n_epochs=1",
    "lr=x", "=", "json",
    "csv", "model.cf", "missing.cf", "ratings.csv", "pairs.csv", ".", "/dev/null", "new.cf",
    "no/such/new.cf", "\ud800", "é", "::",
    "1000000000000000000000", "rmse", "ndcg", "utf-16", "last", "1-5", "1,5",
)  # fmt: skip


@cache
def _app() -> Any:
    import typer.main

    from cfcore.cli import build

    return typer.main.get_command(build())


def _folder(stream: Stream) -> None:
    """The files that commands are given, in the working directory."""
    if not Path("good.cf").exists():
        cf.SVD(n_factors=2, n_epochs=1, random_state=0, n_threads=1).fit(ratings_of(6, 6, 20)).save("good.cf")
    model = bytearray(Path("good.cf").read_bytes())
    if stream.chance(4):
        model[stream.below(len(model))] ^= 1 + stream.byte() % 255
    for name, content in (
        ("model.cf", bytes(model)),
        ("ratings.csv", _text(stream)),
        ("pairs.csv", _text(stream)),
    ):
        path = Path(name)
        path.unlink(missing_ok=True)
        path.write_bytes(content)


def _text(stream: Stream) -> bytes:
    text = stream.pick((*TEXTS, b"1\n2\n", b"1 100\n2 101\n", b"1,100\n1,101\n"))
    if stream.chance(2):
        at = stream.below(len(text) + 1)
        text = text[:at] + stream.pick((*TOKENS, *LINE_TOKENS)) + text[at:]
    return text


def _arguments(stream: Stream) -> list[str]:
    usual: tuple[Callable[[], list[str]], ...] = (
        lambda: ["fit", "ratings.csv", "--model", "global-mean", "--out", "new.cf"],
        lambda: ["predict", "model.cf", "pairs.csv"], lambda: ["predict", "model.cf", "-"],
        lambda: ["recommend", "model.cf", stream.pick(("1", "99", "x", ""))],
        lambda: ["similar", "model.cf", "101"],
        lambda: ["evaluate", "model.cf", "ratings.csv"], lambda: ["info", "model.cf"],
        lambda: [stream.pick(COMMANDS), stream.pick(VALUES), stream.pick(VALUES)],
    )  # fmt: skip
    arguments = stream.pick(usual)()
    for _ in range(stream.below(3)):
        at = stream.below(len(arguments) + 1)
        kind = stream.below(4)
        if kind == 0 and at < len(arguments):
            arguments[at] = stream.pick(VALUES)
        elif kind == 1 and at < len(arguments):
            del arguments[at]
        else:
            arguments[at:at] = [stream.pick(OPTIONS), stream.pick(VALUES)][: 1 + stream.below(2)]
    return arguments


def run(data: bytes) -> None:
    stream = Stream(data)
    _folder(stream)
    arguments = _arguments(stream)
    out, errors = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace"), io.StringIO()
    given = io.TextIOWrapper(io.BytesIO(_text(stream)), "utf-8")
    before, sys.stdin = sys.stdin, given
    code: Any = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            _app()(arguments, prog_name="cfcore")
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdin = before
    if code not in (0, 1, 2, None) and not isinstance(code, str):
        raise Wrong(f"cfcore {arguments} ends with {code!r}")
    text = errors.getvalue()
    if "Traceback" in text:
        raise Wrong(f"cfcore {arguments} prints a traceback: {text[-300:]}")
    if code:
        out.seek(0)
        if not (text.strip() or out.read().strip() or isinstance(code, str)):
            raise Wrong(f"cfcore {arguments} fails with {code} and says nothing")
        raise ValueError(text)


TARGETS = {"commands": lambda: Target("commands", run, weight=1, length=96, smoke=100)}
