from numpy import float64, int32, int64
from numpy.typing import NDArray

_Codes = NDArray[int32]
_Values = NDArray[float64]

def weighted_sums(
    sim: _Values,
    entries: tuple[NDArray[int64], _Codes, _Values, _Values | None],
    pairs: tuple[_Codes, _Codes, NDArray[int64]],
    k: int,
    sums: tuple[_Values, _Values],
    counts: _Codes,
    avx2: bool,
) -> None: ...
