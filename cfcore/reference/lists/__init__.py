"""Twins of `cfcore.kernels.lists`."""
