import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import BiasDraws, DrawKey, MemberDraws, RatingRows, RowDraws

def scratch_shape(n_threads: int, width: int, most: int) -> tuple[int, int]: ...
def draw_rows(
    ratings: RatingRows,
    draws: RowDraws,
    key: DrawKey,
    scratch: NDArray[np.float64],
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
def draw_biases(draws: BiasDraws, key: DrawKey, span: tuple[int, int], n_threads: int) -> None: ...
def draw_members(draws: MemberDraws, key: DrawKey, span: tuple[int, int], n_threads: int) -> None: ...
