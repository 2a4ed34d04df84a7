from cfcore.kernels.records import (
    NearestRows,
    PackedRatings,
    SimilarityMatrix,
    SimilarityRule,
    SimilarityScratch,
)

def row_bytes(ratings: PackedRatings, rule: SimilarityRule) -> int: ...
def half_rows(
    ratings: PackedRatings,
    rule: SimilarityRule,
    matrix: SimilarityMatrix,
    scratch: SimilarityScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
def top_rows(
    ratings: PackedRatings,
    rule: SimilarityRule,
    nearest: NearestRows,
    scratch: SimilarityScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None: ...
def mirror(matrix: SimilarityMatrix, span: tuple[int, int], n_threads: int) -> None: ...
