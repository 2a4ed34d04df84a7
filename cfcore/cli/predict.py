"""``cfcore predict``: ratings of pairs, streamed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cfcore.cli.common import (
    ItemOption,
    JsonRowsOption,
    ModelArgument,
    OutOption,
    ThreadsOption,
    TimestampOption,
    UserOption,
    errors_in_a_line,
    load_model,
)
from cfcore.cli.tables import RowWriter, as_ids, pairs
from cfcore.progress import progress_bar


def predict(
    model: ModelArgument,
    pairs_file: Annotated[
        Path,
        typer.Argument(metavar="PAIRS", help="A file with users and items; - is standard input."),
    ],
    out: OutOption = None,
    as_json: JsonRowsOption = False,
    user: UserOption = "",
    item: ItemOption = "",
    timestamp: TimestampOption = "",
    threads: ThreadsOption = 0,
) -> None:
    """Predict the ratings of pairs, a chunk at a time: any number of them fits."""
    with errors_in_a_line():
        fitted = load_model(model, threads)
        given = {"user": user or None, "item": item or None, "timestamp": timestamp or None}
        with (
            RowWriter(out, ["user", "item", "prediction"], as_json) as writer,
            progress_bar(None, "predictions", out is not None and sys.stderr.isatty()) as bar,
        ):
            for users, items, times in pairs(pairs_file, given, model=fitted):
                users, items = as_ids(fitted, "user", users), as_ids(fitted, "item", items)
                writer.write(users, items, fitted.predict(users, items, times))
                bar.update(len(users))
