"""The module ``surprise.reader`` of scikit-surprise."""

from cfcore.adapters.surprise.reader import Reader

__all__ = [
    "Reader",
]
