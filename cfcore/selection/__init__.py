"""Choosing models and their hyper-parameters by ratings held out within those given."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfcore.selection.crossval import cross_validate as cross_validate
    from cfcore.selection.searching import Search as Search
    from cfcore.selection.searching import search as search
    from cfcore.selection.table import Table as Table

_MODULES = {"Search": "searching", "Table": "table", "cross_validate": "crossval", "search": "searching"}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
