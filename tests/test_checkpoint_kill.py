"""Fits killed at random moments, also in the middle of a write, go on to the bits of the unbroken fit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import cfcore as cf
from tests.checkpoints import same

# Writing is slowed down, and each of its steps announced, so that a kill can be sent into any of them: while
# the temporary file is half there, before and after fsync, around os.replace, and while an epoch trains.
SCRIPT = """
import os, sys, time

import io

import numpy as np

import cfcore as cf
from cfcore import codec

name, path, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
rng = np.random.default_rng(0)
cells = rng.choice(150 * 120, 3000, replace=False)
values = rng.integers(1, 6, len(cells)).astype(np.float32)
train = cf.Ratings(cells // 120, cells % 120, values)
held_out = cf.Ratings(cells[:300] // 120, cells[:300] % 120, 6 - values[:300])
model = getattr(cf, name)(n_epochs=16, random_state=5, n_threads=1)
if name != "Baseline":
    model.set_params(n_factors=12, lr=0.05, reg=0.01)


def step(text):
    if pause:
        print(text, flush=True)
        time.sleep(pause)


write_tensors, fsync, replace = codec.write_tensors, os.fsync, os.replace


def slow_write_tensors(file, metadata, tensors):
    whole = io.BytesIO()
    write_tensors(whole, metadata, tensors)
    content = whole.getvalue()
    file.write(content[: len(content) // 2])
    file.flush()
    step("writing")
    file.write(content[len(content) // 2 :])


def slow_fsync(number):
    step("syncing")
    fsync(number)


def slow_replace(source, target):
    step("replacing")
    replace(source, target)
    step("training")


codec.write_tensors, os.fsync, os.replace = slow_write_tensors, slow_fsync, slow_replace
model.fit(train, validation=held_out, early_stopping=6, checkpoint=path)
codec.write_tensors, os.fsync, os.replace = write_tensors, fsync, replace
print("finished", flush=True)
model.save(path + ".model")
"""

KILLS, STEPS = 20, ("writing", "syncing", "replacing", "training")


def start(script: Path, name: str, path: Path, pause: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, script, name, path, str(pause)], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(cf.__file__).parents[1])},
    )  # fmt: skip


def finish(script: Path, name: str, path: Path) -> Any:
    with start(script, name, path, 0) as process:
        process.communicate(timeout=60)
        assert process.returncode == 0
    return cf.load(f"{path}.model")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_kills(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    names = ("SVD", "SVDpp", "Baseline")
    whole = {name: finish(script, name, tmp_path / f"{name}.whole") for name in names}
    chance = random.Random(11)
    half_written = 0
    # A fit is killed several times before it may run to its end.
    for run in range(5):
        name, path = names[run % 3], tmp_path / f"run{run}"
        for kill in range(KILLS // 5):
            wanted = STEPS[(run + kill) % 4]
            steps_to_wait = chance.randrange(1, 3)
            with start(script, name, path, 0.03) as process:
                assert process.stdout is not None
                seen = 0
                for line in process.stdout:
                    seen += line.strip() == wanted
                    if seen == steps_to_wait:
                        break
                assert seen == steps_to_wait, "the fit ended before it was killed"
                time.sleep(chance.random() * 0.05)  # up to one step further on
                process.send_signal(signal.SIGKILL)
                assert process.wait(30) == -signal.SIGKILL
                assert "finished" not in process.stdout.read(), "the fit ended before it was killed"
            half_written += any(entry.suffix == ".tmp" for entry in tmp_path.iterdir())
        model = finish(script, name, path)
        same(model, whole[name])
        # Temporary files of killed writes are gone.
        assert not [entry for entry in tmp_path.iterdir() if entry.suffix == ".tmp"]
    assert half_written >= 5, "too few kills fell into a write"
