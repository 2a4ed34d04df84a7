"""Bare C loops, bounds of the times of the kernels, compiled here and called through ctypes.

Each loop does one inner step without checks, blocks and threads. They are compiled with ``-ffast-math``, so
that the compiler may fuse and reorder operations. cfcore must not, because its results have the same bits on
every instruction set; the bounds are those of the machine.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).parent
#: The instruction sets of setup.py.
LEVELS = {
    "baseline": [],
    "avx2": ["-march=x86-64-v3", "-mtune=generic"],
    "avx512": ["-march=x86-64-v4", "-mtune=generic", "-mprefer-vector-width=512"],
}
FLAGS = ["-O3", "-ffast-math", "-std=c11", "-shared", "-fPIC"]


class NoCompilerError(Exception):
    """There is no C compiler to compile the loops with."""


@cache
def library(name: str, level: str) -> ctypes.CDLL:
    """``name.c`` compiled for a SIMD level and loaded."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise NoCompilerError("no C compiler (cc, or the one that CC names)")
    # Removed at the end of the process only: the library is mapped from there.
    folder = tempfile.TemporaryDirectory(prefix="cfcore-limits-")
    _folders.append(folder)
    target = Path(folder.name) / f"{name}_{level}.so"
    command = [compiler, *FLAGS, *LEVELS[level], str(SOURCES / f"{name}.c"), "-lm", "-o", str(target)]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(target))


_folders: list[tempfile.TemporaryDirectory[str]] = []
