"""Ctrl-C during a long fit: the fit ends soon, the model is unfitted, and the process can go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cfcore as cf

# Ratings so dense that all pairs take many seconds, on a scale too fine for the fast integer sums.
SCRIPT = """
import time

import numpy as np

import cfcore as cf
from cfcore.registry import ENTRIES


def columns(n_users, n_items, density):
    users, items = np.nonzero(np.random.default_rng(0).random((n_users, n_items)) < density)
    values = (1 + (users * 7 + items * 13) % 41 / 10).astype(np.float32)
    return users, items, values, (users * 7919 + items * 31) % 500 * 86400


small, large = columns(50, 40, 0.3), cf.Ratings(*columns(4000, 4000, 0.3))
large.by_user, large.by_item
# Means and counts take no time, and a blend is the fits of its members.
BRIEF = ("GlobalMean", "Popularity", "Blend", "Ranker")
kinds = [entry.load() for entry in ENTRIES if entry.name not in BRIEF]
PEARSON = {"similarity": "pearson", "center": None}
SLOW = {
    "Baseline": {"method": "sgd"},
    "ItemKNN": {**PEARSON, "n_threads": 1},
    "UserKNN": {**PEARSON, "n_threads": 2},
}
COMMON = {"n_factors": 64, "n_hidden": 50, "n_epochs": 10**6, "random_state": 0}
models = {}
for kind in kinds:
    known = kind.default_params()
    params = {name: value for name, value in COMMON.items() if name in known}
    models[kind.__name__] = kind(**params, **SLOW.get(kind.__name__, {}))
expected = {}
for name, model in models.items():
    brief = model.clone()
    if "n_epochs" in brief.get_params():
        brief.set_params(n_epochs=2)
    expected[name] = brief.fit(small).predict(*small[:2])

print(len(models), flush=True)
for name, model in models.items():
    print("start", name, flush=True)
    try:
        model.fit(large)
        # The signal comes too late: wait for it, and report that.
        print("finished", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print("fitted" if model.is_fitted() else "unfitted", flush=True)
    if "n_epochs" in model.get_params():
        model.set_params(n_epochs=2)
    assert np.array_equal(model.fit(small).predict(*small[:2]), expected[name]), name
print("sound", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_interrupt(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(cf.__file__).parents[1])},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            waits = {}
            for _ in range(int(process.stdout.readline() or 1)):
                line = process.stdout.readline()
                assert line.startswith("start "), process.stderr.read()
                time.sleep(0.8)
                process.send_signal(signal.SIGINT)
                sent = time.monotonic()
                assert process.stdout.readline() == "interrupted\n"
                waits[line.split()[1]] = time.monotonic() - sent
                assert process.stdout.readline() == "unfitted\n"
            assert process.stdout.readline() == "sound\n", process.stderr.read()
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert len(waits) >= 7
    # The promise is about a second; a busy machine may take longer.
    assert max(waits.values()) < 4, waits
