"""``cfcore evaluate``: how well a model in a file predicts."""

from __future__ import annotations

from typing import Annotated

import typer

from cfcore.cli.common import (
    DataArgument,
    JsonOption,
    ModelArgument,
    ThreadsOption,
    errors_in_a_line,
    load_model,
    need_folder,
    read,
    read_split,
    tell_sources,
    write_json,
)


def evaluate(
    model: ModelArgument,
    data: DataArgument,
    split: Annotated[
        str, typer.Option(help="Judge by the test part of this split only (u1, 0.1); else by everything.")
    ] = "",
    threads: ThreadsOption = 0,
    json_file: JsonOption = None,
) -> None:
    """Print RMSE, MAE and FCP of a fitted model on ratings."""
    with errors_in_a_line():
        import cfcore as cf

        tell_sources()
        need_folder(json_file, "--json")
        fitted = load_model(model, threads)
        test = read_split(data, split)[1] if split else read(data)
        predictions = fitted.predict(test)
        found = {
            "rmse": cf.metrics.rmse(test.values, predictions),
            "mae": cf.metrics.mae(test.values, predictions),
            "fcp": cf.metrics.fcp(test.values, predictions, test.user_codes),
        }
        typer.echo(
            f"{type(fitted).__name__} on {len(test):,} ratings: "
            + ", ".join(f"{name.upper()} {value:.4f}" for name, value in found.items()),
            err=str(json_file) == "-",
        )
        write_json(json_file, {"model": type(fitted).__name__, "n_ratings": len(test), **found})
