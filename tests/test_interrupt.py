"""Ctrl-C during a long fit: it comes back soon, the model is unfitted, and the process goes on working."""

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


def columns(n_users, n_items, density):
    users, items = np.nonzero(np.random.default_rng(0).random((n_users, n_items)) < density)
    return users, items, (1 + (users * 7 + items * 13) % 41 / 10).astype(np.float32)


small, large = columns(50, 40, 0.3), cf.Ratings(*columns(4000, 4000, 0.3))
large.by_user, large.by_item
models = {
    "SVD": cf.SVD(n_factors=64, n_epochs=10**6, random_state=0),
    "SVDpp": cf.SVDpp(n_factors=64, n_epochs=10**6, random_state=0),
    "Baseline": cf.Baseline(method="sgd", n_epochs=10**6, random_state=0),
    "ItemKNN": cf.ItemKNN(similarity="pearson", center=None, n_threads=1),
    "UserKNN": cf.UserKNN(similarity="pearson", center=None, n_threads=2),
}
expected = {}
for name, model in models.items():
    brief = model.clone()
    if "n_epochs" in brief.get_params():
        brief.set_params(n_epochs=2)
    expected[name] = brief.fit(small).predict(*small[:2])

for name, model in models.items():
    print("start", flush=True)
    try:
        model.fit(large)
        # The signal comes late; wait for it, and say that it did.
        print("finished", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    try:
        model.predict(1, 1)
        print("fitted", flush=True)
    except cf.NotFittedError:
        print("unfitted", flush=True)
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
            waits = []
            for _ in range(5):
                assert process.stdout.readline() == "start\n", process.stderr.read()
                time.sleep(0.8)
                process.send_signal(signal.SIGINT)
                sent = time.monotonic()
                assert process.stdout.readline() == "interrupted\n"
                waits.append(time.monotonic() - sent)
                assert process.stdout.readline() == "unfitted\n"
            assert process.stdout.readline() == "sound\n", process.stderr.read()
            assert process.wait(30) == 0
        finally:
            process.kill()
    # Promised is about a second; a busy machine gets some more.
    assert max(waits) < 4, waits
