"""Tasks on pairs of rows: their similarities."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore.distributed.fit_tasks import Static, own_threads
from cfcore.kernels.records import NearestRows, SimilarityMatrix
from cfcore.models.neighbors.similarities import Comparison, Rows

__all__ = ["Pairs", "compare"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Pairs:
    """What rows are compared by.

    Attributes
    ----------
    comparison : Comparison
        Without its result.
    dtype : dtype
        Of the similarities.
    n_kept : int or None
        As its `top_k`.
    """

    comparison: Comparison
    dtype: Any
    n_kept: int | None


def compare(pairs: Static, begin: int, end: int) -> tuple[Array, ...]:
    """Similarities of rows [begin, end): with the rows before each, or codes and values of the nearest.

    Parameters
    ----------
    pairs : Static of Pairs
    begin, end : int
    """
    held: Pairs = pairs.value
    own, n = copy.copy(held.comparison), held.comparison.ratings.n_rows
    found: Any
    if held.n_kept is None:
        found = SimilarityMatrix(np.empty((n, n), dtype=held.dtype))
    else:
        found = NearestRows(np.zeros((n, held.n_kept), np.int32), np.zeros((n, held.n_kept), held.dtype))
    own.found = found
    with own_threads() as n_threads:
        own.n_threads = n_threads
        own.run_part(Rows(0, begin, end))
    if held.n_kept is None:
        return (found.values[begin:end, :end].copy(),)
    return found.codes[begin:end].copy(), found.values[begin:end].copy()
