"""How many threads a call may use."""

from __future__ import annotations

import operator
import os

__all__ = ["MAX_THREADS", "SMALL_CALL", "resolve_threads", "threads_for", "worthwhile_threads"]

#: A call that works on fewer is not worth waking other threads for.
SMALL_CALL = 10_000_000
#: Ratings that a pass must read for a second thread to save more than waking it takes.
WORTH_A_THREAD = 200_000

MAX_THREADS = 1024
"""More than any machine has cores; an OpenMP library that cannot start a thread ends the whole process."""


def available_cores() -> int:
    """Cores this process may run on (which a container or ``taskset`` may have limited)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_threads(n_threads: int | None) -> int:
    """Number of threads meant by `n_threads`.

    Parameters
    ----------
    n_threads : int or None
        A count from 1 to `MAX_THREADS`. None means the environment variable ``CFCORE_NUM_THREADS`` if it
        is set, or else every core this process may use.

    Raises
    ------
    ValueError
        If the number is not an integer of at least 1, or more than `MAX_THREADS`.
    """
    source = "n_threads"
    value: object = n_threads
    if n_threads is None:
        configured = os.environ.get("CFCORE_NUM_THREADS", "").strip()
        if not configured:
            return min(available_cores(), MAX_THREADS)
        source, value = "CFCORE_NUM_THREADS", int(configured) if configured.isdecimal() else configured
    try:
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        count = 0
    if count < 1 or isinstance(value, bool):
        raise ValueError(f"{source} must be an integer of at least 1, got {value!r}")
    if count > MAX_THREADS:
        raise ValueError(f"{source} must be at most {MAX_THREADS}, got {value!r}")
    return count


def threads_for(n_threads: int | None, n_ratings: int) -> int:
    """Threads to use for a pass over so many ratings: those meant by `n_threads`, or 1 if it is soon done."""
    return resolve_threads(n_threads) if n_ratings >= WORTH_A_THREAD else 1


def worthwhile_threads(n_threads: int | None, n_numbers: int) -> int:
    """Threads to use for a call that works on so many numbers: `n_threads`, or 1 if it is soon done."""
    return resolve_threads(n_threads) if n_numbers >= SMALL_CALL else 1
