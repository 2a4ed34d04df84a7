"""``cfcore evaluate``: metrics of a model in a file, of its predictions and of its lists."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfcore.cli.common import (
    DataArgument,
    JsonOption,
    MemoryMapOption,
    ModelArgument,
    ThreadsOption,
    need_folder,
    tell,
    tell_sources,
    write_json,
)
from cfcore.cli.errors import usage
from cfcore.cli.lists import (
    CriterionOption,
    ExcludedItemOption,
    ExcludedOption,
    SeenOption,
    SupportOption,
    ThresholdOption,
    check_explores,
    criterion_of,
    excluded_items,
    time_of,
)
from cfcore.cli.models import load_model
from cfcore.cli.reading import Reading, read_part

if TYPE_CHECKING:
    from cfcore.metrics import Interval


def evaluate(
    model: ModelArgument,
    data: DataArgument,
    reading: Reading,
    split: Annotated[
        str, typer.Option(help="Use the test part of this split only (u1, 0.1); else all ratings.")
    ] = "",
    k: Annotated[
        int,
        typer.Option(
            "--k", "-k", min=0, help="Length of lists to measure, too; 0: no lists, or 10 with --by and such."
        ),
    ] = 0,
    threshold: ThresholdOption = None,
    by: CriterionOption = "",
    include_seen: SeenOption = False,
    min_support: SupportOption = 0,
    exclude_item: ExcludedItemOption = None,
    exclude: ExcludedOption = None,
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="TIME",
            help="The time that lists are for, as in recommend; test: of each user's first test rating.",
        ),
    ] = "",
    candidates: Annotated[
        str,
        typer.Option(metavar="all|test", help="List all items, or those of each user's test ratings only."),
    ] = "all",
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="Add confidence intervals, by drawing users.")
    ] = False,
    level: Annotated[float, typer.Option(min=0.01, max=0.999, help="Of the intervals.")] = 0.95,
    threads: ThreadsOption = 0,
    memory_map: MemoryMapOption = False,
    json_file: JsonOption = None,
) -> None:
    """Print RMSE, MAE and FCP of a fitted model on ratings; with --k also the metrics of its lists.

    Lists are those of cfcore recommend with the same options; beside their metrics stand those of lists by
    popularity, for comparison.

    Errors are only honest on ratings that the model was not fitted on: pass to fit and to evaluate the same
    --split, or a file of other ratings.

    Examples:

      cfcore evaluate svdpp.cf test.csv

      cfcore evaluate svdpp.cf ml-100k --split u1 --k 10 --bootstrap

      cfcore evaluate svdpp.cf test.csv --k 10 --by rating --min-support 5
    """
    import cfcore as cf
    from cfcore.errors import DataWarning
    from cfcore.metrics.measuring import METRICS, OF_RATINGS
    from cfcore.metrics.of_test_items import surprise_level
    from cfcore.metrics.options import AT_TEST
    from cfcore.metrics.result import facts_of

    tell_sources()
    need_folder(json_file, "--json")
    fitted = load_model(model, threads, memory_map=memory_map)
    check_explores(fitted, criterion_of(by))
    test = read_part(data, split, 1, reading, fitted)
    options: dict[str, Any] = {
        "by": criterion_of(by), "min_support": min_support, "exclude_seen": not include_seen,
        "candidates": candidates, "exclude": excluded_items(fitted, exclude_item, exclude),
    }  # fmt: skip
    if at:
        options["timestamps"] = time_of(fitted, at, AT_TEST)
    asked = by or min_support or include_seen or exclude_item or exclude or candidates != "all" or at
    k = k or (10 if asked else 0)
    level_of_relevance = cf.metrics.relevant_from(fitted.scale_) if threshold is None else threshold
    wanted = [*OF_RATINGS, *(f"{name}@{k}" for name in METRICS if k and name not in OF_RATINGS)]
    intervals: dict[str, Interval] = {}
    popular: dict[str, Any]
    with usage(), warnings.catch_warnings():  # a threshold that is no number
        if reading.no_timestamp:
            warnings.filterwarnings("ignore", ".*there are no timestamps", DataWarning)
        if bootstrap:
            drawn = cf.metrics.bootstrap(fitted, test, wanted, threshold=threshold, level=level, **options)
            intervals, popular = drawn, {name: one.value for name, one in drawn.popularity.items()}
            found = {name: interval.value for name, interval in intervals.items()}
        else:
            measured = cf.metrics.evaluate(fitted, test, wanted, threshold=threshold, **options)
            found, popular = measured, measured.popularity
    name = type(fitted).__name__
    facts = facts_of(fitted, test)
    if facts.unknown:
        tell(
            f"of {len(test):,} ratings, {facts.unknown:,} are of users ({facts.unknown_users:,}) or items "
            f"({facts.unknown_items:,}) without training ratings",
            json_file,
        )
    say(f"{name} on {len(test):,} ratings", found, intervals, popular, json_file)
    if k:
        listed = "the items of each user's test ratings" if candidates == "test" else "all items"
        listed += "" if include_seen else " but those rated in training"
        listed += f", of {min_support} training ratings or more" if min_support else ""
        listed += "" if options["exclude"] is None else f", without {len(options['exclude']):,} excluded"
        listed += f", at {at}" if at else ""
        of_faq = surprise_level(fitted.scale_) if threshold is None else level_of_relevance
        relevant = f"relevant from {level_of_relevance:g}"
        relevant += "" if of_faq == level_of_relevance else f" (surprise_*: {of_faq:g})"
        tell(f"lists by {options['by']}, of {listed}; {relevant}", json_file)
        best = f"ndcg@{k}"
        if options["by"] == "rating" and candidates == "all" and found[best] < popular[best]:
            tell(
                f"lists of the items with most ratings are better ({best} {popular[best]:.4f}) than these by "
                "predicted rating; without --by rating lists are by preference",
                json_file,
            )
    report: dict[str, Any] = {
        "model": name, "n_ratings": len(test),
        "unknown_users": facts.unknown_users, "unknown_items": facts.unknown_items, **found,
    }  # fmt: skip
    if k:
        report["threshold"] = level_of_relevance
        excluded = options.pop("exclude")
        report["lists"] = {**options, "exclude": [] if excluded is None else excluded.tolist()}
        report["popularity"] = popular
    if bootstrap:
        report["level"] = level
        report["intervals"] = {name: [each.low, each.high] for name, each in intervals.items()}
    write_json(json_file, report)


def say(
    what: str,
    found: dict[str, float],
    intervals: dict[str, Interval],
    popular: dict[str, Any],
    json_file: Path | None,
) -> None:
    """Print the metrics, and those of popularity: in one line if they are few, else a line each."""
    from cfcore.metrics.measuring import OF_RATINGS

    if len(found) == len(OF_RATINGS) and not intervals:
        line = ", ".join(f"{name.upper()} {value:.4f}" for name, value in found.items())
        tell(f"{what}: {line}", json_file)
        return
    tell(what, json_file)
    for name, value in found.items():
        shown = name.upper() if name in OF_RATINGS else name
        given = intervals.get(name)
        ends = (
            f"  [{given.low:.4f}, {given.high:.4f}]" if given is not None and given.low == given.low else ""
        )
        line = f"  popularity {popular[name]:.4f}" if name in popular else ""
        tell(f"{shown:{max(map(len, found)) + 2}}{value:8.4f}{ends}{line}", json_file)
