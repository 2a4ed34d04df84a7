"""``cfcore data``: public data sets by name, and what files hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfcore.cli.command import command
from cfcore.cli.common import (
    DataArgument,
    JsonOption,
    JsonRowsOption,
    need_folder,
    tell,
    tell_sources,
    write_json,
)
from cfcore.cli.errors import EXIT_CODES, usage
from cfcore.cli.reading import Reading, read
from cfcore.cli.rows import RowWriter, check_rows_file
from cfcore.data.frames import named_columns

if TYPE_CHECKING:
    from cfcore.data.ratings import Ratings

CopyOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Copy it there as .csv, .jsonl or .parquet."),
]

app = typer.Typer(
    no_args_is_help=True, help="Public data sets: list them, fetch them; and ratings in files: show them."
)


@app.command(name="list", epilog=EXIT_CODES)
@command
def list_(as_json: JsonRowsOption = False) -> None:
    """List the data sets that are known by name."""
    from cfcore.data.catalog import CATALOG

    for name, entry in CATALOG.items():
        line = json.dumps({"name": name, "ratings": entry.n_ratings})
        typer.echo(line if as_json else f"{name:16}{entry.n_ratings:>12,} ratings")


@app.command(epilog=EXIT_CODES)
@command
def get(
    name: Annotated[str, typer.Argument(help="Its name: see `cfcore data list`.")],
    out: CopyOption = None,
    json_file: JsonOption = None,
) -> None:
    """Find or fetch a data set, check it, and print its path.

    Example:

      cfcore data get ml-100k --out ratings.csv
    """
    need_folder(json_file, "--json")
    check_rows_file(out)
    import cfcore as cf
    from cfcore.data import sources
    from cfcore.data.catalog import find

    tell_sources()
    with usage():  # there may be no such data set
        name = find(name)
    ratings = cf.datasets.load(name)
    found = sources.locate(name, False)
    tell(f"{ratings}\n{found}", json_file)
    copy(ratings, out)
    write_json(json_file, {"name": name, "path": str(found), **facts_of(ratings)})


@app.command(epilog=EXIT_CODES)
@command
def show(data: DataArgument, reading: Reading, out: CopyOption = None, json_file: JsonOption = None) -> None:
    """Read ratings as all commands do, and print how many there are; with --out, write them to another file.

    Examples:

      cfcore data show ratings.csv --duplicates last

      cfcore data show BX.csv --separator ";" --encoding latin-1 -o books.parquet
    """
    need_folder(json_file, "--json")
    check_rows_file(out)
    tell_sources()
    ratings = read(data, reading)
    tell(str(ratings), json_file)
    copy(ratings, out)
    write_json(json_file, facts_of(ratings))


def copy(ratings: Ratings, out: Path | None) -> None:
    """Write ratings to a file, unless `out` is None."""
    if out is not None:
        columns = named_columns(ratings)
        with RowWriter(out, list(columns)) as writer:
            writer.write(*columns.values())


def facts_of(ratings: Ratings) -> dict[str, Any]:
    """Sizes and scale, JSON-able."""
    return {
        "ratings": len(ratings), "users": ratings.n_users, "items": ratings.n_items,
        "scale": list(ratings.scale), "mean": ratings.mean, "timestamps": ratings.timestamps is not None,
    }  # fmt: skip
