from numpy import float64, int32, int64
from numpy.typing import NDArray

_Side = tuple[NDArray[int64], NDArray[float64], NDArray[float64]]

def assign(
    rows: tuple[NDArray[int64], NDArray[int32], NDArray[float64]],
    sides: tuple[_Side, _Side],
    of_both: NDArray[float64],
    of_users: bool,
) -> None: ...
