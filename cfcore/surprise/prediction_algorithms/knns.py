"""The module ``surprise.prediction_algorithms.knns`` of scikit-surprise."""

from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.knns import KNNBaseline, KNNBasic, KNNWithMeans, KNNWithZScore
from cfcore.adapters.surprise.predictions import PredictionImpossible
from cfcore.adapters.surprise.symmetric import SymmetricAlgo

__all__ = [
    "AlgoBase",
    "KNNBaseline",
    "KNNBasic",
    "KNNWithMeans",
    "KNNWithZScore",
    "PredictionImpossible",
    "SymmetricAlgo",
]
