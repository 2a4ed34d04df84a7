"""Forked processes, in which an OpenMP runtime that had threads before the fork would wait for them."""

from __future__ import annotations

from pathlib import Path

__all__ = ["inherited_runtimes", "openmp_runtimes"]

PF_FORKNOEXEC = 0x40
"""Flag of a Linux process that was forked and has not executed another program since."""


def inherited_runtimes(process: str | Path = "/proc/self") -> frozenset[str]:
    """Files of GNU's OpenMP that a forked process has loaded; none if it was not forked, or not on Linux.

    Whether they came with the fork or were loaded after it cannot be told.
    """
    try:
        stat = Path(process, "stat").read_text()
        # The second field, the name of the program, may contain anything; the ninth has the flags.
        flags = int(stat.rpartition(")")[2].split()[6])
    except (OSError, ValueError, IndexError):
        return frozenset()
    return openmp_runtimes(process) if flags & PF_FORKNOEXEC else frozenset()


def openmp_runtimes(process: str | Path = "/proc/self") -> frozenset[str]:
    """Files of GNU's OpenMP that a process has loaded. LLVM's starts anew in a child."""
    try:
        maps = Path(process, "maps").read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    paths = (line.split(maxsplit=5)[5] for line in maps if line.count("/"))
    return frozenset(path for path in paths if Path(path).name.startswith("libgomp"))
