"""The module ``surprise.model_selection.validation`` of scikit-surprise."""

from cfcore.adapters.surprise.model_selection.split import get_cv
from cfcore.adapters.surprise.model_selection.validation import cross_validate, fit_and_score, print_summary

__all__ = [
    "cross_validate",
    "fit_and_score",
    "get_cv",
    "print_summary",
]
