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

_Int32 = NDArray[np.int32]
_Float64 = NDArray[np.float64]

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
def predict(users: _Int32, items: _Int32, factors: Factors, out: _Float64, n_threads: int) -> None: ...
