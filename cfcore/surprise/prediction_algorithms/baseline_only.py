"""The module ``surprise.prediction_algorithms.baseline_only`` of scikit-surprise."""

from cfcore.adapters.surprise.baseline_only import BaselineOnly

__all__ = [
    "BaselineOnly",
]
