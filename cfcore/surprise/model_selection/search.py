"""The module ``surprise.model_selection.search`` of scikit-surprise."""

from cfcore.adapters.surprise.dataset import DatasetUserFolds
from cfcore.adapters.surprise.model_selection.search import BaseSearchCV, GridSearchCV, RandomizedSearchCV
from cfcore.adapters.surprise.model_selection.split import get_cv
from cfcore.adapters.surprise.model_selection.validation import fit_and_score
from cfcore.adapters.surprise.utils import get_rng

__all__ = [
    "BaseSearchCV",
    "DatasetUserFolds",
    "GridSearchCV",
    "RandomizedSearchCV",
    "fit_and_score",
    "get_cv",
    "get_rng",
]
