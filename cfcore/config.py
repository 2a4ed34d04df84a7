"""Facts about this installation of cfcore, and about the computer."""

from __future__ import annotations

import platform
import sys
from typing import Any

__all__ = ["config", "show_config"]


def config() -> dict[str, Any]:
    """The facts that ``show_config`` prints, as a dictionary."""
    import numpy
    import scipy

    import cfcore
    from cfcore import kernels
    from cfcore.backends import current_backend
    from cfcore.kernels.common import cpu
    from cfcore.threads import available_cores, resolve_threads

    openmp = cpu.openmp_version()
    return {
        "cfcore": cfcore.__version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "machine": f"{platform.machine()} {sys.platform}",
        "compiler": cpu.compiler(),
        "debug_build": cpu.is_debug_build(),
        "openmp": openmp or None,
        "cores": available_cores(),
        "threads": resolve_threads(None) if openmp else 1,
        "simd_level": kernels.current_level(),
        "simd_available": list(kernels.available_levels()),
        "backend": current_backend(),
    }


def show_config() -> None:
    """Print version, compiler, OpenMP, SIMD level and threads, for a bug report."""
    for name, value in config().items():
        if name == "openmp" and value is None:
            value = "no: compiled without, kernels run on one thread"
        print(f"{name:>14}  {', '.join(value) if isinstance(value, list) else value}")
