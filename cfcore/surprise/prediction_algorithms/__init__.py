"""The package ``surprise.prediction_algorithms`` of scikit-surprise."""

from cfcore.adapters.surprise.algorithms import (
    NMF,
    SVD,
    AlgoBase,
    BaselineOnly,
    CoClustering,
    KNNBaseline,
    KNNBasic,
    KNNWithMeans,
    KNNWithZScore,
    NormalPredictor,
    Prediction,
    PredictionImpossible,
    SlopeOne,
    SVDpp,
)
from cfcore.surprise.prediction_algorithms import algo_base as algo_base
from cfcore.surprise.prediction_algorithms import baseline_only as baseline_only
from cfcore.surprise.prediction_algorithms import co_clustering as co_clustering
from cfcore.surprise.prediction_algorithms import knns as knns
from cfcore.surprise.prediction_algorithms import matrix_factorization as matrix_factorization
from cfcore.surprise.prediction_algorithms import optimize_baselines as optimize_baselines
from cfcore.surprise.prediction_algorithms import predictions as predictions
from cfcore.surprise.prediction_algorithms import random_pred as random_pred
from cfcore.surprise.prediction_algorithms import slope_one as slope_one

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
