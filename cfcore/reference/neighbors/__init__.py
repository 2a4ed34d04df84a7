"""Twins of `cfcore.kernels.neighbors`."""
