from numpy import float32, int32, int64, uint8
from numpy.typing import NDArray

def parse_ratings(
    text: bytes | NDArray[uint8],
    layout: NDArray[int32],
    users: NDArray[int64],
    items: NDArray[int64],
    values: NDArray[float32],
    timestamps: NDArray[int64],
    separator: str,
    begin: int,
) -> tuple[int, int, int]: ...
