from typing import Any

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Ratings = NDArray[np.void]
Floating = np.ndarray[Any, Any]

def implicit_sums(
    indptr: Int64, members: Int32, implicit_factors: Floating, sums: Floating, n_threads: int
) -> None: ...
def cut_sets(indptr: Int64, members: Int32, parts: Int32, cuts: Int64, n_threads: int) -> None: ...
def train(
    ratings: Ratings,
    block_ptr: Int64,
    chunks: Int32,
    order: Int32,
    starts: Int64,
    stripe_ptr: Int32,
    user_counts: Int64,
    indptr: Int64,
    members: Int32,
    parts: Int32,
    cuts: Int64,
    user_factors: Floating,
    item_factors: Floating,
    implicit_factors: Floating,
    user_bias: Floating,
    item_bias: Floating,
    sums: Floating,
    first_sums: Floating,
    partial_sums: Floating,
    kept: Floating,
    squares: Float64,
    turns: Int32,
    latest: Int32,
    n_item_stripes: int,
    mean: float,
    lr: float,
    reg: float,
    lr_bias: float,
    reg_bias: float,
    lr_implicit: float,
    reg_implicit: float,
    begin: int,
    end: int,
    n_threads: int,
) -> None: ...
