"""A drop-in for scikit-surprise 1.1.5: ``import cfcore.surprise as surprise``.

The modules here have the names that people import from; what they hold is in `cfcore.adapters.surprise`.
"""

from cfcore.adapters.surprise.trainset import Trainset

__all__ = ["Trainset"]
