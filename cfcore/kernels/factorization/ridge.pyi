import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

def solve_few(
    rows: Float64,
    targets: Float64,
    mean: Float64,
    covariance: Float64,
    noise: float,
    scratch: Float64,
    out: Float64,
) -> bool: ...
def solve_many(
    rows: Float64, targets: Float64, mean: Float64, penalty: Float64, scratch: Float64, out: Float64
) -> bool: ...
