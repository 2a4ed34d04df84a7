import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import RatingRows, RowSolves

def scratch_shape(n_threads: int, width: int) -> tuple[int, int]: ...
def improve_rows(
    ratings: RatingRows,
    solves: RowSolves,
    steps: int,
    scratch: NDArray[np.float64],
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
