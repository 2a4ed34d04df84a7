"""Metrics of predicted ratings and of top-N lists, with confidence intervals."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers, which cannot read the table
    from cfcore.metrics.accuracy import fcp as fcp
    from cfcore.metrics.accuracy import mae as mae
    from cfcore.metrics.accuracy import rmse as rmse
    from cfcore.metrics.bootstrapping import Interval as Interval
    from cfcore.metrics.bootstrapping import bootstrap as bootstrap
    from cfcore.metrics.judging import judge as judge
    from cfcore.metrics.lists import Judged as Judged
    from cfcore.metrics.lists import average_precision as average_precision
    from cfcore.metrics.lists import coverage as coverage
    from cfcore.metrics.lists import hit_rate as hit_rate
    from cfcore.metrics.lists import ndcg as ndcg
    from cfcore.metrics.lists import novelty as novelty
    from cfcore.metrics.lists import precision as precision
    from cfcore.metrics.lists import recall as recall
    from cfcore.metrics.lists import reciprocal_rank as reciprocal_rank
    from cfcore.metrics.lists import relevant_from as relevant_from
    from cfcore.metrics.measuring import evaluate as evaluate
    from cfcore.metrics.names import METRICS as METRICS
    from cfcore.metrics.of_test_items import surprise_precision as surprise_precision
    from cfcore.metrics.of_test_items import surprise_recall as surprise_recall
    from cfcore.metrics.result import Metrics as Metrics

# Public name -> module of this package. Resolved on first use: models import the criteria of lists from here,
# and need no metric.
_PUBLIC = {
    **dict.fromkeys(("fcp", "mae", "rmse"), "accuracy"),
    **dict.fromkeys(("Interval", "bootstrap"), "bootstrapping"),
    "judge": "judging",
    **dict.fromkeys(
        (
            "Judged", "average_precision", "coverage", "hit_rate", "ndcg", "novelty", "precision", "recall",
            "reciprocal_rank", "relevant_from",
        ),
        "lists",
    ),
    "evaluate": "measuring",
    "METRICS": "names",
    **dict.fromkeys(("surprise_precision", "surprise_recall"), "of_test_items"),
    "Metrics": "result",
}  # fmt: skip

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


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
