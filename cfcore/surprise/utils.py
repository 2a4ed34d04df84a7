"""The module ``surprise.utils`` of scikit-surprise."""

from cfcore.adapters.surprise.utils import get_rng

__all__ = [
    "get_rng",
]
