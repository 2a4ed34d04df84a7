"""The module ``surprise.accuracy`` of scikit-surprise."""

from cfcore.adapters.surprise.accuracy import fcp, mae, mse, rmse

__all__ = [
    "fcp",
    "mae",
    "mse",
    "rmse",
]
