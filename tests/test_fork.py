"""A process that forks after a parallel fit must not hang: threads of OpenMP do not survive a fork."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import cfcore as cf

SCRIPT = """
import multiprocessing
import os
import sys

import numpy as np

import cfcore as cf
from cfcore.config import config

# Large enough for every fit to be worth two threads.
MODELS = {
    "Baseline": cf.Baseline(n_threads=2),
    "ItemKNN": cf.ItemKNN(n_threads=2),
    "UserKNN": cf.UserKNN(n_threads=2),
    "SVD": cf.SVD(n_factors=64, n_epochs=2, random_state=0, n_threads=2),
    "SVDpp": cf.SVDpp(n_factors=32, n_epochs=2, random_state=0, n_threads=2),
}
rng = np.random.default_rng(0)
cells = rng.choice(900 * 500, 270_000, replace=False)
COLUMNS = cells // 500, cells % 500, rng.integers(1, 6, 270_000).astype(np.float32)
PAIRS = COLUMNS[0][:2000], COLUMNS[1][:2000]


def work(name):
    model = MODELS[name]
    fitted = model.clone().fit(COLUMNS)
    # What the parent fitted works here too.
    return fitted.predict(*PAIRS), model.predict(*PAIRS)


def n_threads():
    return len(os.listdir("/proc/self/task"))


if __name__ == "__main__":
    if os.path.isdir("/proc/self/task") and config()["openmp"]:
        before = n_threads()
        MODELS["SVD"].fit(COLUMNS)
        assert n_threads() > before, "no parallel fit, nothing to test"
    expected = {name: model.fit(COLUMNS).predict(*PAIRS) for name, model in MODELS.items()}
    if sys.argv[1] == "fork":
        with multiprocessing.get_context("fork").Pool(2) as pool:
            results = pool.map(work, MODELS)
    else:
        import joblib

        with joblib.parallel_config(backend=sys.argv[1]):
            calls = [joblib.delayed(model.clone().fit)(COLUMNS) for model in MODELS.values()]
            fitted = joblib.Parallel(n_jobs=2)(calls)
        results = [(model.predict(*PAIRS),) * 2 for model in fitted]
    for name, (first, second) in zip(MODELS, results, strict=True):
        assert np.array_equal(first, expected[name]), name
        assert np.array_equal(second, expected[name]), name
    # The parent still runs in parallel after the fork.
    for name, model in MODELS.items():
        assert np.array_equal(model.fit(COLUMNS).predict(*PAIRS), expected[name]), name
    print("the same")
"""


@pytest.mark.parametrize("how", ["fork", "loky", "multiprocessing"])
def test_children_of_a_parallel_parent(how: str, tmp_path: Path) -> None:
    if how == "fork" and "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system does not fork")
    if how != "fork" and find_spec("joblib") is None:
        pytest.skip("needs joblib")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script, how], capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": str(Path(cf.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the same\n"
