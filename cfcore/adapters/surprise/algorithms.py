"""All algorithms of scikit-surprise."""

from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.baseline_only import BaselineOnly
from cfcore.adapters.surprise.co_clustering import CoClustering
from cfcore.adapters.surprise.knns import KNNBaseline, KNNBasic, KNNWithMeans, KNNWithZScore
from cfcore.adapters.surprise.matrix_factorization import NMF, SVD, SVDpp
from cfcore.adapters.surprise.predictions import Prediction, PredictionImpossible
from cfcore.adapters.surprise.random_pred import NormalPredictor
from cfcore.adapters.surprise.slope_one import SlopeOne

__all__ = [
    "AlgoBase",
    "BaselineOnly",
    "CoClustering",
    "KNNBaseline",
    "KNNBasic",
    "KNNWithMeans",
    "KNNWithZScore",
    "NMF",
    "NormalPredictor",
    "Prediction",
    "PredictionImpossible",
    "SVD",
    "SVDpp",
    "SlopeOne",
]
