from typing import Any

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Floating = np.ndarray[Any, Any]

def solve(
    indptr: Int64,
    indices: Int32,
    values: Float32,
    other: Float64,
    bias: Float64,
    mean: float,
    reg: float,
    n_threads: int,
) -> None: ...
def squared_error(
    indptr: Int64,
    indices: Int32,
    values: Float32,
    row_bias: Float64,
    column_bias: Float64,
    squares: Float64,
    mean: float,
    n_threads: int,
) -> None: ...
def predict(
    users: Int32,
    items: Int32,
    user_bias: Floating,
    item_bias: Floating,
    out: Float64,
    mean: float,
    n_threads: int,
) -> None: ...
