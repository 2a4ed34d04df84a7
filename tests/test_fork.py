"""A process that forks after a parallel fit does not hang: threads of OpenMP do not survive a fork."""

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
import sys

import numpy as np

import cfcore as cf
from cfcore.config import config
from cfcore.registry import ENTRIES
from cfcore.threads import workers_of_last_call

rng = np.random.default_rng(0)
cells = rng.choice(150 * 100, 5_000, replace=False)
COLUMNS = cells // 100, cells % 100, rng.integers(1, 6, 5_000).astype(np.float32), cells * 3600
PAIRS = COLUMNS[0][:500], COLUMNS[1][:500]
MODELS = {
    entry.name: entry.load()(**entry.small, n_threads=2)
    for entry in ENTRIES
    if "n_threads" in entry.load().default_params() and entry.name != "Blend"
}
MODELS["Blend"] = cf.Blend([MODELS["SVD"], MODELS["ItemKNN"]], cv=2, random_state=0, n_threads=2)


def work(name):
    model = MODELS[name]
    fitted = model.clone().fit(COLUMNS)
    # The parent's model works here too.
    return fitted.predict(*PAIRS), model.predict(*PAIRS)


def fitted(name):
    model = MODELS[name]
    predictions = model.fit(COLUMNS).predict(*PAIRS)
    # Otherwise there is nothing to test.
    assert workers_of_last_call() == 2 or not config()["openmp"], (name, workers_of_last_call())
    return predictions


if __name__ == "__main__":
    expected = {name: fitted(name) for name in MODELS}
    if sys.argv[1] == "fork":
        with multiprocessing.get_context("fork").Pool(2) as pool:
            results = pool.map(work, MODELS)
    else:
        import joblib

        with joblib.parallel_config(backend=sys.argv[1]):
            calls = [joblib.delayed(model.clone().fit)(COLUMNS) for model in MODELS.values()]
            children = joblib.Parallel(n_jobs=2)(calls)
        results = [(model.predict(*PAIRS),) * 2 for model in children]
    for name, (first, second) in zip(MODELS, results, strict=True):
        assert np.array_equal(first, expected[name]), name
        assert np.array_equal(second, expected[name]), name
    # The parent still runs in parallel after the fork.
    for name in MODELS:
        assert np.array_equal(fitted(name), expected[name]), name
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
        # The smallest call is worth all threads.
        env=os.environ | {"PYTHONPATH": str(Path(cf.__file__).parents[1]), "CFCORE_MINIMUM_WORK": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the same\n"
