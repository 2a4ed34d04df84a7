from numpy import float64, uint8
from numpy.typing import NDArray

from cfcore.adapters.surprise.columns import Rows

_Rule = tuple[int, int, float]

def exact(
    by_x: Rows,
    by_y: Rows,
    whole: tuple[NDArray[uint8], NDArray[uint8]],
    multiples: tuple[float, int],
    rule: _Rule,
    sim: NDArray[float64],
    avx2: bool,
) -> None: ...
def bits_of(most: int, longest: int, measure: int) -> int: ...
def in_order(by_x: Rows, by_y: Rows, rule: _Rule, sim: NDArray[float64], avx2: bool) -> None: ...
def most_common(by_x: Rows) -> int: ...
