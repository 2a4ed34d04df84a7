"""Workers must have the cfcore of this process: another one may have other bits, or other tasks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import cfcore

__all__ = ["check_versions"]


def _version() -> str:
    return cfcore.__version__


async def check_versions(client: Any, workers: Collection[str] | None = None) -> None:
    """Raise ImportError unless workers have the same version of cfcore as this process.

    Parameters
    ----------
    client : distributed.Client
    workers : collection of str, optional
        Addresses; by default those of all workers that the client knows.
    """
    chosen = None if workers is None else list(workers)
    found = await client.run(_version, workers=chosen, on_error="return", asynchronous=True)
    for worker, version in found.items():
        if isinstance(version, OSError):  # it is lost, or about to be
            continue
        if version != cfcore.__version__:
            has = f"cfcore {version}" if isinstance(version, str) else f"no cfcore to import ({version})"
            raise ImportError(
                f"the worker {worker} has {has}, and this process {cfcore.__version__}: results could "
                f"differ; pip install 'cfcore[distributed]=={cfcore.__version__}' where workers run"
            )
