from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import Factors, ItemOrder

def score_pair(factors: Factors, user: int, item: int) -> float: ...
def score_row(row: NDArray[Any], base: float, factors: Factors, out: NDArray[np.float64]) -> None: ...
def best_of_row(
    row: NDArray[Any],
    base: float,
    factors: Factors,
    order: ItemOrder,
    excluded: NDArray[np.int32],
    listed: NDArray[np.int32],
    scores: NDArray[np.float64],
) -> None: ...
def best_of_scores(
    item_scores: NDArray[np.float64],
    order: ItemOrder,
    excluded: NDArray[np.int32],
    listed: NDArray[np.int32],
    scores: NDArray[np.float64],
) -> None: ...
