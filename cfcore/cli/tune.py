"""``cfcore tune``: better hyper-parameters within a budget."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfcore.cli.common import (
    ChooserOption,
    DataArgument,
    JsonOption,
    MembersOption,
    MetricOption,
    NewModelOption,
    RaterOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    need_folder,
    on_terminal,
    tell,
    tell_sources,
    write_json,
)
from cfcore.cli.errors import UsageError, usage
from cfcore.cli.lists import CriterionOption, SupportOption, ThresholdOption, check_explores, criterion_of
from cfcore.cli.models import Parts, build_model, fitting, value_of
from cfcore.cli.reading import Reading, read_part
from cfcore.cli.weights import WeightsOption, read_weights

if TYPE_CHECKING:
    from cfcore.selection import Search


def tune(
    data: DataArgument,
    reading: Reading,
    model: NewModelOption = "svdpp",
    members: MembersOption = "",
    chooser: ChooserOption = "",
    rater: RaterOption = "",
    budget: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Time for trials: 90s, 5m, 2h.", show_default="5m, unless --trials"
        ),
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
    weights: WeightsOption = "",
    metric: MetricOption = "",
    by: CriterionOption = "",
    min_support: SupportOption = 0,
    threshold: ThresholdOption = None,
    cv: Annotated[
        int, typer.Option(min=0, help="Folds.", show_default="5, or a tenth held out of many ratings")
    ] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Trials at a time, on shared cores.")] = 1,
    split: Annotated[
        str, typer.Option(help="Use the training part of this split only (u1, 0.1); else everything.")
    ] = "",
    seed: SeedOption = 0,
    threads: ThreadsOption = 0,
    json_file: JsonOption = None,
) -> None:
    """Search better hyper-parameters by Optuna, judged by ratings held out within those given.

    Examples:

      cfcore tune ratings.csv --model svd --budget 10m --out best.cf

      cfcore tune ratings.csv --trials 20 --vary lr=.001,.1,log --study study.db

      cfcore tune ratings.csv --model ease --metric ndcg@10 --min-support 5
    """
    from cfcore.selection import search
    from cfcore.selection.searching import usual_metric
    from cfcore.selection.study import import_optuna

    tell_sources()
    for path, option in ((out, "--out"), (study, "--study"), (json_file, "--json")):
        need_folder(path, option)
    if budget.strip().isdecimal():
        raise UsageError(
            f"--budget {budget}: give a time, such as 90s or 5m; for a number of trials --trials {budget}"
        )
    criterion = criterion_of(by)
    if budget and trials:
        raise UsageError("--budget and --trials both end the search: give one of them")
    start = build_model(model, settings or [], seed, threads, Parts(members, chooser, rater))
    space = dict(map(range_of, vary)) if vary else None
    import_optuna()  # before any data is fetched
    train = read_part(data, split, 0, reading, start)
    if cv and not 2 <= cv <= len(train):
        raise UsageError(f"--cv {cv}: it must be from 2 to the number of ratings, {len(train):,}")
    start = fitting(start, train, members)
    check_explores(start, criterion)
    own = read_weights(data, weights, reading, train, start)
    metric = metric or usual_metric(start)
    with usage():  # a wrong range, budget or metric, or another search in the study
        found = search(
            start,
            train,
            space,
            budget=trials or budget or "5m",
            cv=cv or None,
            metric=metric,
            threshold=threshold,
            by=criterion,
            min_support=min_support,
            n_jobs=jobs,
            study=study,
            random_state=seed,
            refit=out is not None,
            verbose=int(on_terminal()),
            weights=own,
        )
    if out is not None:
        found.model.save(out)
    say(found, metric, out, json_file)
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


def say(found: Search, metric: str, out: Path | None, json_file: Path | None) -> None:
    """Print the best value, the number of trials, and the settings as `cfcore fit --set` takes them."""
    states = list(found.table["state"])
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    name = type(found.model).__name__
    tell(f"{name}: {metric} {found.value:.5f} on ratings held out; trials: {counted}", json_file)
    first = found.table[metric][0]
    if states[0] == "complete" and first != found.value:
        tell(f"before: {first:.5f}", json_file)
    for name, value in found.params.items():
        tell(f"  --set {name}={json.dumps(value)}", json_file)
    if out is not None:
        tell(f"fitted to all of them: {out}", json_file)


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
