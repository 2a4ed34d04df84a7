"""Times of small and large calls of two builds of cfcore, as ratios: what the limited API costs, say.

    python .ci/builds.py FOLDER OTHER [SECONDS]    # folders that hold a package cfcore, built in place

Each build runs in a process of its own; bursts of calls alternate, A B A B, and CPU time is taken. Prints
median times of a call in microseconds, and the ratio of the medians.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

WORKER = """
import sys
import time

import numpy as np

import cfcore as cf

rng = np.random.default_rng(0)
cells = rng.choice(150 * 100, 5_000, replace=False)
data = cells // 100, cells % 100, rng.integers(1, 6, 5_000).astype(np.float32)
named = np.char.add("user", data[0].astype(str)), np.char.add("item", data[1].astype(str)), data[2]
settings = {"n_epochs": 1, "n_factors": 100, "n_threads": 1, "random_state": 0}
model, strings = cf.SVD(**settings).fit(data), cf.SVD(**settings).fit(named)
users, items = data[0].tolist()[:100], data[1].tolist()[:100]
named_users, named_items = named[0].tolist()[:100], named[1].tolist()[:100]
rows = [(str(u), str(i), float(r)) for u, i, r in zip(*data)]
import pandas as pd
from cfcore.surprise import Dataset, Reader, SVD

frame = pd.DataFrame({"u": named[0], "i": named[1], "r": data[2]})
full = Dataset.load_from_df(frame, Reader()).build_full_trainset()
algorithm = SVD(n_epochs=1, random_state=0).fit(full)
testset = full.build_testset()

CALLS = {
    "a pair": (100, lambda: [model.predict(u, i) for u, i in zip(users, items)]),
    "a pair, ids of text": (100, lambda: [strings.predict(u, i) for u, i in zip(named_users, named_items)]),
    "a list": (20, lambda: [model.recommend(u, 10) for u in users[:20]]),
    "5,000 pairs": (1, lambda: model.predict(*data[:2])),
    "5,000 pairs, ids of text": (1, lambda: strings.predict(*named[:2])),
    "50 lists": (1, lambda: model.recommend(users[:50], 10)),
    "fit": (1, lambda: model.clone().fit(data)),
    "5,000 Predictions (surprise)": (1, lambda: algorithm.test(testset)),
}
for _, call in CALLS.values():
    call(), call()
print("ready", flush=True)
for line in sys.stdin:
    n, call = CALLS[line.strip()]
    begin = time.process_time_ns()
    call()
    print((time.process_time_ns() - begin) / n / 1000, flush=True)
"""
NAMES = (
    "a pair", "a pair, ids of text", "a list", "5,000 pairs", "5,000 pairs, ids of text", "50 lists", "fit",
    "5,000 Predictions (surprise)",
)  # fmt: skip


def start(folder: str) -> subprocess.Popen[str]:
    """A process that imports cfcore from a folder."""
    environment = os.environ | {"PYTHONPATH": os.path.abspath(folder), "OPENBLAS_NUM_THREADS": "1"}
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER], cwd=folder, env=environment, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    if worker.stdout is None or worker.stdout.readline() != "ready\n":
        raise SystemExit(f"{folder}: cfcore does not start")
    return worker


def ask(worker: subprocess.Popen[str], name: str) -> float:
    """Microseconds of a call."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(name + "\n")
    worker.stdin.flush()
    return float(worker.stdout.readline())


if __name__ == "__main__":
    workers = [start(folder) for folder in sys.argv[1:3]]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 5.0
    for name in NAMES:
        times: list[list[float]] = [[], []]
        end = time.monotonic() + seconds
        while time.monotonic() < end or len(times[0]) < 20:
            for k, worker in enumerate(workers):
                times[k].append(ask(worker, name))
        first, second = map(statistics.median, times)
        print(
            f"{name:30} {first:10.2f} {second:10.2f}  ratio {second / first:.3f}  ({len(times[0])} bursts)",
            flush=True,
        )
    for worker in workers:
        worker.communicate()
