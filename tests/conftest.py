"""Fixtures shared by all tests."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import traceback
from typing import Any

import hypothesis
import pytest

import cfcore as cf

# No deadline: twins are slow.
hypothesis.settings.register_profile("cfcore", deadline=None, max_examples=40, derandomize=True)
hypothesis.settings.load_profile("cfcore")
# A process that a shell starts in the background ignores Ctrl-C, and tests that interrupt it would not end.
signal.signal(signal.SIGINT, signal.default_int_handler)


def run_cfcore(
    *arguments: Any, stdin: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line in its own process, on a wide terminal without colours."""
    return subprocess.run(
        [sys.executable, "-m", "cfcore", *map(str, arguments)],
        capture_output=True,
        text=True,
        input=stdin,
        timeout=200,
        env={**os.environ, "COLUMNS": "160", "NO_COLOR": "1", **environment},
    )


def run_inside(
    *arguments: Any, stdin: str | bytes | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line as `run_cfcore` does, but in this process, which is far quicker."""
    from typer.testing import CliRunner

    given = [str(one) for one in arguments]
    shown = {"COLUMNS": "160", "NO_COLOR": "1", **environment}
    done = CliRunner().invoke(_application(), given, input=stdin, env=shown, prog_name="cfcore")
    errors = done.stderr
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        errors += "".join(traceback.format_exception(done.exception))
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, errors)


@functools.cache
def _application() -> Any:
    from cfcore.cli import build

    return build()


@pytest.fixture(scope="session")
def u1() -> tuple[cf.Ratings, cf.Ratings]:
    """MovieLens 100K, split u1: train and test."""
    train, test = cf.datasets.load("ml-100k", split="u1")
    return train, test
