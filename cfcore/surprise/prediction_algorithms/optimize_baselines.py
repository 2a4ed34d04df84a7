"""The module ``surprise.prediction_algorithms.optimize_baselines`` of scikit-surprise."""

from cfcore.adapters.surprise.baselines import baseline_als, baseline_sgd

__all__ = [
    "baseline_als",
    "baseline_sgd",
]
