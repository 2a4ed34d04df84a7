"""Twins of `cfcore.kernels.top_n`."""
