"""A file that another process overwrites in place is refused or read; the process goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cfcore as cf

# What no writer of cfcore does, but `cp` and a full synchronisation do: the same file, shortened and written.
OVERWRITE = """
import sys
content = open(sys.argv[1], "rb").read()
print("begin", flush=True)
while True:
    with open(sys.argv[1], "r+b") as file:
        file.truncate(len(content) // 3)
        file.write(content)
"""


@pytest.mark.skipif(os.name == "nt", reason="open files of POSIX")
def test_a_file_overwritten_while_it_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model"
    train = cf.datasets.synthetic(400, 300, 5000, random_state=0)
    cf.SVD(n_factors=300, n_epochs=1, random_state=0).fit(train).save(path)
    with subprocess.Popen([sys.executable, "-c", OVERWRITE, path], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"begin\n"
        loaded = refused = 0
        for _ in range(60):
            try:
                cf.load(path)
                loaded += 1
            except cf.FileFormatError:
                refused += 1
        other.kill()
    assert loaded + refused == 60
    assert refused
