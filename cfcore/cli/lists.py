"""``cfcore recommend`` and ``cfcore similar``: lists of items or users."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from cfcore.cli.common import (
    ItemFeaturesOption,
    JsonRowsOption,
    MemoryMapOption,
    ModelArgument,
    OutOption,
    ThreadsOption,
    UserFeaturesOption,
    on_terminal,
)
from cfcore.cli.errors import UsageError, say, usage
from cfcore.cli.ids import as_ids
from cfcore.cli.models import load_model
from cfcore.cli.rows import RowWriter
from cfcore.data.checks import as_timestamps
from cfcore.data.names import distinct_names
from cfcore.errors import DataError
from cfcore.metrics.options import CRITERIA, EXPLORING
from cfcore.models.core.distributions import check_unused
from cfcore.progress import progress_bar

#: Lists that are in memory at once.
LISTS = 1_000

CriterionOption = Annotated[
    str,
    typer.Option(
        metavar="CRITERION",
        help="What lists are ranked by: preference, or rating (predicted ratings); to explore, of models "
        "with distributions (bayesian-svd), upper (bounds) or sample (a draw of the parameters).",
        show_default="preference",
    ),
]
LengthOption = Annotated[int, typer.Option("-n", min=1, help="Length of a list.")]
SupportOption = Annotated[int, typer.Option(min=0, help="Leave out what has fewer training ratings.")]
SeenOption = Annotated[bool, typer.Option(help="Items that the user rated in training as well.")]
ThresholdOption = Annotated[
    float | None,
    typer.Option(help="A rating from which an item is relevant.", show_default="3/4 up the scale"),
]
ExcludedItemOption = Annotated[
    list[str] | None,
    typer.Option(metavar="ITEM", help="An item excluded for all users, as out of stock; repeatable."),
]
ExcludedOption = Annotated[
    Path | None,
    typer.Option("--exclude", metavar="FILE", help="A file with the id of such an item in each line."),
]

TimeOption = Annotated[
    str,
    typer.Option(
        "--at",
        metavar="TIME",
        help="The time that lists are for, of models of time: now, a date such as 2026-11-28T18:30, or "
        "seconds since 1970.",
    ),
]


def recommend(
    model: ModelArgument,
    users: Annotated[list[str] | None, typer.Argument(metavar="[USER]...", help="Ids of users.")] = None,
    users_file: Annotated[
        Path | None, typer.Option("--users", metavar="FILE", help="A file with an id of a user in each line.")
    ] = None,
    all_users: Annotated[bool, typer.Option("--all", help="All users of the model.")] = False,
    n: LengthOption = 10,
    include_seen: SeenOption = False,
    min_support: SupportOption = 0,
    exclude_item: ExcludedItemOption = None,
    exclude: ExcludedOption = None,
    by: CriterionOption = "",
    n_std: Annotated[
        float | None,
        typer.Option(min=0, help="Standard deviations above the mean, of --by upper.", show_default="1"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Chooses the sample of --by sample.", show_default="any")
    ] = None,
    at: TimeOption = "",
    out: OutOption = None,
    as_json: JsonRowsOption = False,
    threads: ThreadsOption = 0,
    memory_map: MemoryMapOption = False,
    user_features: UserFeaturesOption = None,
    item_features: ItemFeaturesOption = None,
) -> None:
    """List items for users: those that they will choose and be content with, or those they will rate highest.

    By default lists are ranked by preference: how likely a user is to choose an item, by the model if it is
    for lists, else by popularity; weighed by the chance that they will rate it well. Predicted ratings
    alone (--by rating) put items first that hardly anybody chooses.

    A user without training ratings gets the list of all such users, and is named on standard error; the exit
    code is 0.

    Examples:

      cfcore recommend svdpp.cf 196 186 -n 5

      cfcore recommend svdpp.cf --all --min-support 20 --out lists.parquet

      cfcore recommend svdpp.cf --all --exclude sold_out.txt --exclude-item 50

      cfcore recommend timesvdpp.cf 196 --at now

      cfcore recommend bayesian.cf 196 --by upper --n-std 2
    """
    if bool(users) + (users_file is not None) + all_users != 1:
        raise UsageError("give the users to recommend to: their ids, --users FILE or --all")
    criterion = criterion_of(by)
    fitted = load_model(model, threads, user_features, item_features, memory_map)
    check_explores(fitted, criterion)
    if all_users:
        wanted = fitted.user_ids_[fitted.user_counts_ > 0]
    else:
        wanted = as_ids(fitted, "user", users or read_ids(users_file, "--users"))
        tell_unknown(wanted[~fitted.is_known(wanted)], len(wanted))
    names = distinct_names(fitted.column_names_, ("user", "item"), ("rank", "score"))
    exploring: dict[str, Any] = {"n_std": n_std, "random_state": seed}
    with usage():
        check_unused(criterion, n_std, seed)
    if criterion == "sample":  # lists are made some at a time: one sample for all of them
        exploring["random_state"] = np.random.SeedSequence(seed)
    length = max(1, min(n, len(fitted.item_ids_)))  # lists are padded to it
    excluded = excluded_items(fitted, exclude_item, exclude)
    moment = time_of(fitted, at)

    def best(some: Any) -> Any:
        found = fitted.recommend(
            some,
            length,
            by=criterion,
            exclude_seen=not include_seen,
            min_support=min_support,
            exclude=excluded,
            timestamps=moment,
            **exploring,
        )
        return without_padding(*found)

    if min_support and not (fitted.item_counts_ >= min_support).any():
        most = int(fitted.item_counts_.max(initial=0))
        say(f"note: --min-support {min_support}: no item has so many ratings, the most is {most:,}")
    write_lists(out, as_json, [names["user"], "rank", names["item"], "score"], wanted, best)
    if not by:  # at the end: of a command that fails, the error is the only line
        say(
            f"note: lists are ranked by preference ({preference(fitted)}); for predicted ratings: --by rating"
        )


def criterion_of(by: str) -> str:
    """What lists are ranked by: preference, unless --by says otherwise."""
    if by not in ("", *CRITERIA):
        raise UsageError(f"--by {by}: write rating or preference, or to explore upper or sample")
    return by or "preference"


def check_explores(model: Any, criterion: str) -> None:
    """Raise UsageError for lists that explore of a model that cannot."""
    if criterion in EXPLORING and not model._has_distributions():
        raise UsageError(f"--by {criterion}: {model._without('no distribution of its predictions')}")


def time_of(model: Any, at: str, word: str = "") -> Any:
    """Seconds since 1970 of the time that lists are for; None without one; `word` stays as it is."""
    if not at:
        return None
    if not model.uses_timestamps():
        raise UsageError(f"--at {at}: predictions of {type(model).__name__} do not depend on time")
    if at == word:
        return at
    try:
        asked = time.time() if at == "now" else (float(at) if at.lstrip("-").isdecimal() else at)
        return int(as_timestamps(np.atleast_1d(np.asarray(asked)), "--at")[0])
    except DataError:
        words = f"now, {word}" if word else "now"
        raise UsageError(
            f"--at {at}: write {words}, a date such as 2026-11-28T18:30, or seconds since 1970"
        ) from None


def excluded_items(model: Any, named: list[str] | None, file: Path | None) -> Any:
    """Ids of items excluded for all users, None without any; those that the model does not know are told."""
    named_items = [*(named or ()), *(() if file is None else read_ids(file, "--exclude"))]
    if not named_items:
        return None
    excluded = as_ids(model, "item", named_items)
    tell_unknown_items(excluded[~model.is_known(items=excluded)], len(excluded))
    return excluded


def preference(model: Any) -> str:
    """What preferences of a model are made of."""
    import cfcore as cf
    from cfcore.metrics import relevant_from
    from cfcore.models.core.preference import Preferring

    chooser, rater = model.members_ if isinstance(model, cf.Ranker) else (model, model)
    own = type(chooser)._choice_rows is not Preferring._choice_rows
    choices = f"choices by {type(chooser).__name__ if own else 'popularity'}"
    if model._worth_weight == 0:
        return choices
    level = relevant_from(model.scale_)
    return f"{choices}, weighed by the chance of a rating of at least {level:g} by {type(rater).__name__}"


def similar(
    model: ModelArgument,
    ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Ids of items, or of users with --users.")
    ],
    compare_users: Annotated[bool, typer.Option("--users", help="Compare users, not items.")] = False,
    n: LengthOption = 10,
    min_support: SupportOption = 0,
    out: OutOption = None,
    as_json: JsonRowsOption = False,
    threads: ThreadsOption = 0,
    memory_map: MemoryMapOption = False,
) -> None:
    """List the items most similar to items, or the users most similar to users.

    Examples:

      cfcore similar item-knn.cf 50 181

      cfcore similar svd.cf 196 --users -n 3 --json
    """
    fitted = load_model(model, threads, memory_map=memory_map)
    kind = "user" if compare_users else "item"
    name = fitted.column_names_[kind]
    name = kind if name in ("rank", "similarity") else name
    find = fitted.similar_users if compare_users else fitted.similar_items
    wanted = as_ids(fitted, kind, ids)
    known = fitted.is_known(wanted) if compare_users else fitted.is_known(items=wanted)
    if not known.all():
        unknown = wanted[~known].tolist()
        more = f", nor have {len(unknown) - 1:,} more of the ids" if len(unknown) > 1 else ""
        raise DataError(f"{kind}: {unknown[0]} has no training ratings{more}")
    try:
        write_lists(
            out, as_json, [name, "rank", f"similar_{name}", "similarity"], wanted,
            lambda some: without_padding(*find(some, n, min_support=min_support)),
        )  # fmt: skip
    except TypeError as error:  # the model does not compare them
        raise UsageError(str(error)) from None


def without_padding(ids: Any, scores: Any) -> list[tuple[Any, Any]]:
    """Ids and scores of each of many lists, as long as they are."""
    return [(row[kept], its[kept]) for row, its, kept in zip(ids, scores, ~np.isnan(scores), strict=True)]


def read_ids(path: Path | None, option: str) -> list[str]:
    """Ids, one a line; blank lines are left out. "-" is standard input."""
    if str(path) == "-":
        if sys.stdin is None:
            raise DataError(f"{option} -: standard input is closed")
        held = sys.stdin.buffer.read()
    elif path is None or not path.exists():
        raise UsageError(f"{option} {path}: there is no such file")
    else:
        held = path.read_bytes()
    try:
        lines = held.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = held.count(b"\n", 0, error.start) + 1
        raise DataError(f"{option} {path}: line {line} is not UTF-8 text") from None
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise DataError(f"{option} {path}: holds no id")
    return found


def tell_unknown(users: Any, n_users: int) -> None:
    """Print which users the model does not know."""
    if len(users):
        shown = ", ".join(map(str, users[:3].tolist())) + (", ..." if len(users) > 3 else "")
        say(
            f"note: {len(users):,} of {n_users:,} users have no training ratings ({shown}): "
            "their lists are those of any new user"
        )


def tell_unknown_items(items: Any, n_items: int) -> None:
    """Print which items excluded for all users the model does not know: they may be mistyped."""
    if len(items):
        shown = ", ".join(map(str, items[:3].tolist())) + (", ..." if len(items) > 3 else "")
        say(
            f"note: {len(items):,} of {n_items:,} items that nobody is to get have no training ratings "
            f"({shown}): they are in no list anyway"
        )


def write_lists(
    out: Path | None, as_json: bool, names: list[str], wanted: Any, find: Callable[[Any], Any]
) -> None:
    """Write a row for each entry of each list: the user or item of the list, the rank, the id and the score.

    `find` returns ids and scores for each of several users or items.
    """
    with (
        RowWriter(out, names, as_json) as writer,
        progress_bar(len(wanted), "lists", out is not None and on_terminal()) as bar,
    ):
        for begin in range(0, len(wanted), LISTS):
            some = wanted[begin : begin + LISTS]
            found = find(some)
            lengths = [len(ids) for ids, _ in found]
            ranks = np.concatenate([np.arange(1, length + 1) for length in lengths])
            columns = (np.concatenate(column) for column in zip(*found, strict=True))
            writer.write(np.repeat(some, lengths), ranks, *columns)
            bar.update(len(some))
