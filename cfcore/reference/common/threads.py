"""Twin of `cfcore.kernels.common.threads`: twins run on the thread that calls them."""

from __future__ import annotations

MAX_THREADS = 1024


def team_size(n_threads: int) -> int:
    """1; ValueError unless `n_threads` is in [1, MAX_THREADS]."""
    if not 1 <= n_threads <= MAX_THREADS:
        raise ValueError(f"n_threads must be between 1 and {MAX_THREADS}, not {n_threads}")
    return 1


def workers_of_last_call() -> int:
    """1."""
    return 1


def most_threads() -> int:
    """1."""
    return 1


def use_one_thread() -> None:
    """Changes nothing: twins always do."""
