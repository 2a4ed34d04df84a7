from numpy import int32, int64
from numpy.typing import NDArray

def scatter(
    codes: NDArray[int32],
    payload: NDArray[int32],
    indptr: NDArray[int64],
    out: NDArray[int32],
    span: tuple[int, int],
) -> None: ...
def transpose(
    indptr: NDArray[int64],
    indices: NDArray[int32],
    other_indptr: NDArray[int64],
    other: NDArray[int32],
    span: tuple[int, int],
) -> None: ...
