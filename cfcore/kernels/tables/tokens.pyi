from numpy import int32, int64, uint8
from numpy.typing import NDArray

def locate_fields(
    text: bytes | NDArray[uint8],
    layout: NDArray[int32],
    starts: NDArray[int64],
    lengths: NDArray[int32],
    separator: str,
    begin: int,
) -> tuple[int, int, int]: ...
def group_tokens(
    text: bytes | NDArray[uint8],
    starts: NDArray[int64],
    lengths: NDArray[int32],
    codes: NDArray[int32],
    first: NDArray[int32],
    table: NDArray[int32],
) -> int: ...
