"""The module ``surprise.prediction_algorithms.co_clustering`` of scikit-surprise."""

from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.co_clustering import CoClustering
from cfcore.adapters.surprise.utils import get_rng

__all__ = [
    "AlgoBase",
    "CoClustering",
    "get_rng",
]
