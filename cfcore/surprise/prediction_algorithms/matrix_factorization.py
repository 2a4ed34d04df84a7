"""The module ``surprise.prediction_algorithms.matrix_factorization`` of scikit-surprise."""

from cfcore.adapters.surprise.matrix_factorization import NMF, SVD, SVDpp

__all__ = [
    "NMF",
    "SVD",
    "SVDpp",
]
