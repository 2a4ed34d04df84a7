"""The module ``surprise.prediction_algorithms.algo_base`` of scikit-surprise."""

from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.baselines import baseline_als, baseline_sgd
from cfcore.adapters.surprise.predictions import Prediction, PredictionImpossible

__all__ = [
    "AlgoBase",
    "Prediction",
    "PredictionImpossible",
    "baseline_als",
    "baseline_sgd",
]
