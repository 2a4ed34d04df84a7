"""The conditional restricted Boltzmann machine: training in `rbm`, predictions in `predict`."""

from __future__ import annotations

from cfcore.kernels.rbm.predict import hidden_inputs, probabilities
from cfcore.kernels.rbm.rbm import train

__all__ = ["hidden_inputs", "probabilities", "train"]
