"""A drop-in for scikit-surprise 1.1.5: ``import cfcore.surprise as surprise``.

Names, arguments, errors and, for a given ``random_state``, numbers are those of scikit-surprise; it runs
faster. With ``engine="cfcore"``, or after ``surprise.use("cfcore")``, algorithms are computed by cfcore's
models of the same names: on all cores, and with lower errors.

The modules here have the names that people import from; what they hold is in `cfcore.adapters.surprise`.
"""

from cfcore.adapters.surprise import accuracy as accuracy  # itself: `measures` finds functions that are added
from cfcore.adapters.surprise.__main__ import VERSION
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
from cfcore.adapters.surprise.builtin_datasets import get_dataset_dir
from cfcore.adapters.surprise.dataset import Dataset
from cfcore.adapters.surprise.engine import use
from cfcore.adapters.surprise.reader import Reader
from cfcore.adapters.surprise.trainset import Trainset
from cfcore.surprise import builtin_datasets as builtin_datasets
from cfcore.surprise import dataset as dataset
from cfcore.surprise import dump, model_selection
from cfcore.surprise import prediction_algorithms as prediction_algorithms
from cfcore.surprise import reader as reader
from cfcore.surprise import similarities as similarities
from cfcore.surprise import trainset as trainset
from cfcore.surprise import utils as utils

__version__ = VERSION

# As in scikit-surprise, `import *` brings no other module: programs have variables of these names.
__all__ = [
    "NMF",
    "SVD",
    "AlgoBase",
    "BaselineOnly",
    "CoClustering",
    "Dataset",
    "KNNBaseline",
    "KNNBasic",
    "KNNWithMeans",
    "KNNWithZScore",
    "NormalPredictor",
    "Prediction",
    "PredictionImpossible",
    "Reader",
    "SVDpp",
    "SlopeOne",
    "Trainset",
    "dump",
    "get_dataset_dir",
    "model_selection",
    "use",
]
