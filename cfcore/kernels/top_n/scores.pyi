import numpy as np
from numpy.typing import NDArray

def best_scores(
    given: NDArray[np.float64],
    given_rows: NDArray[np.int32],
    order: NDArray[np.int32],
    places_of: NDArray[np.int32],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    excluded: NDArray[np.int32],
    places: NDArray[np.int32],
    scores: NDArray[np.float64],
    marks: NDArray[np.uint64],
    n_threads: int,
) -> None: ...
