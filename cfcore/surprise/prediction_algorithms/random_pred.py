"""The module ``surprise.prediction_algorithms.random_pred`` of scikit-surprise."""

from cfcore.adapters.surprise.random_pred import NormalPredictor

__all__ = [
    "NormalPredictor",
]
