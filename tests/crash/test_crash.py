"""A few of the kills, interrupts and full disks of ``run.py``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.crash import trials

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def test_kills_lose_nothing(tmp_path: Path) -> None:
    counts = trials.Kills(tmp_path, seed=1).run(9)
    assert min(counts[kind] for kind in ("fit", "save", "predict")) >= 1


def test_interrupted_fits_leave_nothing(tmp_path: Path) -> None:
    assert len(trials.interrupts(tmp_path, 4, seed=1, most=2)) == 4


def test_full_disks_leave_the_old_files(tmp_path: Path) -> None:
    assert trials.full_disk(tmp_path) in ("disk", "limit")
