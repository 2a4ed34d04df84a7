"""``cfcore data``: public data sets by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cfcore.cli.common import (
    JsonOption,
    JsonRowsOption,
    UsageError,
    errors_in_a_line,
    need_folder,
    tell_sources,
    write_json,
)
from cfcore.cli.tables import RowWriter, check_rows_file

app = typer.Typer(no_args_is_help=True, help="Public data sets: list them, fetch them.")


@app.command(name="list")
def list_(as_json: JsonRowsOption = False) -> None:
    """List the data sets that are known by name."""
    from cfcore.data.catalog import CATALOG

    for name, entry in CATALOG.items():
        line = json.dumps({"name": name, "ratings": entry.n_ratings})
        typer.echo(line if as_json else f"{name:16}{entry.n_ratings:>12,} ratings")


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="Its name: see `cfcore data list`.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Copy it there as .csv, .jsonl or .parquet."),
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Find or fetch a data set, check it, and print its path."""
    with errors_in_a_line():
        need_folder(json_file, "--json")
        check_rows_file(out)
        import cfcore as cf
        from cfcore.data import sources
        from cfcore.data.catalog import CATALOG

        tell_sources()
        if name not in CATALOG:
            raise UsageError(f"unknown data set {name!r}; known: {', '.join(CATALOG)}")
        ratings = cf.datasets.load(name)
        found = sources.locate(name, False)
        typer.echo(f"{ratings}\n{found}", err=str(json_file) == "-")
        report = {
            "name": name, "path": str(found), "ratings": len(ratings),
            "users": ratings.n_users, "items": ratings.n_items, "scale": list(ratings.scale),
        }  # fmt: skip
        if out is not None:
            times = {} if ratings.timestamps is None else {"timestamp": ratings.timestamps}
            with RowWriter(out, ["user", "item", "rating", *times]) as writer:
                writer.write(ratings.users, ratings.items, ratings.values, *times.values())
        write_json(json_file, report)
