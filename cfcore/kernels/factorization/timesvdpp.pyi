from typing import Any

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Ratings = NDArray[np.void]
Days = NDArray[np.void]
Floating = np.ndarray[Any, Any]

TERMS: tuple[str, ...]

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
    days: Days,
    rates: Float64,
    regs: Float64,
    user_bias: Floating,
    user_slope: Floating,
    user_scale: Floating,
    day_bias: Floating,
    day_scale: Floating,
    user_factors: Floating,
    user_drift: Floating,
    day_factors: Floating,
    item_bias: Floating,
    item_bins: Floating,
    item_frequencies: Floating,
    item_weekdays: Floating,
    item_weeks: Floating,
    item_factors: Floating,
    implicit_factors: Floating,
    sums: Floating,
    first_sums: Floating,
    partial_sums: Floating,
    kept: Floating,
    squares: Float64,
    turns: Int32,
    latest: Int32,
    n_item_stripes: int,
    mean: float,
    begin: int,
    end: int,
    n_threads: int,
) -> None: ...
def predict(
    items: Int32,
    days: Int32,
    when: Days,
    user_bias: Floating,
    user_slope: Floating,
    user_scale: Floating,
    day_bias: Floating,
    day_scale: Floating,
    user_factors: Floating,
    user_drift: Floating,
    day_factors: Floating,
    item_bias: Floating,
    item_bins: Floating,
    item_frequencies: Floating,
    item_weekdays: Floating,
    item_weeks: Floating,
    item_factors: Floating,
    out: Float64,
    mean: float,
    n_threads: int,
) -> None: ...
