import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import Biases, RatingRows

Int32 = NDArray[np.int32]
Float64 = NDArray[np.float64]

def solve(rows: RatingRows, biases: Biases, reg: float, n_threads: int) -> None: ...
def squared_error(rows: RatingRows, biases: Biases, squares: Float64, n_threads: int) -> None: ...
def predict(users: Int32, items: Int32, biases: Biases, out: Float64, n_threads: int) -> None: ...
