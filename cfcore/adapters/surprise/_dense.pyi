from numpy import float64, uint8
from numpy.typing import NDArray

from cfcore.adapters.surprise.similarities import Lists

available: bool

def codes_of(ratings: NDArray[float64], least: float, step: float) -> NDArray[uint8] | None: ...
def similarities(
    lists: Lists,
    codes: NDArray[uint8] | None,
    residuals: NDArray[float64] | None,
    multiples: tuple[float, int],
    rule: tuple[int, int, float],
    sim: NDArray[float64],
    wide: bool,
) -> bool: ...
def residuals_of(
    lists: Lists, mean: float, of_x: NDArray[float64], of_y: NDArray[float64]
) -> NDArray[float64]: ...
