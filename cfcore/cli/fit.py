"""``cfcore fit``: from ratings to a model in a file."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cfcore.cli.common import (
    DataArgument,
    ItemOption,
    JsonOption,
    NewModelOption,
    RatingOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    TimestampOption,
    UsageError,
    UserOption,
    errors_in_a_line,
    model_name,
    need_folder,
    read_part,
    tell_sources,
    usage,
    write_json,
)


def fit(
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Write the model there.")],
    model: NewModelOption = "svdpp",
    settings: SetOption = None,
    split: Annotated[
        str, typer.Option(help="Fit on the training part of this split only (u1, 0.1); else on everything.")
    ] = "",
    validation: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.9,
            help="Share of the ratings to hold out, whose error is measured after each epoch; 0: none.",
        ),
    ] = 0,
    early_stopping: Annotated[
        int, typer.Option(min=0, help="Stop after so many epochs without gain on the validation share.")
    ] = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep a file of the state after each epoch, and go on from it."),
    ] = None,
    user: UserOption = "",
    item: ItemOption = "",
    rating: RatingOption = "",
    timestamp: TimestampOption = "",
    seed: SeedOption = 0,
    threads: ThreadsOption = 0,
    json_file: JsonOption = None,
) -> None:
    """Fit a model and write it to a file."""
    with errors_in_a_line():
        tell_sources()
        need_folder(out, "--out")
        need_folder(json_file, "--json")
        need_folder(checkpoint, "--checkpoint")
        if early_stopping and not validation:
            raise UsageError("--early-stopping needs held-out ratings: give --validation 0.1")
        fitted = build_model(model, settings or [], seed, threads)
        columns = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
        train = read_part(data, split, 0, **columns)
        held_out = None
        if validation:
            import cfcore as cf

            train, held_out = cf.split.holdout(train, validation, random_state=seed)
        if "verbose" in fitted.get_params():
            fitted.set_params(verbose=int(sys.stderr.isatty()))
        start = time.perf_counter()
        with usage():  # a hyper-parameter may be out of range
            fitted.fit(
                train, validation=held_out, early_stopping=early_stopping or None, checkpoint=checkpoint
            )
        seconds = time.perf_counter() - start
        fitted.save(out)
        history = fitted.history_
        errors = "".join(
            f", {name.replace('_', ' ')} {each[-1]:.4f}" for name, each in history.items() if each
        )
        typer.echo(
            f"{type(fitted).__name__} on {len(train):,} ratings in {seconds:.2f} s{errors}: {out}",
            err=str(json_file) == "-",
        )
        write_json(
            json_file,
            {
                "model": type(fitted).__name__,
                "params": fitted.get_params(),
                "n_ratings": len(train),
                "fit_seconds": seconds,
                "history": history,
                "file": str(out),
            },
        )


def build_model(name: str, settings: list[str], seed: int, threads: int) -> Any:
    """The model called `name`, with hyper-parameters from NAME=VALUE."""
    import cfcore as cf
    from cfcore.compare import MODELS

    model = getattr(cf, MODELS[model_name(name)])()
    known = model.get_params()
    given: dict[str, Any] = {"random_state": seed, "n_threads": threads or None}
    params = {key: value for key, value in given.items() if key in known}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: write it as NAME=VALUE")
        if key not in known:
            raise UsageError(f"--set {setting}: {type(model).__name__} has {', '.join(known)}")
        params[key] = value_of(text)
    return model.set_params(**params)


def value_of(text: str) -> Any:
    """A number, true, false, none or a list where the text is one; else the text itself."""
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return float(text) if text.startswith(".") else json.loads(text)
    except ValueError:
        return text
