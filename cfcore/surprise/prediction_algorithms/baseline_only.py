"""The module ``surprise.prediction_algorithms.baseline_only`` of scikit-surprise."""

from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.baseline_only import BaselineOnly

__all__ = [
    "AlgoBase",
    "BaselineOnly",
]
