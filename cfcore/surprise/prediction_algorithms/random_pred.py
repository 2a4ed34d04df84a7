"""The module ``surprise.prediction_algorithms.random_pred`` of scikit-surprise."""

from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.random_pred import NormalPredictor

__all__ = [
    "AlgoBase",
    "NormalPredictor",
]
