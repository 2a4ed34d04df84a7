import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import GivenRatings, GivenRows, GivenSamples

def scratch_shape(n_threads: int, n_factors: int, n_lengths: int) -> tuple[int, int]: ...
def solve_users(
    ratings: GivenRatings,
    samples: GivenSamples,
    rows: GivenRows,
    scratch: NDArray[np.float64],
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
