"""Ratings and models on a Dask cluster: ``pip install 'cfcore[distributed]'``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfcore.distributed.fitting import fit as fit
    from cfcore.distributed.models import ShardedModel as ShardedModel
    from cfcore.distributed.models import load as load
    from cfcore.distributed.models import recommend as recommend
    from cfcore.distributed.models import shard as shard
    from cfcore.distributed.ratings import Ratings as Ratings
    from cfcore.distributed.selection import cross_validate as cross_validate
    from cfcore.distributed.selection import search as search

_MODULES = {
    "Ratings": "ratings", "ShardedModel": "models", "cross_validate": "selection", "fit": "fitting",
    "load": "models", "recommend": "models", "search": "selection", "shard": "models",
}  # fmt: skip

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
