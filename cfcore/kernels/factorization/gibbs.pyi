import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import DrawKey, RatingRows, RowDraws, RowProducts

def scratch_shape(n_threads: int, width: int, most: int) -> tuple[int, int]: ...
def draw_rows(
    ratings: RatingRows,
    draws: RowDraws,
    key: DrawKey,
    scratch: NDArray[np.float64],
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
def multiply_rows(
    ratings: RatingRows, products: RowProducts, span: tuple[int, int], n_threads: int
) -> None: ...
