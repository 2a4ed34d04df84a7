from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import Factors, ItemPanels

def best_of_panels(
    row: NDArray[Any],
    base: float,
    factors: Factors,
    items: ItemPanels,
    excluded: NDArray[np.int32],
    listed: NDArray[np.int32],
    scores: NDArray[np.float64],
    scratch: NDArray[np.float32],
) -> None: ...
