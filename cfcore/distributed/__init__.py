"""Models on a Dask cluster."""

from cfcore.distributed.fit import fit

__all__ = ["fit"]
