import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import BiasDraws, DrawKey

def draw_biases(draws: BiasDraws, key: DrawKey, span: tuple[int, int], n_threads: int) -> None: ...
def subtract_steps(
    codes: NDArray[np.int32],
    steps: NDArray[np.float64],
    others: tuple[NDArray[np.int32], NDArray[np.float64]] | None,
    targets: NDArray[np.float32],
    n_threads: int,
) -> None: ...
