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
