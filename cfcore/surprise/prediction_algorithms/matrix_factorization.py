"""The module ``surprise.prediction_algorithms.matrix_factorization`` of scikit-surprise."""

from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.matrix_factorization import NMF, SVD, SVDpp
from cfcore.adapters.surprise.predictions import PredictionImpossible
from cfcore.adapters.surprise.utils import get_rng

__all__ = [
    "AlgoBase",
    "NMF",
    "PredictionImpossible",
    "SVD",
    "SVDpp",
    "get_rng",
]
