import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import Biases, RatingRows

_Int32 = NDArray[np.int32]
_Float64 = NDArray[np.float64]

def solve(rows: RatingRows, biases: Biases, reg: float, n_threads: int) -> None: ...
def squared_error(rows: RatingRows, biases: Biases, squares: _Float64, n_threads: int) -> None: ...
def predict(users: _Int32, items: _Int32, biases: Biases, out: _Float64, n_threads: int) -> None: ...
