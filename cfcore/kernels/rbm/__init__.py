"""The conditional restricted Boltzmann machine: `rbm` trains it, `predict` predicts with it."""

from __future__ import annotations

from cfcore.kernels.rbm.predict import hidden_inputs, probabilities
from cfcore.kernels.rbm.rbm import train

__all__ = ["hidden_inputs", "probabilities", "train"]
