from cfcore.kernels.records import (
    NearestRows,
    PredictionRequests,
    PredictionRule,
    PredictionScratch,
    RatingRows,
    SimilarityMatrix,
)

def predict_dense(
    matrix: SimilarityMatrix,
    rated: RatingRows,
    requests: PredictionRequests,
    rule: PredictionRule,
    scratch: PredictionScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
def predict_rows(
    nearest: NearestRows,
    rated: RatingRows,
    requests: PredictionRequests,
    rule: PredictionRule,
    scratch: PredictionScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
