"""Predictions of Dask DataFrames, which are computed partition by partition where they are needed."""

from __future__ import annotations

import math
from typing import Any

from cfcore.errors import DataError
from cfcore.threads import policy

__all__ = ["is_lazy", "lazy_predictions"]


def is_lazy(x: Any) -> bool:
    """Whether an argument is a DataFrame of Dask."""
    return hasattr(x, "map_partitions") and hasattr(x, "npartitions")


def lazy_predictions(model: Any, frame: Any, items: Any, timestamps: Any, options: dict[str, Any]) -> Any:
    """A Dask Series of the predictions of pairs.

    Parameters
    ----------
    model : object with a method ``predict``
        It is a constant of the graph, which a worker gets once.
    frame : dask.dataframe.DataFrame
    items, timestamps : None; timestamps may be False
    options : dict
        Further arguments of ``predict``.

    Raises
    ------
    DataError
        When it is computed; the message names the partition and the row in it.
    TypeError
        For arguments beside the pairs, and for answers of more than one column.
    """
    import dask

    if items is not None or timestamps not in (None, False):
        raise TypeError(
            "predict takes the pairs of a Dask DataFrame as its only argument: pass the frame, such as "
            "model.predict(ddf), instead of its columns"
        )
    several = [name for name in ("return_std", "return_known") if options.get(name)]
    if several:
        raise TypeError(f"predict of a Dask DataFrame gives one column: leave out {several[0]}=")
    held = dask.delayed(model, pure=False)
    meta = ("prediction", "float64")
    return frame.map_partitions(_predicted, held, timestamps, options, meta=meta, enforce_metadata=False)


def _predicted(
    frame: Any, model: Any, timestamps: Any, options: dict[str, Any], partition_info: Any = None
) -> Any:
    try:
        # A task for each thread of a worker runs at the same time.
        with policy(minimum_work=math.inf):
            return model.predict(frame, timestamps=timestamps, **options)
    except DataError as error:
        where = "" if partition_info is None else f"partition {partition_info['number']}: "
        raise DataError(f"{where}{error}") from error
