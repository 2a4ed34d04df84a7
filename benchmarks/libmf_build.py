"""LIBMF with its AVX code; the wheel that pip builds by default runs plain C++, which is slower.

The sdist is built once into the cache folder with ``-O3 -mavx -DUSEAVX``. The flags have to be in CXXFLAGS
too: recent setuptools ignores CFLAGS for C++ sources, and the build then succeeds without AVX
instructions.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from cfcore.data.cache import cache_folder

Array = np.ndarray[Any, Any]
VERSION = "0.9.2"
FLAGS = "-O3 -mavx -DUSEAVX"


class MissingError(Exception):
    """LIBMF is not available; the message gives the reason."""


def folder() -> Path:
    """Folder of the build of LIBMF for this Python."""
    return cache_folder() / "benchmarks" / f"libmf-{VERSION}-avx-{sysconfig.get_config_var('SOABI')}"


def load() -> ModuleType:
    """The module ``libmf.mf`` on the AVX build, built first if need be."""
    if platform.machine().lower() not in ("x86_64", "amd64") or sys.platform == "win32":
        raise MissingError("its AVX code is for x86-64 with gcc or clang")
    target = folder()
    if not list(target.glob("libmf*.so")):
        build(target)
    library = next(target.glob("libmf*.so"))
    os.environ["LIBMF_OBJ"] = str(library)
    sys.path.insert(0, str(target))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # its Python compares strings with "is"
        from libmf import mf
    return mf


def build(target: Path) -> None:
    """Compile the sdist into `target` with pip, leaving nothing behind if that fails."""
    print(f"building libmf {VERSION} with {FLAGS} ...", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-binary", "libmf", "--no-cache-dir"]
    command += ["--no-deps", "--target", str(target), f"libmf=={VERSION}"]
    flags = {"CFLAGS": FLAGS, "CXXFLAGS": FLAGS}
    done = subprocess.run(command, env={**os.environ, **flags}, capture_output=True, text=True)
    libraries = list(target.glob("libmf*.so"))
    if done.returncode or not libraries:
        shutil.rmtree(target, ignore_errors=True)
        last = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise MissingError(f"it could not be built: {last}")
    if not has_avx(libraries[0]):
        shutil.rmtree(target, ignore_errors=True)
        raise MissingError(f"the build ignored {FLAGS}")


def has_avx(library: Path) -> bool:
    """Whether the library uses 256-bit registers; True if that cannot be determined (no objdump)."""
    if shutil.which("objdump") is None:
        return True
    text = subprocess.run(["objdump", "-d", str(library)], capture_output=True, text=True).stdout
    return "%ymm" in text


class Libmf:
    """Matrix factorisation by LIBMF on codes; its regularisation on factors only, no biases."""

    def __init__(
        self, module: ModuleType, k: int, n_epochs: int, reg: float, lr: float, n_threads: int
    ) -> None:
        # nr_bins is LIBMF's own default; lambda_p1 and lambda_q1 are for L1, which is not used here.
        run = {"nr_iters": n_epochs, "nr_threads": n_threads, "nr_bins": 20, "quiet": True}
        penalty = {"lambda_p1": 0, "lambda_q1": 0, "lambda_p2": reg, "lambda_q2": reg}
        self.machine = module.MF(k=k, eta=lr, **run, **penalty)

    def fit(self, triples: Array) -> Libmf:
        """Fit on float32 rows of (user, item, rating)."""
        self.machine.fit(triples)
        return self

    def predict(self, users: Array, items: Array, mean: float, scale: tuple[float, float]) -> Array:
        """Predictions within `scale`; `mean` for users and items it has not seen."""
        p, q = self.machine.p_factors(), self.machine.q_factors()
        known = (users < len(p)) & (items < len(q))
        predicted = np.full(len(users), np.nan)
        predicted[known] = np.einsum("nk,nk->n", p[users[known]], q[items[known]])
        # LIBMF marks the factors of rows without ratings with NaN.
        return np.where(np.isfinite(predicted), predicted, mean).clip(*scale)


def quiet_import(load_it: Any) -> Any:
    """Call `load_it` with standard output discarded, to which libmf prints on import."""
    with open(os.devnull, "w") as nowhere:
        before, sys.stdout = sys.stdout, nowhere
        try:
            return load_it()
        finally:
            sys.stdout = before


__all__ = ["FLAGS", "VERSION", "Libmf", "MissingError", "load", "quiet_import"]
