"""``cfcore data``: public data sets by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cfcore.cli.common import UsageError, errors_in_a_line, tell_sources
from cfcore.cli.tables import RowWriter

app = typer.Typer(no_args_is_help=True, help="Public data sets: list them, fetch them.")


@app.command(name="list")
def list_() -> None:
    """List the data sets that have a name here."""
    from cfcore.data.catalog import CATALOG

    for name, entry in CATALOG.items():
        typer.echo(f"{name:16}{entry.n_ratings:>12,} ratings")


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="Its name: see `cfcore data list`.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Copy it there as .csv or .parquet.")
    ] = None,
) -> None:
    """Find or fetch a data set, check it, and say where it lies."""
    with errors_in_a_line():
        import cfcore as cf
        from cfcore.data import sources
        from cfcore.data.catalog import CATALOG

        tell_sources()
        if name not in CATALOG:
            raise UsageError(f"unknown data set {name!r}; known: {', '.join(CATALOG)}")
        ratings = cf.datasets.load(name)
        typer.echo(f"{ratings}\n{sources.locate(name, False)}")
        if out is not None:
            times = {} if ratings.timestamps is None else {"timestamp": ratings.timestamps}
            with RowWriter(out, ["user", "item", "rating", *times]) as writer:
                writer.write(ratings.users, ratings.items, ratings.values, *times.values())
