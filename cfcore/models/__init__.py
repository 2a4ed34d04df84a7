"""Models: thin classes over the kernels, all with the manners of `cfcore.models.base.Model`.

The public classes are imported on first use, so that importing cfcore stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: Public model -> the module it lives in. A new model is one more line.
MODULES = {
    "GlobalMean": "mean",
    "Baseline": "baseline",
    "ItemKNN": "neighbors",
    "UserKNN": "neighbors",
    "SVD": "svd",
    "SVDpp": "svdpp",
    "TimeSVDpp": "timesvdpp",
    "RBM": "rbm",
}

__all__ = ["MODULES", *MODULES]


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
