import numpy as np
from numpy.typing import NDArray

_Float64 = NDArray[np.float64]

def multiply_into_blocks(
    rows: _Float64,
    mean: _Float64 | None,
    matrix: _Float64,
    blocks: _Float64,
    scratch: _Float64,
    n_threads: int,
) -> None: ...
def multiply_blocks(
    blocks: _Float64, matrix: _Float64, rows: _Float64, out: _Float64, n_threads: int
) -> None: ...
