"""``cfcore explain``: reasons of predictions."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import typer

from cfcore.cli.common import JsonRowsOption, MemoryMapOption, ModelArgument, OutOption, ThreadsOption
from cfcore.cli.errors import say, usage
from cfcore.cli.ids import as_ids
from cfcore.cli.models import load_model
from cfcore.cli.reading import Reading, read
from cfcore.cli.rows import RowWriter
from cfcore.data.names import distinct_names


def explain(
    model: ModelArgument,
    who: Annotated[str, typer.Argument(metavar="USER", help="Id of a user.")],
    items: Annotated[list[str], typer.Argument(metavar="ITEM...", help="Ids of items.")],
    reading: Reading,
    n: Annotated[int, typer.Option("-n", min=0, help="Ratings listed for an item; 0: all.")] = 5,
    given: Annotated[
        str,
        typer.Option(metavar="FILE", help="Ratings of the user, in place of those that the model keeps."),
    ] = "",
    by: Annotated[
        str, typer.Option(metavar="rating|preference", help="What to explain.", show_default="as recommend")
    ] = "",
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="Effects by leaving one rating out, for all models.")
    ] = False,
    out: OutOption = None,
    as_json: JsonRowsOption = False,
    threads: ThreadsOption = 0,
    memory_map: MemoryMapOption = False,
) -> None:
    """Tell which ratings of a user pull predictions up or down, and by how much, greatest effects first.

    The prediction, its base and what is not listed, which add up, are printed on standard error.

    Examples:

      cfcore explain svdpp.cf 196 242

      cfcore explain item-knn.cf 196 242 302 -n 10 --json

      cfcore explain ease.cf me 50 --given mine.csv
    """
    fitted = load_model(model, threads, memory_map=memory_map)
    (wanted,) = as_ids(fitted, "user", [who])
    listed = as_ids(fitted, "item", items)
    ratings = read([given], reading, fitted) if given else None
    with usage():
        found = fitted.explain(
            wanted, listed, n or None, given=ratings, by=by or None, leave_one_out=leave_one_out
        )
    rated = f"rated_{fitted.column_names_['item']}"
    names = distinct_names(fitted.column_names_, ("user", "item", "rating"), (rated, "effect", "rank"))
    header = [names["user"], names["item"], "rank", f"rated_{names['item']}", names["rating"], "effect"]
    with RowWriter(out, header, as_json) as writer:
        for one in found:
            columns: list[Any] = [one.items, one.ratings.astype(np.float32), one.effects]
            length = len(one.items)
            ranks = np.arange(1, length + 1)
            writer.write(np.repeat(wanted, length), np.repeat(one.item, length), ranks, *columns)
    for one in found:
        say(f"note: {one.summary()}")
