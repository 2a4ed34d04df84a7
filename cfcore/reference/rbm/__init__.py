"""Twins of `cfcore.kernels.rbm`."""
