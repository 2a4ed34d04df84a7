"""Python threads that fit, ask and exchange levels at once, also where Python has no global lock."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cfcore as cf

SCRIPT = """
import faulthandler
import importlib
import pkgutil
import sys
import sysconfig
import threading

faulthandler.dump_traceback_later(200, exit=True)
import numpy as np

import cfcore as cf
import cfcore.adapters.surprise
import cfcore.kernels

for package in (cfcore.kernels, cfcore.adapters.surprise):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if "_avx" not in found.name:
            importlib.import_module(found.name)
free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
if free:
    # An extension module that did not declare that it is safe would have turned the lock on.
    assert not sys._is_gil_enabled()

rng = np.random.default_rng(0)
cells = rng.choice(150 * 100, 5_000, replace=False)
COLUMNS = cells // 100, cells % 100, rng.integers(1, 6, 5_000).astype(np.float32), cells * 3600
KINDS = {
    "SVD": {"n_epochs": 2}, "SVDpp": {"n_epochs": 2}, "TimeSVDpp": {"n_epochs": 2}, "RBM": {"n_epochs": 2},
    "ALS": {"n_epochs": 2}, "ItemKNN": {}, "Baseline": {}, "EASE": {},
}
WORKERS = 4


def answers(name, n_threads):
    kind = getattr(cf, name)
    names = kind.default_params()
    arguments = dict(KINDS[name])
    arguments |= {"n_threads": n_threads} if "n_threads" in names else {}
    arguments |= {"random_state": 0} if "random_state" in names else {}
    model = kind(**arguments).fit(COLUMNS)
    return model, asked(model)


def asked(model):
    lists = model.recommend(list(range(20)), 5)
    pairs = [float(model.predict(int(COLUMNS[0][k]), int(COLUMNS[1][k]))) for k in range(20)]
    return [np.asarray(one) for one in (model.predict(*COLUMNS[:2]), *lists[:2], pairs)]


def same(first, second):
    return all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))


expected = {name: answers(name, 1) for name in KINDS}
failures = []
start = threading.Barrier(WORKERS)


def work(worker):
    try:
        start.wait()
        names = [*KINDS]
        for turn, name in enumerate(names[worker:] + names[:worker]):
            shared, wanted = expected[name]
            assert same(asked(shared), wanted), name
            assert same(answers(name, 1 + (worker + turn) % 2)[1], wanted), name
            if worker == 0:
                # Levels are exchanged while the others run; all have the same bits.
                level = cfcore.kernels.available_levels()[turn % len(cfcore.kernels.available_levels())]
                with cfcore.kernels.use_level(level):
                    assert same(asked(shared), wanted), (name, level)
    except BaseException as error:
        failures.append(repr(error))
        raise


threads = [threading.Thread(target=work, args=(worker,)) for worker in range(WORKERS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failures, failures
assert not free or not sys._is_gil_enabled()
print("the same")
"""


def test_threads_that_use_all_models_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=240,
        env=os.environ | {"PYTHONPATH": str(Path(cf.__file__).parents[1]), "CFCORE_MINIMUM_WORK": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the same\n"
