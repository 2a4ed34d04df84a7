"""Other libraries with OpenMP in the same process: the same bits, no hang, and limits of threads hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cfcore as cf
from cfcore.config import config
from cfcore.threads import available_cores

SCRIPT = """
import faulthandler
import sys

faulthandler.dump_traceback_later(200, exit=True)
for name in sys.argv[1].split(","):
    __import__(name)

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

import cfcore as cf
from cfcore.threads import available_cores, resolve_threads, workers_of_last_call

rng = np.random.default_rng(0)
cells = rng.choice(150 * 100, 5_000, replace=False)
COLUMNS = cells // 100, cells % 100, rng.integers(1, 6, 5_000).astype(np.float32)
POINTS = rng.normal(size=(3000, 8))


def used():
    if "sklearn" in sys.argv[1]:
        from sklearn.ensemble import HistGradientBoostingRegressor

        HistGradientBoostingRegressor(max_iter=2).fit(POINTS, POINTS[:, 0])
    if "torch" in sys.argv[1]:
        import torch

        torch.ones(400, 400) @ torch.ones(400, 400)
        torch.ones(1_000_000).exp().sum()
    if "implicit" in sys.argv[1]:
        import implicit
        import scipy.sparse

        ratings = scipy.sparse.csr_matrix((COLUMNS[2], COLUMNS[:2]))
        implicit.als.AlternatingLeastSquares(8, iterations=2, use_gpu=False).fit(ratings, show_progress=False)


def predictions(kind):
    found = kind(n_epochs=2, random_state=0, n_threads=2).fit(COLUMNS).predict(*COLUMNS[:2])
    return found, workers_of_last_call()


for kind in (cf.SVD, cf.RBM):
    first, workers = predictions(kind)
    used()
    second, again = predictions(kind)
    assert np.array_equal(first, second), kind
    assert workers == again, (workers, again)
    np.save(f"{sys.argv[2]}/{kind.__name__}.npy", second)
    # A limit by threadpoolctl holds for calls that do not name a number of threads.
    before = resolve_threads(None)
    with threadpool_limits(1, user_api="openmp"):
        assert resolve_threads(None) == 1 and resolve_threads(2) == 2
        third, _ = predictions(kind)
    assert resolve_threads(None) == before <= available_cores()
    assert np.array_equal(first, third), kind
runtimes = sorted({one["filepath"] for one in threadpool_info() if one["user_api"] == "openmp"})
print(workers, len(runtimes))
"""


def run(order: str, folder: Path) -> list[bytes]:
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, order, str(folder)], capture_output=True, text=True, timeout=250,
        env=os.environ | {"PYTHONPATH": str(Path(cf.__file__).parents[1]), "CFCORE_MINIMUM_WORK": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    workers, runtimes = map(int, done.stdout.split())
    if config()["openmp"]:
        assert workers == 2
        assert runtimes >= 1
    return [(folder / f"{kind}.npy").read_bytes() for kind in ("SVD", "RBM")]


def test_beside_scikit_learn_in_either_order(tmp_path: Path) -> None:
    alone = run("cfcore", tmp_path / "alone")
    assert run("sklearn.ensemble,cfcore", tmp_path / "after") == alone
    assert run("cfcore,cfcore.kernels,sklearn.ensemble", tmp_path / "before") == alone


@pytest.mark.parametrize("wanted", ["1", "3"])
def test_omp_num_threads_is_the_most_by_default(wanted: str) -> None:
    program = "from cfcore.threads import resolve_threads; print(resolve_threads(None), resolve_threads(4))"
    environment = {key: value for key, value in os.environ.items() if key != "CFCORE_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=250, check=True,
        env=environment | {"PYTHONPATH": str(Path(cf.__file__).parents[1]), "OMP_NUM_THREADS": wanted},
    )  # fmt: skip
    default, asked = map(int, done.stdout.split())
    assert default == (min(int(wanted), available_cores()) if config()["openmp"] else available_cores())
    assert asked == 4
