import numpy as np
from numpy.typing import NDArray

_Float32 = NDArray[np.float32]
_Float64 = NDArray[np.float64]

def overrelax_rows(
    rows: _Float32, drawn: _Float32, means: _Float32, factors: tuple[float, float], n_threads: int
) -> None: ...
def subtract_sums(
    rows: _Float32, mean: _Float64 | None, sums: _Float64, out: _Float64, n_threads: int
) -> None: ...
def extend_rows(rows: _Float32, ends: _Float64, out: _Float64, n_threads: int) -> None: ...
