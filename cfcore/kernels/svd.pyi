from typing import Any

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Ratings = NDArray[np.void]
Floating = np.ndarray[Any, Any]

def lay_out(
    user_codes: Int32,
    item_codes: Int32,
    values: Float32,
    user_stripes: Int32,
    item_stripes: Int32,
    block_ptr: Int64,
    ratings: Ratings,
    n_item_stripes: int,
    seed: int,
    n_threads: int,
    begin: int = 0,
    end: int = -1,
) -> None: ...
def train(
    ratings: Ratings,
    block_ptr: Int64,
    order: Int32,
    starts: Int64,
    user_factors: Floating,
    item_factors: Floating,
    user_bias: Floating,
    item_bias: Floating,
    squares: Float64,
    turns: Int32,
    latest: Int32,
    n_item_stripes: int,
    mean: float,
    low: float,
    high: float,
    lr: float,
    reg: float,
    lr_bias: float,
    reg_bias: float,
    in_turn: bool,
    begin: int,
    end: int,
    n_threads: int,
) -> None: ...
def predict(
    users: Int32,
    items: Int32,
    user_factors: Floating,
    item_factors: Floating,
    user_bias: Floating,
    item_bias: Floating,
    out: Float64,
    mean: float,
    n_threads: int,
) -> None: ...
