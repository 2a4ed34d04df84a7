"""The module ``surprise.dump`` of scikit-surprise."""

from cfcore.adapters.surprise.dump import dump, load

__all__ = [
    "dump",
    "load",
]
