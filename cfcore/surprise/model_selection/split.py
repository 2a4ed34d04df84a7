"""The module ``surprise.model_selection.split`` of scikit-surprise."""

from cfcore.adapters.surprise.model_selection.split import (
    KFold,
    LeaveOneOut,
    PredefinedKFold,
    RepeatedKFold,
    ShuffleSplit,
    get_cv,
    train_test_split,
)
from cfcore.adapters.surprise.utils import get_rng

__all__ = [
    "KFold",
    "LeaveOneOut",
    "PredefinedKFold",
    "RepeatedKFold",
    "ShuffleSplit",
    "get_cv",
    "get_rng",
    "train_test_split",
]
