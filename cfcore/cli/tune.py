"""``cfcore tune``: better hyper-parameters within a budget."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfcore.cli.common import (
    DataArgument,
    ItemOption,
    JsonOption,
    MetricOption,
    NewModelOption,
    RatingOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    TimestampOption,
    UsageError,
    UserOption,
    errors_in_a_line,
    need_folder,
    read_part,
    tell_sources,
    usage,
    write_json,
)
from cfcore.cli.fit import build_model, value_of

if TYPE_CHECKING:
    from cfcore.selection import Search


def tune(
    data: DataArgument,
    model: NewModelOption = "svdpp",
    budget: Annotated[
        str, typer.Option(help="Time for trials: 90s, 5m, 2h.", show_default="5m, unless --trials")
    ] = "",
    trials: Annotated[int, typer.Option(min=0, help="Number of trials, in place of a time.")] = 0,
    study: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Keep the trials in this file (SQLite), and go on from those it holds."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Fit the best to all the ratings, and write it there."
        ),
    ] = None,
    settings: SetOption = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=RANGE",
            help="Vary this: lr=.001,.1,log or n_factors=8,64 or similarity=[...]; repeatable.",
            show_default="a range for each parameter that matters",
        ),
    ] = None,
    metric: MetricOption = "rmse",
    cv: Annotated[
        int, typer.Option(min=0, help="Folds.", show_default="5, or a tenth held out of many ratings")
    ] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Trials at a time, on shared cores.")] = 1,
    split: Annotated[
        str, typer.Option(help="Use the training part of this split only (u1, 0.1); else everything.")
    ] = "",
    user: UserOption = "",
    item: ItemOption = "",
    rating: RatingOption = "",
    timestamp: TimestampOption = "",
    seed: SeedOption = 0,
    threads: ThreadsOption = 0,
    json_file: JsonOption = None,
) -> None:
    """Search better hyper-parameters by Optuna, judged by ratings held out within those given."""
    with errors_in_a_line():
        from cfcore.selection import search
        from cfcore.selection.study import import_optuna

        tell_sources()
        for path, option in ((out, "--out"), (study, "--study"), (json_file, "--json")):
            need_folder(path, option)
        if budget and trials:
            raise UsageError("--budget and --trials both end the search: give one of them")
        start = build_model(model, settings or [], seed, threads)
        space = dict(map(range_of, vary)) if vary else None
        import_optuna()  # before any data is fetched
        columns = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
        train = read_part(data, split, 0, **columns)
        with usage():  # a wrong range, budget or metric, or another search in the study
            found = search(
                start,
                train,
                space,
                budget=trials or budget or "5m",
                cv=cv or None,
                metric=metric,
                n_jobs=jobs,
                study=study,
                random_state=seed,
                refit=out is not None,
                verbose=int(sys.stderr.isatty()),
            )
        if out is not None:
            found.model.save(out)
        say(found, metric, out, str(json_file) == "-")
        write_json(json_file, report_of(found, metric, len(train), out))


def range_of(text: str) -> tuple[str, Any]:
    """Name and range from NAME=LOW,HIGH[,log] or NAME=[...]."""
    name, equals, given = text.partition("=")
    if not equals:
        raise UsageError(f"--vary {text}: write it as NAME=LOW,HIGH or NAME=LOW,HIGH,log or NAME=[A,B,...]")
    if given.startswith("["):
        try:
            return name, json.loads(given)
        except ValueError as error:
            raise UsageError(f"--vary {text}: {error}; text stands in double quotes") from None
    return name, tuple(value_of(part.strip()) for part in given.split(","))


def say(found: Search, metric: str, out: Path | None, aside: bool) -> None:
    """Print the best value, the number of trials, and the settings as `cfcore fit --set` takes them."""
    states = list(found.table["state"])
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    typer.echo(
        f"{type(found.model).__name__}: {metric} {found.value:.5f} on ratings held out; trials: {counted}",
        err=aside,
    )
    first = found.table[metric][0]
    if states[0] == "complete" and first != found.value:
        typer.echo(f"before: {first:.5f}", err=aside)
    for name, value in found.params.items():
        typer.echo(f"  --set {name}={json.dumps(value)}", err=aside)
    if out is not None:
        typer.echo(f"fitted to all of them: {out}", err=aside)


def report_of(found: Search, metric: str, n_ratings: int, out: Path | None) -> dict[str, Any]:
    """The result, JSON-able."""
    table = {name: found.table[name].tolist() for name in found.table}
    return {
        "model": type(found.model).__name__,
        "n_ratings": n_ratings,
        "metric": metric,
        "value": found.value,
        "params": found.params,
        "trials": [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)],
        "file": None if out is None else str(out),
    }
