"""The module ``surprise.similarities`` of scikit-surprise."""

from cfcore.adapters.surprise.similarities import cosine, msd, pearson, pearson_baseline

__all__ = [
    "cosine",
    "msd",
    "pearson",
    "pearson_baseline",
]
