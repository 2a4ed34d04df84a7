"""``cfcore predict``: ratings of pairs, streamed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

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
from cfcore.cli.ids import kinds_fixed
from cfcore.cli.models import load_model
from cfcore.cli.reading import PairReading, check_paths, existing
from cfcore.cli.rows import RowWriter, check_rows_file
from cfcore.data.names import distinct_names
from cfcore.data.typed import rows_from
from cfcore.errors import DataError
from cfcore.progress import progress_bar

if TYPE_CHECKING:
    from cfcore.models.core.model import Model

Array = np.ndarray[Any, Any]

#: What the column "unknown" holds, by whether the user and the item are unknown.
MARKS = np.array([[None, "item"], ["user", "both"]], dtype=object)


def predict(
    model: ModelArgument,
    pairs_files: Annotated[
        list[str],
        typer.Argument(
            metavar="PAIRS...",
            help="Files with users and items, of the same formats as ratings; - is standard input.",
        ),
    ],
    reading: PairReading,
    std: Annotated[
        bool, typer.Option("--std", help="A column with the standard deviation of a new rating.")
    ] = False,
    interval: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="COVERAGE",
            help="Columns low and high of intervals that hold so many of the ratings, such as 0.9.",
            show_default="none",
        ),
    ] = 0,
    out: OutOption = None,
    as_json: JsonRowsOption = False,
    threads: ThreadsOption = 0,
    memory_map: MemoryMapOption = False,
    user_features: UserFeaturesOption = None,
    item_features: ItemFeaturesOption = None,
) -> None:
    """Predict the ratings of pairs, a chunk at a time: any number of them fits.

    There is one row for each row of PAIRS, in the same order: user and item as they are there, the
    prediction (6 digits in text, all of them in parquet), and in the column "unknown" which of them the
    model does not know: user, item, both, or nothing. Predictions for those rest on what is known of the
    other; their number is printed on standard error.

    Models that have a distribution of their predictions (bayesian-svd) have more columns: --std, --interval.

    Examples:

      cfcore predict svdpp.cf pairs.csv --out predictions.csv

      cut -f1,2 u1.test | cfcore predict svdpp.cf -

      cfcore predict bayesian.cf pairs.csv --std --interval 0.9

      cfcore predict svdpp.cf log.parquet --user customer --item sku -o log.jsonl
    """
    from cfcore.data.readers import read_pairs

    check_rows_file(out)
    check_paths(pairs_files)
    if interval == 1:
        raise UsageError("--interval 1: a coverage is below 1, such as 0.9")
    fitted = load_model(model, threads, user_features, item_features, memory_map)
    numbers = ["prediction", *(["std"] if std else []), *(["low", "high"] if interval else [])]
    if len(numbers) > 1 and not fitted._has_distributions():
        option = "--std" if std else f"--interval {interval:g}"
        raise UsageError(f"{option}: {fitted._without('no distribution of its predictions')}")
    with usage(), existing(pairs_files), kinds_fixed():
        pairs = read_pairs(pairs_files, **reading.keywords(fitted))
    names = distinct_names(pairs.names, ("user", "item"), (*numbers, "unknown"))
    timed = "timestamp" in pairs.names
    effect = fitted._untimed()
    if effect and not timed and not reading.no_timestamp:
        say(
            f"warning: {type(fitted).__name__}: there are no times, so that predictions {effect}; "
            "--timestamp NAME names their column, --no-timestamp says that there are none"
        )
    unknown = Unknown(fitted)
    with (
        kinds_fixed(),
        RowWriter(out, [*names.values(), *numbers, "unknown"], as_json) as writer,
        progress_bar(None, "predictions", out is not None and on_terminal()) as bar,
    ):
        for users, items, times in pairs:
            with rows_from(pairs.row, pairs.where):
                moments = times if timed else False
                columns = _predicted(fitted, (users, items, moments), std, interval, pairs.names)
            writer.write(users, items, *columns, unknown.marks(users, items))
            bar.update(len(users))
    unknown.tell()


def _predicted(
    model: Model, pairs: tuple[Array, Array, Any], std: bool, interval: float, names: dict[str, str]
) -> list[Array]:
    """Predictions, and what else was asked for; errors name the column of the file."""
    try:
        found = model.predict(*pairs, return_std=std)
        numbers = [*found] if std else [found]
        if interval:
            users, items, times = pairs
            numbers += model.predict_interval(users, items, interval, times)
        return [np.asarray(column) for column in numbers]
    except DataError as error:
        columns = {role: f"column {name!r}" for role, name in names.items()}
        text = re.sub(r"column '(user|item|timestamp)s'", lambda found: columns[found[1]], str(error))
        raise DataError(text) from None


class Unknown:
    """Marks users and items that a model does not know, and counts the pairs of those."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._n_pairs = self._n_marked = 0
        self._first = ""

    def marks(self, users: Array, items: Array) -> Array:
        """For each pair "user", "item", "both" or None."""
        of_users, of_items = ~self._model.is_known(users), ~self._model.is_known(items=items)
        marked = np.flatnonzero(of_users | of_items)
        if len(marked) and not self._first:
            first = marked[0]
            kind, column = ("user", users) if of_users[first] else ("item", items)
            self._first = f"{kind} {column[first]!s} at row {self._n_pairs + first}"
        self._n_pairs += len(users)
        self._n_marked += len(marked)
        return np.asarray(MARKS[of_users.astype(np.intp), of_items.astype(np.intp)])

    def tell(self) -> None:
        """Print how many pairs were unknown, if any."""
        if self._n_marked:
            say(
                f"note: {self._n_marked:,} of {self._n_pairs:,} pairs have a user or an item without "
                f"training ratings (first: {self._first}); the column unknown marks them"
            )
