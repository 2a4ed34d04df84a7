"""Twins of `cfcore.kernels.tables`."""
