"""The option `--weights` of commands that fit: a column of the files of ratings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cfcore.cli.errors import UsageError, usage
from cfcore.cli.reading import Reading, data_set, existing
from cfcore.data import Ratings
from cfcore.models.core.model import Model

__all__ = ["WeightsOption", "read_weights"]

WeightsOption = Annotated[
    str,
    typer.Option(
        "--weights", metavar="NAME", help="Column of weights of the ratings, for als and bayesian-svd."
    ),
]


def read_weights(data: Sequence[str], column: str, reading: Reading, train: Ratings, model: Model) -> Any:
    """Weights of the ratings of `train`, from a column of the files that these were read from; None without.

    Raises
    ------
    UsageError
        The data have no such column, or cannot be read again; or the model takes no weights.
    """
    if not column:
        return None
    from cfcore.cli.reading import CONVERSIONS
    from cfcore.selection.fold_weights import FoldWeights

    named = data_set(data)
    if named:
        raise UsageError(f"--weights {column}: {named} is a data set, which has no weights")
    if "-" in data:
        raise UsageError(f"--weights {column}: standard input is read once; write it to a file")
    keywords = reading.keywords(model)
    if keywords.get("duplicates") == "mean":
        raise UsageError(f"--weights {column}: the mean of several ratings has no weight of its own")
    if not model.takes_weights:
        raise UsageError(
            f"--weights {column}: {type(model).__name__} takes no weights; als and bayesian-svd do"
        )
    # The column in place of the ratings: its rows are found by user and item.
    for name in ("scale", "missing"):
        keywords.pop(name, None)
    keywords["rating"] = CONVERSIONS["rating"][1](column)
    with usage(), existing(data):
        whole = Ratings.read(data[0] if len(data) == 1 else list(data), **keywords)
    return FoldWeights(model, whole, whole.values, "error").of(train)["weights"]
