"""Download of one wheel from the package index by any pip available; nothing is installed."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

__all__ = ["WheelError", "download_wheel", "pip_commands"]

logger = logging.getLogger("cfcore")

TIME_LIMIT = 300.0


class WheelError(Exception):
    """No pip could download the wheel; the message names those that were tried."""


def pip_commands() -> Iterator[tuple[str, list[str]]]:
    """Ways to run pip, the likeliest first: a name for messages, and the command."""
    if importlib.util.find_spec("pip") is not None:
        yield "python -m pip", [sys.executable, "-m", "pip"]
    for wheel in _bundled_wheels():
        # Python runs packages inside of zip files, which wheels are: pip need not be installed.
        yield f"the pip bundled with Python ({wheel.name})", [sys.executable, f"{wheel}/pip"]
    for name in ("pip3", "pip"):
        path = shutil.which(name)
        if path:
            yield path, [path]
    path = shutil.which("uv")
    if path:
        yield "uv tool run pip", [path, "tool", "run", "pip"]


def _bundled_wheels() -> list[Path]:
    # Some distributions keep the wheel in a folder of their own.
    folders = [sysconfig.get_config_var("WHEEL_PKG_DIR")]
    spec = importlib.util.find_spec("ensurepip")
    if spec is not None and spec.origin:
        folders.append(str(Path(spec.origin).parent / "_bundled"))
    return [wheel for folder in folders if folder for wheel in sorted(Path(folder).glob("pip-*.whl"))]


def download_wheel(requirement: str, folder: Path) -> Path:
    """Download the wheel of `requirement` without its dependencies.

    Parameters
    ----------
    requirement : str
        Such as "recbole==1.2.1".
    folder : Path
        Folder for the wheel and for pip's temporary files; pip's own cache is not used.

    Raises
    ------
    WheelError
        When no pip is found, or none succeeds.
    """
    environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    environment |= {"UV_CACHE_DIR": str(folder / "uv-cache"), "UV_TOOL_DIR": str(folder / "uv-tools")}
    failures: list[str] = []
    for name, command in pip_commands():
        target = folder / f"wheel-{len(failures)}"
        options = ["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--quiet"]
        options += ["--disable-pip-version-check", "--retries=1", "--timeout=10", f"--dest={target}"]
        logger.info("running %s", name)
        try:
            done = subprocess.run(
                [*command, *options, requirement],
                env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIME_LIMIT,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            failures.append(f"{name}: {error}")
            continue
        wheels = sorted(target.glob("*.whl"))
        if done.returncode == 0 and wheels:
            return wheels[0]
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit {done.returncode}"]
        failures.append(f"{name}: {lines[-1].strip()}")
    raise WheelError("; ".join(failures) or "no pip is installed to download it with")
