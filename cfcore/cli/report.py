"""``cfcore report``: a page in HTML about a model in a file and its test ratings."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfcore.cli.common import DataArgument, ModelArgument, ThreadsOption, need_folder, tell, tell_sources
from cfcore.cli.errors import UsageError, usage
from cfcore.cli.models import load_model
from cfcore.cli.reading import Reading, read_part

if TYPE_CHECKING:
    from cfcore.data.ratings import Ratings

HtmlOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write a page there: data, models, errors, lists, examples."),
]
ItemNamesOption = Annotated[
    Path | None,
    typer.Option(
        "--item-names",
        metavar="FILE",
        help="Names of items for the page: lines of an id, a comma and a name.",
    ),
]


def report(
    model: ModelArgument,
    data: DataArgument,
    reading: Reading,
    html: Annotated[Path, typer.Option("--html", metavar="FILE", help="The page.")] = Path("report.html"),
    split: Annotated[
        str, typer.Option(help="Use the test part of this split only (u1, 0.1); else all ratings.")
    ] = "",
    item_names: ItemNamesOption = None,
    threads: ThreadsOption = 0,
) -> None:
    """Write a page about a fitted model and test ratings: data, errors, lists, and examples of users.

    Examples:

      cfcore report svdpp.cf test.csv

      cfcore report svdpp.cf ml-100k --split u1 --html svdpp.html
    """
    tell_sources()
    need_folder(html, "--html")
    check_report("--html")
    fitted = load_model(model, threads)
    test = read_part(data, split, 1, reading, fitted)
    from cfcore.report import write_report

    names = names_of_items(item_names, test)
    with usage():
        write_report(html, fitted, test, item_names=names, title=f"{model.name} on {' '.join(data)}")
    tell(f"{html}: written")


def check_report(option: str) -> None:
    """Raise ImportError before the work begins if a page cannot be made."""
    for needed in ("altair", "vl_convert"):
        if importlib.util.find_spec(needed) is None:
            raise ImportError(f"{option} needs Altair and vl-convert-python: pip install 'cfcore[report]'")


def names_of_items(path: Path | None, ratings: Ratings) -> dict[Any, str]:
    """Names by raw id from a file of lines: an id, a comma, a name; a head without a known id is no item."""
    if path is None:
        return {}
    integers = ratings.item_ids.dtype.kind in "iu"
    names: dict[Any, str] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if len(row) < 2:
                raise UsageError(f"--item-names {path}: line {number} should be an id, a comma and a name")
            text = row[0].strip()
            if not integers:
                names[text] = row[1]
            elif text.lstrip("-").isdigit():
                names[int(text)] = row[1]
    return names
