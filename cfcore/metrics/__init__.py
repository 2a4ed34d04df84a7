"""Metrics of predicted ratings and of top-N lists, with confidence intervals."""

from __future__ import annotations

from cfcore.metrics.accuracy import fcp, mae, rmse
from cfcore.metrics.judging import judge
from cfcore.metrics.lists import (
    Judged,
    average_precision,
    coverage,
    hit_rate,
    ndcg,
    novelty,
    precision,
    recall,
    reciprocal_rank,
    relevant_from,
)
from cfcore.metrics.measuring import METRICS, Interval, bootstrap, evaluate
from cfcore.metrics.of_test_items import surprise_precision, surprise_recall
from cfcore.metrics.result import Metrics

__all__ = [
    "METRICS",
    "Interval",
    "Judged",
    "Metrics",
    "average_precision",
    "bootstrap",
    "coverage",
    "evaluate",
    "fcp",
    "hit_rate",
    "judge",
    "mae",
    "ndcg",
    "novelty",
    "precision",
    "recall",
    "reciprocal_rank",
    "relevant_from",
    "rmse",
    "surprise_precision",
    "surprise_recall",
]
