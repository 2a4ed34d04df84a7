import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import (
    ImplicitSets,
    TimeLayout,
    TimeParameters,
    TimeRates,
    UserBatchScratch,
    UserBatchVisits,
)

def train(
    layout: TimeLayout,
    sets: ImplicitSets,
    parameters: TimeParameters,
    rates: TimeRates,
    visits: UserBatchVisits,
    scratch: UserBatchScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
def predict(
    items: NDArray[np.int32],
    days: NDArray[np.int32],
    when: NDArray[np.void],
    parameters: TimeParameters,
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
