"""How many threads a call may use, and for how much work further threads are worth waking."""

from __future__ import annotations

import functools
import math
import operator
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType

from cfcore.errors import shown

__all__ = [
    "MAX_THREADS",
    "MINIMUM_WORK",
    "available_cores",
    "cpu_quota",
    "minimum_work",
    "policy",
    "resolve_threads",
    "threads_worth",
    "workers_of_last_call",
]

MAX_THREADS = 1024
"""More than any processor has cores; an OpenMP library that cannot start a thread ends the whole process."""

#: The work of a call, by its unit, from which on a second thread saves more time than waking it takes.
MINIMUM_WORK: Mapping[str, int] = MappingProxyType(
    {
        # Numbers that a call multiplies, adds or compares: about 1 ms.
        "numbers": 10_000_000,
        # Ratings that a pass reads once: about .2 ms.
        "ratings": 200_000,
        # Ratings that predictions by neighbours look up: about .2 ms.
        "neighbor_ratings": 100_000,
        # Ratings that are trained on in blocks. Small data has small blocks, for which threads mostly wait.
        "block_ratings": 2**18,
    }
)

_forced: ContextVar[float | None] = ContextVar("cfcore_minimum_work", default=None)


# ---------------------------------------------------------------------- cores


@functools.cache
def _own_quota() -> float | None:
    return cpu_quota()


def available_cores() -> int:
    """Cores that this process may use, at least 1.

    As many as its affinity (``taskset``, cpusets) and the CPU quota of its control groups allow. The quota is
    read once per process, and rounded up.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _own_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cpu_quota(process: str | os.PathLike[str] = "/proc/self") -> float | None:
    """CPU time per wall-clock time that the control groups of a process allow: 1.5 is one core and a half.

    Parameters
    ----------
    process : path-like
        Directory of the process in /proc. Its files ``cgroup`` and ``mountinfo`` are read.

    Returns
    -------
    float or None
        The smallest quota of the process's groups and of all groups above them: ``cpu.cfs_quota_us`` over
        ``cpu.cfs_period_us`` in version 1, ``cpu.max`` in version 2. None if no group has one, or there are
        no groups.
    """
    try:
        groups = Path(process, "cgroup").read_text().splitlines()
        mounts = Path(process, "mountinfo").read_text().splitlines()
    except (OSError, ValueError):
        return None
    quotas = []
    for line in groups:
        _, controllers, group = [*line.split(":", 2), "", ""][:3]
        version = 2 if controllers == "" else 1 if "cpu" in controllers.split(",") else None
        if version is None:
            continue
        for folder in _folders(group, version, mounts):
            quota = _quota_in(folder, version)
            if quota is not None:
                quotas.append(quota)
    return min(quotas, default=None)


def _folders(group: str, version: int, mounts: Iterable[str]) -> Iterator[Path]:
    """Folders of a control group and of those above it, as far as they are mounted."""
    for line in mounts:
        before, _, after = line.partition(" - ")
        root, point = (_unescaped(part) for part in [*before.split(), *[""] * 5][3:5])
        kind, _, options = [*after.split(), "", "", ""][:3]
        if kind != ("cgroup2" if version == 2 else "cgroup"):
            continue
        if version == 1 and "cpu" not in options.split(","):
            continue
        # A mount may show a part of the hierarchy, from `root` on. If the group is outside, the mount point
        # is taken for it: in a container that is the container's own group.
        top = root.rstrip("/") + "/"
        inside = group[len(top) :] if (group + "/").startswith(top) and ".." not in group.split("/") else ""
        yield from (Path(point, inside), *Path(point, inside).parents[: len(Path(inside).parts)])


def _unescaped(path: str) -> str:
    """A path in mountinfo, in which spaces and the like are octal numbers."""
    for code in ("040", "011", "012", "134"):
        path = path.replace("\\" + code, chr(int(code, 8)))
    return path


def _quota_in(folder: Path, version: int) -> float | None:
    """The quota of one control group."""
    try:
        if version == 2:
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        found = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # none there, or "max"
        return None
    return found if found > 0 else None


# ---------------------------------------------------------------------- threads


def resolve_threads(n_threads: int | None) -> int:
    """Number of threads meant by `n_threads`.

    Parameters
    ----------
    n_threads : int or None
        A count from 1 to `MAX_THREADS`. None means the environment variable ``CFCORE_NUM_THREADS`` if it
        is set, or else every core this process may use, or fewer where OpenMP is limited to fewer:
        by ``OMP_NUM_THREADS``, or in this thread by ``threadpoolctl.threadpool_limits``.

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
            from cfcore.kernels.common.threads import most_threads

            return min(available_cores(), most_threads() or MAX_THREADS, MAX_THREADS)
        source, value = "CFCORE_NUM_THREADS", int(configured) if configured.isdecimal() else configured
    try:
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        count = 0
    if count < 1 or isinstance(value, bool):
        raise ValueError(f"{source} must be an integer of at least 1, got {shown(value)}")
    if count > MAX_THREADS:
        raise ValueError(f"{source} must be at most {MAX_THREADS}, got {shown(value)}")
    return count


def threads_worth(n_threads: int | None, work: float, unit: str = "numbers") -> int:
    """Number of threads for a call: those meant by `n_threads`, or 1 if its work is small.

    Results never depend on it.

    Parameters
    ----------
    n_threads : int or None
        As in `resolve_threads`.
    work : float
        How much the call does, in units of `unit`.
    unit : str
        A key of `MINIMUM_WORK`.

    Raises
    ------
    KeyError
        No such unit.
    ValueError
        As `resolve_threads`, for work that is not small.
    """
    return resolve_threads(n_threads) if work >= minimum_work(unit) else 1


def minimum_work(unit: str) -> float:
    """The least work for which threads are woken: that of `policy`, CFCORE_MINIMUM_WORK or `MINIMUM_WORK`."""
    usual = MINIMUM_WORK[unit]
    forced = _forced.get()
    if forced is not None:
        return forced
    configured = os.environ.get("CFCORE_MINIMUM_WORK", "").strip()
    return _checked("CFCORE_MINIMUM_WORK", configured) if configured else usual


@contextmanager
def policy(*, minimum_work: float) -> Iterator[None]:
    """Change from which work on threads are woken, within a ``with`` block.

    For tests and measurements: ``policy(minimum_work=0)`` has the smallest call use all its threads, and
    ``policy(minimum_work=math.inf)`` has each use one. It applies in the thread (or asyncio task) that enters
    the block; the environment variable ``CFCORE_MINIMUM_WORK`` applies in the whole process.

    Parameters
    ----------
    minimum_work : float
        At least 0; instead of `MINIMUM_WORK`, in all units.

    Raises
    ------
    ValueError
        For anything else.
    """
    token = _forced.set(_checked("minimum_work", minimum_work))
    try:
        yield
    finally:
        _forced.reset(token)


def _checked(source: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not number >= 0:
        raise ValueError(f"{source} must be a number of at least 0, got {value!r}")
    return number


def workers_of_last_call() -> int:
    """Threads that the last compiled kernel called from this thread really ran on.

    They may be fewer than were allowed: without OpenMP, in a forked process, or under OMP_THREAD_LIMIT. 0 if
    no kernel was called yet, or if the last one opened no parallel region; 1 with the reference backend.
    """
    from cfcore import backends

    workers: int = backends.kernel("common.threads").workers_of_last_call()
    return workers
