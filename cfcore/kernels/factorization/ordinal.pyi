import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import DrawKey, OrdinalRatings

Float64 = NDArray[np.float64]

def sum_likelihood(
    ratings: OrdinalRatings, cut_points: Float64, sums: Float64, span: tuple[int, int], n_threads: int
) -> None: ...
def draw_latents(
    ratings: OrdinalRatings,
    cut_points: Float64,
    latents: Float64,
    sums: Float64,
    key: DrawKey,
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
