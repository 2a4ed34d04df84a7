from numpy import float64
from numpy.typing import NDArray

from cfcore.adapters.surprise.columns import Columns

def als(
    columns: Columns,
    mean: float,
    n_epochs: int,
    reg_u: float,
    reg_i: float,
    bu: NDArray[float64],
    bi: NDArray[float64],
) -> None: ...
def sgd(
    columns: Columns,
    mean: float,
    n_epochs: int,
    rate: float,
    reg: float,
    bu: NDArray[float64],
    bi: NDArray[float64],
) -> None: ...
