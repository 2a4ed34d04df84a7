"""Common parts of the commands: arguments and options, files to write, JSON."""

from __future__ import annotations

import json
import logging
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cfcore.atomic import check_target, replacing
from cfcore.cli.errors import UsageError, in_options_of_the_command

# Arguments and options that several commands take.
DataArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA...",
        help="A data set (ml-100k, ml-1m, ..., synthetic), or files of ratings: text, JSON lines, parquet, "
        "Arrow; compressed or not; several, patterns, folders; - is standard input.",
    ),
]
ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A file that `cfcore fit` wrote.")]
UserFeaturesOption = Annotated[
    Path | None,
    typer.Option(
        "--user-features", metavar="FILE",
        help="Table of users, such as their age: text with a line of names, or parquet.",
    ),
]  # fmt: skip
ItemFeaturesOption = Annotated[
    Path | None,
    typer.Option("--item-features", metavar="FILE", help="Table of items, such as their genres, likewise."),
]
MemoryMapOption = Annotated[
    bool,
    typer.Option(
        "--memory-map",
        help="Leave large arrays of MODEL in the file, which must not be written to meanwhile; it may be "
        "replaced or removed.",
    ),
]
ThreadsOption = Annotated[int, typer.Option(min=0, help="Threads of the compiled kernels; 0: all cores.")]
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write a report there; - is standard output.")
]
MetricOption = Annotated[
    str,
    typer.Option(
        help="rmse, mae, fcp, ndcg@10, recall@20, ...: what `cfcore evaluate` prints.",
        show_default="rmse; ndcg@10 of models for lists",
    ),
]
NewModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="baseline, item-knn, svd, svdpp, ..., blend; for lists: ease, popularity, ranker.",
    ),
]
MembersOption = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="Comma-separated models to blend, for --model blend.",
        show_default="item-knn,user-knn,svdpp,timesvdpp,rbm",
    ),
]
ChooserOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="A model of what users choose, for --model ranker.",
        show_default="ease",
    ),
]
RaterOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="A model of what users think of it, for --model ranker.",
        show_default="svdpp",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A hyper-parameter, such as n_factors=50; repeatable."),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Random state of models that have one.")]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FILE", help="Write there (.csv, .jsonl or .parquet), not to standard output."
    ),
]
JsonRowsOption = Annotated[bool, typer.Option("--json", help="Rows as JSON objects, one a line.")]


def need_folder(path: Path | None, option: str) -> None:
    """Raise UsageError for a file that cannot be written, before the work begins."""
    if path is None or str(path) == "-":
        return
    try:
        check_target(path)
    except FileNotFoundError:
        raise UsageError(f"{option} {path}: there is no folder {path.absolute().parent}") from None
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from None


def tell(text: str, json_file: Path | None = None) -> None:
    """Print text: on standard error if standard output takes the JSON report."""
    typer.echo(printable(text), err=str(json_file) == "-")


def printable(text: str) -> str:
    """The text with escapes for what cannot be printed: names of files may be no text."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def write_json(path: Path | None, report: Any) -> None:
    """Write the report as JSON, unless `path` is None."""
    if path is None:
        return
    text = json.dumps(finite(report), indent=2, default=str)
    if str(path) == "-":
        typer.echo(text)
    else:
        with replacing(path, text=True) as file:
            file.write(text + "\n")


def finite(value: Any) -> Any:
    """The same with null for NaN and infinities, for which JSON has no numbers."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def on_terminal() -> bool:
    """Whether standard error is a terminal, for progress bars."""
    return sys.stderr is not None and sys.stderr.isatty()


class Lines(logging.Handler):
    """Prints messages on what standard error is at that time."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message."""
        typer.echo(in_options_of_the_command(record.getMessage()), err=True)


def tell_sources() -> None:
    """Log on standard error which source data comes from, and why not from an earlier one."""
    logger = logging.getLogger("cfcore")
    logger.setLevel(logging.INFO)
    if not any(isinstance(handler, Lines) for handler in logger.handlers):
        logger.addHandler(Lines())
