"""The module ``surprise.prediction_algorithms.algo_base`` of scikit-surprise."""

from cfcore.adapters.surprise.algo_base import AlgoBase

__all__ = [
    "AlgoBase",
]
