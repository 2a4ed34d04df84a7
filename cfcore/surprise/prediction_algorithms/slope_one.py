"""The module ``surprise.prediction_algorithms.slope_one`` of scikit-surprise."""

from cfcore.adapters.surprise.slope_one import SlopeOne

__all__ = [
    "SlopeOne",
]
