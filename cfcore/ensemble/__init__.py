"""Ensembles: models that combine the predictions of other models."""

from __future__ import annotations

from cfcore.ensemble.blend import Blend

__all__ = ["Blend"]
