"""Twins of the kernels of `cfcore.adapters.surprise`."""
