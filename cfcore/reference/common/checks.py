"""Checks that the twins share, with the errors of ``cfcore/kernels/common``."""

from __future__ import annotations

from typing import Any

#: As in `cfcore.threads`, which kernels and twins do not depend on.
MAX_THREADS = 1024


def check_record(record: Any, kind: type, name: str) -> None:
    """Raise TypeError unless an argument is a record of that kind."""
    if not isinstance(record, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, not {type(record).__name__}")


def check_threads(n_threads: int) -> None:
    """Raise ValueError unless `n_threads` is within [1, 1024]."""
    if not 1 <= n_threads <= MAX_THREADS:
        raise ValueError(f"n_threads must be between 1 and {MAX_THREADS}, not {n_threads}")
