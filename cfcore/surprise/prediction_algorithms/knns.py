"""The module ``surprise.prediction_algorithms.knns`` of scikit-surprise."""

from cfcore.adapters.surprise.knns import KNNBaseline, KNNBasic, KNNWithMeans, KNNWithZScore
from cfcore.adapters.surprise.symmetric import SymmetricAlgo

__all__ = [
    "KNNBaseline",
    "KNNBasic",
    "KNNWithMeans",
    "KNNWithZScore",
    "SymmetricAlgo",
]
