"""cfcore: a fast core for collaborative filtering on explicit ratings."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cfcore.errors import (
    CfcoreError,
    ConvergenceWarning,
    DataError,
    DataWarning,
    DivergenceError,
    FileFormatError,
    NotFittedError,
)
from cfcore.registry import ENTRIES

if TYPE_CHECKING:
    from cfcore import distributed as distributed
    from cfcore import errors as errors
    from cfcore import metrics as metrics
    from cfcore import plots as plots
    from cfcore import selection as selection
    from cfcore import sklearn as sklearn
    from cfcore.backends import backend as backend
    from cfcore.config import show_config as show_config
    from cfcore.data import datasets as datasets
    from cfcore.data import split as split
    from cfcore.data.features import Features as Features
    from cfcore.data.ratings import Ratings as Ratings
    from cfcore.models.core.model import Model as Model
    from cfcore.persist import load as load
    from cfcore.registry import *  # noqa: F403

__version__ = "0.2.0"

# Public name -> (module, attribute or None for the module itself). Resolved on first use, so that
# `import cfcore` stays light.
_PUBLIC: dict[str, tuple[str, str | None]] = {
    **{entry.name: (entry.module, entry.name) for entry in ENTRIES},
    "Features": ("cfcore.data.features", "Features"),
    "Model": ("cfcore.models.core.model", "Model"),
    "Ratings": ("cfcore.data.ratings", "Ratings"),
    "backend": ("cfcore.backends", "backend"),
    "datasets": ("cfcore.data.datasets", None),
    "distributed": ("cfcore.distributed", None),
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
    "DataWarning",
    "DivergenceError",
    "FileFormatError",
    "NotFittedError",
    *_PUBLIC,
]


if not TYPE_CHECKING:  # for type checkers only the names imported above exist

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
