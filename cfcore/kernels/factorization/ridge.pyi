import numpy as np
from numpy.typing import NDArray

_Float64 = NDArray[np.float64]

def solve_few(
    rows: _Float64,
    targets: _Float64,
    mean: _Float64,
    covariance: _Float64,
    noise: float,
    scratch: _Float64,
    out: _Float64,
) -> bool: ...
def solve_many(
    rows: _Float64, targets: _Float64, mean: _Float64, penalty: _Float64, scratch: _Float64, out: _Float64
) -> bool: ...
