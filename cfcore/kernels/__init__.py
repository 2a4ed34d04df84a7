"""The compiled kernels: records of arrays in, arrays out, no GIL; usable by other libraries.

A kernel lives in the room of its problem (``cfcore.kernels.factorization.svd``) and is imported by its short
name too (``cfcore.kernels.svd``). Its inner loops are compiled once per SIMD level; `simd` says which one
runs.
"""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from cfcore.kernels.forks import inherited_runtimes, openmp_runtimes

_inherited = inherited_runtimes()  # before the first extension module, which loads its own

try:  # now, and not after a fork: it remembers the process
    from cfcore.kernels.common import threads
except ImportError as error:
    _folder = Path(__file__).resolve().parent
    if any((_folder / "common").glob("threads.*.so")) or any((_folder / "common").glob("threads.*.pyd")):
        raise
    raise ImportError(
        f"the kernels in {_folder} are not compiled: Python was started in the folder of cfcore's sources. "
        f"Start it in another folder, or compile them in place: pip install -e {_folder.parents[1]}"
    ) from error
from cfcore.kernels.levels import LEVELS  # noqa: E402
from cfcore.kernels.simd import available_levels, current_level, use_level  # noqa: E402

if _inherited and openmp_runtimes() == _inherited:
    # Forked, and the runtime is shared with another library, which may have had threads before the fork.
    threads.use_one_thread()

__all__ = ["KERNELS", "LEVELS", "available_levels", "current_level", "use_level"]

#: Short name -> room and name.
KERNELS = {
    "baseline": "factorization.baseline",
    "csr": "tables.csr",
    "ease": "lists.ease",
    "neighbors": "neighbors",
    "products": "top_n.products",
    "rbm": "rbm",
    "rng": "common.rng",
    "scores": "top_n.scores",
    "sets": "tables.sets",
    "similarity": "neighbors.similarity",
    "svd": "factorization.svd",
    "svdpp": "factorization.svdpp",
    "text": "tables.text",
    "timesvdpp": "factorization.timesvdpp",
    "tokens": "tables.tokens",
    "top_lists": "lists.top_lists",
    "weighted_sums": "lists.weighted_sums",
}


def __getattr__(name: str) -> Any:
    if name not in KERNELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


class _ShortNames(MetaPathFinder, Loader):
    """Finds kernels by their short names; each is imported when it is first asked for."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        package, _, short = fullname.rpartition(".")
        found = package == __name__ and KERNELS.get(short, short) != short
        return ModuleSpec(fullname, self) if found else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(f"{__name__}.{KERNELS[spec.name.rpartition('.')[2]]}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state  # that of its full name again


sys.meta_path.append(_ShortNames())
