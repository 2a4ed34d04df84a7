"""Twins of the kernels of the restricted Boltzmann machine."""

from __future__ import annotations

from cfcore.reference.rbm.predict import hidden_inputs, probabilities
from cfcore.reference.rbm.rbm import train

__all__ = ["hidden_inputs", "probabilities", "train"]
