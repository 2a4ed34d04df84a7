import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import (
    BlockGrid,
    BlockLayout,
    BlockScratch,
    BlockVisits,
    Factors,
    RatingColumns,
    SGDRates,
)

Int32 = NDArray[np.int32]
Float64 = NDArray[np.float64]

def lay_out(
    columns: RatingColumns,
    grid: BlockGrid,
    layout: BlockLayout,
    seed: int,
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
def train(
    layout: BlockLayout,
    factors: Factors,
    rates: SGDRates,
    visits: BlockVisits,
    scratch: BlockScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
def predict(users: Int32, items: Int32, factors: Factors, out: Float64, n_threads: int) -> None: ...
