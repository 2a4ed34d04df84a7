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
from cfcore.kernels.forks import inherited_runtimes, openmp_runtimes

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
    run(script, how)


def run(script: Path, argument: str) -> None:
    done = subprocess.run(
        [sys.executable, script, argument], capture_output=True, text=True, timeout=250,
        # The smallest call is worth all threads.
        env=os.environ | {"PYTHONPATH": str(Path(cf.__file__).parents[1]), "CFCORE_MINIMUM_WORK": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the same\n"


LATER = """
import os
import signal
import sys

import numpy as np

import cfcore as cf
from cfcore.threads import workers_of_last_call

rng = np.random.default_rng(0)
cells = rng.choice(150 * 100, 5_000, replace=False)
COLUMNS = cells // 100, cells % 100, rng.integers(1, 6, 5_000).astype(np.float32), cells * 3600


def predictions(kind):
    return kind(n_epochs=2, random_state=0, n_threads=2).fit(COLUMNS).predict(*COLUMNS[:2])


def in_child(function):
    pid = os.fork()
    if pid == 0:
        signal.alarm(100)  # ends a child that hangs
        function()
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def fit(folder, kind, deeper):
    np.save(f"{folder}/{kind.__name__}-{deeper}.npy", predictions(kind))
    assert workers_of_last_call() == 1
    if deeper:
        in_child(lambda: fit(folder, kind, deeper - 1))


if __name__ == "__main__":
    expected = {cf.SVD: predictions(cf.SVD)}
    # Their kernels are not loaded before the fork.
    for kind in (cf.SVD, cf.RBM, cf.SVDpp):
        assert kind is cf.SVD or not any(f"._{kind.__name__.lower()}_loops" in name for name in sys.modules)
        in_child(lambda: fit(sys.argv[1], kind, 1))
    for kind in (cf.SVD, cf.RBM, cf.SVDpp):
        for deeper in (0, 1):
            found = np.load(f"{sys.argv[1]}/{kind.__name__}-{deeper}.npy")
            assert np.array_equal(found, predictions(kind)), (kind, deeper)
    print("the same")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_children_that_use_other_kernels_than_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(LATER)
    run(script, str(tmp_path))


def process(folder: Path, flags: int, *maps: str) -> Path:
    """A process's files in /proc, in a folder."""
    folder.mkdir()
    (folder / "stat").write_text(f"7 (a) b) S 1 7 7 0 -1 {flags} 120 0\n")
    lines = [f"7f00-7f01 r-xp 0000 08:01 11 {path}" for path in maps]
    (folder / "maps").write_text("\n".join(["7e00-7e01 rw-p 0000 00:00 0", *lines]) + "\n")
    return folder


def test_runtimes_that_came_with_a_fork(tmp_path: Path) -> None:
    gomp, llvm = "/usr/lib/a folder/libgomp-a34b.so.1.0.0", "/usr/lib/libomp.so.5"
    assert inherited_runtimes(process(tmp_path / "forked", 0x400040, "/usr/bin/python", gomp, llvm)) == {gomp}
    assert inherited_runtimes(process(tmp_path / "first", 0x400000, gomp)) == frozenset()
    assert inherited_runtimes(process(tmp_path / "without", 0x400040, "/usr/bin/python")) == frozenset()
    assert inherited_runtimes(tmp_path / "no such system") == frozenset()
    assert openmp_runtimes(tmp_path / "first") == {gomp}


FIRST_IN_CHILD = """
import ctypes
import os
import signal
import sys

import numpy as np


def kernels_runtime():
    import cfcore.kernels
    from cfcore.kernels.forks import openmp_runtimes

    return openmp_runtimes()


if __name__ == "__main__":
    pid = os.fork()  # which runtime is cfcore's, is found in a child: this process has not loaded it
    if pid == 0:
        with open(f"{sys.argv[1]}/runtimes", "w") as file:
            print(*kernels_runtime(), sep="|", end="", file=file)
        os._exit(0)
    os.waitpid(pid, 0)
    for path in filter(None, open(f"{sys.argv[1]}/runtimes").read().split("|")):
        gomp = ctypes.CDLL(path)
        team = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
        gomp.GOMP_parallel(team, None, 2, 0)  # two threads, which wait for more work from now on
    pid = os.fork()
    if pid == 0:
        signal.alarm(100)
        import cfcore as cf

        rng = np.random.default_rng(0)
        cells = rng.choice(150 * 100, 5_000, replace=False)
        columns = cells // 100, cells % 100, rng.integers(1, 6, 5_000)
        cf.SVD(n_epochs=2, n_threads=2, random_state=0).fit(columns)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    print("the same")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_imports_cfcore_after_another_library_used_its_runtime(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(FIRST_IN_CHILD)
    run(script, str(tmp_path))
