"""The module ``surprise.engine`` of scikit-surprise."""

from cfcore.adapters.surprise.engine import use

__all__ = [
    "use",
]
