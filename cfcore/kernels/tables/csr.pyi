from numpy import float32, float64, int32, int64
from numpy.typing import NDArray

_Positions = NDArray[int32] | NDArray[int64]
_Scalars = NDArray[int32] | NDArray[int64] | NDArray[float32] | NDArray[float64]

def counting_sort(codes: NDArray[int32], indptr: NDArray[int64], order: _Positions) -> None: ...
def counting_sort_after(
    codes: NDArray[int32], first: _Positions, indptr: NDArray[int64], order: _Positions
) -> None: ...
def scatter(
    codes: NDArray[int32],
    payload: NDArray[int32],
    indptr: NDArray[int64],
    out: NDArray[int32],
    begin: int,
    end: int,
) -> None: ...
def transpose(
    indptr: NDArray[int64],
    indices: NDArray[int32],
    other_indptr: NDArray[int64],
    other: NDArray[int32],
    begin: int,
    end: int,
) -> None: ...
def take(source: _Scalars, order: _Positions, out: _Scalars) -> None: ...
def invert(order: _Positions, inverse: _Positions) -> None: ...
def first_repeat(
    minor: NDArray[int32], indptr: NDArray[int64], order: _Positions, seen_at: _Positions
) -> int: ...
