"""Sources that are not compiled say so where they are imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cfcore as cf


def test_sources_say_that_they_are_not_compiled(tmp_path: Path) -> None:
    sources = Path(cf.__file__).parent
    shutil.copytree(
        sources, tmp_path / "cfcore", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    )
    # Coverage, where it is measured, would count the lines of the copy too.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", "import cfcore as cf; cf.SVD"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert f"{tmp_path / 'cfcore' / 'kernels'} are not compiled" in said
    assert f"pip install -e {tmp_path}" in said
