import numpy as np
from numpy.typing import NDArray

def philox(counters: NDArray[np.uint32], words: NDArray[np.uint32], key: int) -> None: ...
