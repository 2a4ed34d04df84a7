"""Twins of `cfcore.kernels.factorization`."""
