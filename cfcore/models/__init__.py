"""Models: thin classes over the kernels, all with the manners of `cfcore.models.core.model.Model`.

The public classes are imported on first use, so that importing cfcore stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: Public model -> the module it lives in. A new model is one more line.
MODULES = {
    "GlobalMean": "basic.mean",
    "Baseline": "basic.baseline",
    "ItemKNN": "neighbors.knn",
    "UserKNN": "neighbors.knn",
    "SVD": "factorization.svd",
    "SVDpp": "factorization.svdpp",
    "TimeSVDpp": "factorization.timesvdpp",
    "RBM": "rbm.model",
}

__all__ = ["MODULES", *MODULES]


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
