"""Ensembles: models that combine other models."""

from __future__ import annotations

from cfcore.ensemble.blend import Blend
from cfcore.ensemble.ranker import Ranker

__all__ = ["Blend", "Ranker"]
