import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import PredictionRule, RatingRows, SimilarityMatrix

def predict_all(
    matrix: SimilarityMatrix,
    rated: RatingRows,
    holders: NDArray[np.int32],
    rule: PredictionRule,
    scratch: NDArray[np.float32],
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
