from numpy import float64, int32, int64
from numpy.typing import NDArray

Codes = NDArray[int32]
Values = NDArray[float64]

def weighted_sums(
    sim: Values,
    entries: tuple[NDArray[int64], Codes, Values, Values | None],
    pairs: tuple[Codes, Codes, NDArray[int64]],
    k: int,
    sums: tuple[Values, Values],
    counts: Codes,
    avx2: bool,
) -> None: ...
