from typing import Any

import numpy as np
from numpy.typing import NDArray

Floating = NDArray[Any]

def pack(
    item_factors: Floating,
    item_bias: Floating,
    order: NDArray[np.int32],
    panels: NDArray[np.float32],
    bounds: NDArray[np.float64],
) -> None: ...
def best_products(
    users: NDArray[np.int32],
    user_factors: Floating,
    item_factors: Floating,
    user_bias: Floating,
    item_bias: Floating,
    order: NDArray[np.int32],
    places_of: NDArray[np.int32],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    excluded: NDArray[np.int32],
    panels: NDArray[np.float32],
    bounds: NDArray[np.float64],
    places: NDArray[np.int32],
    scores: NDArray[np.float64],
    marks: NDArray[np.uint64],
    rows: NDArray[np.float32],
    mean: float,
    n_threads: int,
) -> None: ...
def best_scores(
    given: NDArray[np.float64],
    given_rows: NDArray[np.int32],
    order: NDArray[np.int32],
    places_of: NDArray[np.int32],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    excluded: NDArray[np.int32],
    places: NDArray[np.int32],
    scores: NDArray[np.float64],
    marks: NDArray[np.uint64],
    n_threads: int,
) -> None: ...
