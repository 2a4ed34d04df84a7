from numpy import float64, int32, int64, uint8
from numpy.typing import NDArray

from cfcore.adapters.surprise.columns import Columns
from cfcore.adapters.surprise.factors import Constants, Parameters

_Plan = tuple[NDArray[int32], NDArray[int64]]

def schedule(columns: Columns) -> _Plan: ...
def svd(columns: Columns, plan: _Plan, parameters: Parameters, constants: Constants, avx2: bool) -> None: ...
def svdpp(
    columns: Columns,
    repeated: NDArray[uint8],
    span: tuple[int, int],
    parameters: Parameters,
    constants: Constants,
    avx2: bool,
) -> None: ...
def products(
    qi: NDArray[float64],
    pu: NDArray[float64],
    items: NDArray[int32],
    users: NDArray[int32],
    out: NDArray[float64],
) -> None: ...
def implicit_rows(
    columns: Columns,
    users: NDArray[int32],
    pu: NDArray[float64],
    yj: NDArray[float64],
    out: NDArray[float64],
) -> None: ...
