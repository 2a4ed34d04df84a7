"""The module ``surprise.model_selection.search`` of scikit-surprise."""

from cfcore.adapters.surprise.model_selection.search import BaseSearchCV, GridSearchCV, RandomizedSearchCV

__all__ = [
    "BaseSearchCV",
    "GridSearchCV",
    "RandomizedSearchCV",
]
