import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import DrawKey, LatentDraws, OrdinalRatings

Float64 = NDArray[np.float64]

def sum_likelihood(
    ratings: OrdinalRatings, cut_points: Float64, sums: Float64, span: tuple[int, int], n_threads: int
) -> None: ...
def n_blocks(n: int) -> int: ...
def draw_latents(
    draws: LatentDraws,
    cut_points: Float64,
    sums: Float64,
    key: DrawKey,
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
def level_chances(
    means: Float64, scales: Float64, cut_points: Float64, chances: Float64, n_threads: int
) -> None: ...
