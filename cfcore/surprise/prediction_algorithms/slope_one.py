"""The module ``surprise.prediction_algorithms.slope_one`` of scikit-surprise."""

from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.predictions import PredictionImpossible
from cfcore.adapters.surprise.slope_one import SlopeOne

__all__ = [
    "AlgoBase",
    "PredictionImpossible",
    "SlopeOne",
]
