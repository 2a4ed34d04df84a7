from numpy import float64, int32, int64
from numpy.typing import NDArray

from cfcore.adapters.surprise.columns import Columns

def deviations(columns: Columns, freq: NDArray[int64], dev: NDArray[float64]) -> None: ...
def add_deviations(
    columns: Columns,
    freq: NDArray[int64],
    dev: NDArray[float64],
    pairs: tuple[NDArray[int32], NDArray[int32]],
    values: NDArray[float64],
) -> None: ...
