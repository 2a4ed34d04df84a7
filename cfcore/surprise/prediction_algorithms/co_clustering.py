"""The module ``surprise.prediction_algorithms.co_clustering`` of scikit-surprise."""

from cfcore.adapters.surprise.co_clustering import CoClustering

__all__ = [
    "CoClustering",
]
