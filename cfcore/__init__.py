"""cfcore: a fast core for collaborative filtering on explicit ratings."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cfcore.errors import CfcoreError, ConvergenceWarning, DataError, FileFormatError, NotFittedError

if TYPE_CHECKING:
    from cfcore import errors as errors
    from cfcore import metrics as metrics
    from cfcore import plots as plots
    from cfcore import selection as selection
    from cfcore import sklearn as sklearn
    from cfcore.backends import backend as backend
    from cfcore.config import show_config as show_config
    from cfcore.data import datasets as datasets
    from cfcore.data import split as split
    from cfcore.data.ratings import Ratings as Ratings
    from cfcore.ensemble import Blend as Blend
    from cfcore.models.basic.baseline import Baseline as Baseline
    from cfcore.models.basic.mean import GlobalMean as GlobalMean
    from cfcore.models.neighbors.knn import ItemKNN as ItemKNN
    from cfcore.models.neighbors.knn import UserKNN as UserKNN
    from cfcore.models.rbm.model import RBM as RBM
    from cfcore.models.factorization.svd import SVD as SVD
    from cfcore.models.factorization.svdpp import SVDpp as SVDpp
    from cfcore.models.factorization.timesvdpp import TimeSVDpp as TimeSVDpp
    from cfcore.persist import load as load

__version__ = "0.1.0"

# Public name -> (module, attribute or None for the module itself). Resolved on first use, so that
# `import cfcore` stays light.
_PUBLIC: dict[str, tuple[str, str | None]] = {
    "Baseline": ("cfcore.models.basic.baseline", "Baseline"),
    "Blend": ("cfcore.ensemble", "Blend"),
    "GlobalMean": ("cfcore.models.basic.mean", "GlobalMean"),
    "ItemKNN": ("cfcore.models.neighbors.knn", "ItemKNN"),
    "RBM": ("cfcore.models.rbm.model", "RBM"),
    "Ratings": ("cfcore.data.ratings", "Ratings"),
    "SVD": ("cfcore.models.factorization.svd", "SVD"),
    "SVDpp": ("cfcore.models.factorization.svdpp", "SVDpp"),
    "TimeSVDpp": ("cfcore.models.factorization.timesvdpp", "TimeSVDpp"),
    "UserKNN": ("cfcore.models.neighbors.knn", "UserKNN"),
    "backend": ("cfcore.backends", "backend"),
    "datasets": ("cfcore.data.datasets", None),
    "errors": ("cfcore.errors", None),
    "load": ("cfcore.persist", "load"),
    "metrics": ("cfcore.metrics", None),
    "plots": ("cfcore.plots", None),
    "selection": ("cfcore.selection", None),
    "show_config": ("cfcore.config", "show_config"),
    "sklearn": ("cfcore.sklearn", None),
    "split": ("cfcore.data.split", None),
}

__all__ = [
    "CfcoreError",
    "ConvergenceWarning",
    "DataError",
    "FileFormatError",
    "NotFittedError",
    *_PUBLIC,
]


def __getattr__(name: str) -> Any:
    try:
        module_name, attribute = _PUBLIC[name]
    except KeyError:
        raise AttributeError(f"module 'cfcore' has no attribute {name!r}") from None
    module = importlib.import_module(module_name)
    value = module if attribute is None else getattr(module, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
