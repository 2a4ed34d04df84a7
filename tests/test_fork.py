"""A process that forks after a parallel fit must not hang: threads of OpenMP do not survive a fork."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from importlib.util import find_spec

import pytest

SCRIPT = """
import multiprocessing
import sys

import numpy as np

import cfcore as cf

MODELS = {
    "Baseline": cf.Baseline(n_threads=2),
    "ItemKNN": cf.ItemKNN(n_threads=2),
    "UserKNN": cf.UserKNN(n_threads=2),
    "SVD": cf.SVD(n_factors=8, n_epochs=3, random_state=0, n_threads=2),
}
rng = np.random.default_rng(0)
cells = rng.choice(300 * 200, 6000, replace=False)
COLUMNS = cells // 200, cells % 200, rng.integers(1, 6, 6000).astype(np.float32)


def work(name):
    model = MODELS[name]
    fitted = model.clone().fit(COLUMNS)
    # What the parent fitted works here too.
    return fitted.predict(*COLUMNS[:2]), model.predict(*COLUMNS[:2])


if __name__ == "__main__":
    expected = {name: model.fit(COLUMNS).predict(*COLUMNS[:2]) for name, model in MODELS.items()}
    if sys.argv[1] == "fork":
        with multiprocessing.get_context("fork").Pool(2) as pool:
            results = pool.map(work, MODELS)
    else:
        import joblib

        with joblib.parallel_config(backend=sys.argv[1]):
            calls = [joblib.delayed(model.clone().fit)(COLUMNS) for model in MODELS.values()]
            fitted = joblib.Parallel(n_jobs=2)(calls)
        results = [(model.predict(*COLUMNS[:2]),) * 2 for model in fitted]
    for name, (first, second) in zip(MODELS, results, strict=True):
        assert np.array_equal(first, expected[name]), name
        assert np.array_equal(second, expected[name]), name
    # The parent still runs in parallel after the fork.
    for name, model in MODELS.items():
        assert np.array_equal(model.fit(COLUMNS).predict(*COLUMNS[:2]), expected[name]), name
    print("the same")
"""


@pytest.mark.parametrize("how", ["fork", "loky", "multiprocessing"])
def test_children_of_a_parallel_parent(how: str, tmp_path: object) -> None:
    if how == "fork" and "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system does not fork")
    if how != "fork" and find_spec("joblib") is None:
        pytest.skip("needs joblib")
    script = f"{tmp_path}/script.py"
    with open(script, "w") as file:
        file.write(SCRIPT)
    done = subprocess.run([sys.executable, script, how], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the same\n"
