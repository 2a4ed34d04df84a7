"""The module ``surprise.prediction_algorithms.predictions`` of scikit-surprise."""

from cfcore.adapters.surprise.predictions import Prediction, PredictionImpossible

__all__ = [
    "Prediction",
    "PredictionImpossible",
]
