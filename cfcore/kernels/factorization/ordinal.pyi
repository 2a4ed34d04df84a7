import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import DrawKey, LatentDraws, OrdinalRatings

_Float64 = NDArray[np.float64]

def sum_likelihood(
    ratings: OrdinalRatings, cut_points: _Float64, sums: _Float64, span: tuple[int, int], n_threads: int
) -> None: ...
def n_blocks(n: int) -> int: ...
def draw_latents(
    draws: LatentDraws,
    cut_points: _Float64,
    sums: _Float64,
    key: DrawKey,
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
def level_chances(
    means: _Float64, scales: _Float64, cut_points: _Float64, chances: _Float64, n_threads: int
) -> None: ...
