"""Models as scikit-learn estimators, for its searches, pipelines and column transformers."""

from __future__ import annotations

from cfcore.adapters.sklearn import RatingRegressor, expected_failed_checks

__all__ = ["RatingRegressor", "expected_failed_checks"]
