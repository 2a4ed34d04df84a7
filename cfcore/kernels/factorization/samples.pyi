import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import FactorSamples

def score_samples(
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    samples: FactorSamples,
    means: NDArray[np.float32],
    draws: NDArray[np.float32],
    n_threads: int,
) -> None: ...
