"""The module ``surprise.trainset`` of scikit-surprise."""

from cfcore.adapters.surprise.trainset import Trainset

__all__ = [
    "Trainset",
]
