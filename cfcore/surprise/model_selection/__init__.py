"""The package ``surprise.model_selection`` of scikit-surprise."""

from cfcore.adapters.surprise.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneOut,
    PredefinedKFold,
    RandomizedSearchCV,
    RepeatedKFold,
    ShuffleSplit,
    cross_validate,
    train_test_split,
)
from cfcore.surprise.model_selection import search as search
from cfcore.surprise.model_selection import split as split
from cfcore.surprise.model_selection import validation as validation

__all__ = [
    "GridSearchCV",
    "KFold",
    "LeaveOneOut",
    "PredefinedKFold",
    "RandomizedSearchCV",
    "RepeatedKFold",
    "ShuffleSplit",
    "cross_validate",
    "train_test_split",
]
