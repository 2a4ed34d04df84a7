"""Twins of `cfcore.kernels.common`."""
