from typing import Any

import numpy as np
from numpy.typing import NDArray

Floating = NDArray[Any]

def n_lines(head: int) -> int: ...
def pack(
    rows: Floating,
    biases: Floating,
    panels: NDArray[np.float32],
    tails: NDArray[np.float32],
    bounds: NDArray[np.float64],
) -> None: ...
def scratch_sizes(m: int, width: int, head: int, n_tail: int, n: int) -> tuple[int, int, int]: ...
def best_products(
    users: NDArray[np.int32],
    user_factors: Floating,
    item_factors: Floating,
    user_bias: Floating,
    item_bias: Floating,
    columns: NDArray[np.int32],
    column_of: NDArray[np.int32],
    standing: NDArray[np.int32],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    excluded: NDArray[np.int32],
    turn: NDArray[np.float32],
    panels: NDArray[np.float32],
    tails: NDArray[np.float32],
    bounds: NDArray[np.float64],
    places: NDArray[np.int32],
    scores: NDArray[np.float64],
    marks: NDArray[np.uint64],
    rows: NDArray[np.float32],
    found: NDArray[np.int32],
    mean: float,
    n_threads: int,
) -> None: ...
