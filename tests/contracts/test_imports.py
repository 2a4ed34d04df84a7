"""Models are read while another thread imports a library, or updates a model, for the first time.

What used to fail: a module is in `sys.modules` before its names are, so that a look at `numpy.ma` there, to
recognise masked arrays, raised AttributeError in every other thread.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import cfcore as cf
from tests.contracts.conftest import MODELS, make

# The main thread imports; at some modules of each import it waits until the readers have read all models.
SCRIPT = """
import importlib, json, sys, threading, time

import numpy as np

import cfcore as cf

PAUSES, PATIENCE, READERS = (0, 1, 4, 20), 60.0, 2
folder, names, tasks = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
models = {name: cf.load(f"{folder}/{name}") for name in names}
users, items, times = [10, 13, -5], [100, 102, -5], [880_000_000] * 3
task, stop, imports, held_up = None, False, 0, 0
reading, passes = threading.Event(), [0] * READERS
wrong = set()


def read(model):
    model.predict(users, items)
    model.predict(np.array(users), np.array(items), times)
    model.predict(10, 100)
    model.recommend(10, 3)
    model.recommend(users, 3)
    model.is_known(users, items)
    try:
        model.similar_items(100)
    except TypeError:
        pass  # it does not compare items
    cf.Ratings(users, items, [1.0, 2.0, 3.0], times)


def work(reader):
    while True:
        reading.wait()
        if stop:
            return
        for name in names:
            try:
                read(models[name])
            except Exception as error:
                wrong.add(f"{name} during {task}: {type(error).__name__}: {error}")
        passes[reader] += 1


def wait_for_readers():
    # Two passes each: one may have begun before.
    wanted, end = [count + 2 for count in passes], time.monotonic() + PATIENCE
    reading.set()
    while any(count < least for count, least in zip(passes, wanted)):
        if time.monotonic() > end:
            wrong.add(f"readers wait for {task}")
            break
        time.sleep(0.001)
    reading.clear()


def audit(event, arguments):
    # Called for each module that is not in sys.modules, without any lock of the import system.
    global imports, held_up
    if event == "import" and task and threading.current_thread() is threading.main_thread():
        if imports in PAUSES:
            held_up += 1
            wait_for_readers()
        imports += 1


def update(method):
    for name in names:
        model = models[name].snapshot()
        try:
            getattr(model, method)(([1, 1, 2], [100, 102, 100], [5.0, 3.0, 4.0], [0, 0, 86_400]))
        except (AttributeError, TypeError):
            pass  # this class has no such method


sys.addaudithook(audit)
threads = [threading.Thread(target=work, args=(k,)) for k in range(READERS)]
for thread in threads:
    thread.start()
try:
    wait_for_readers()  # what reading itself imports is imported now
    for task in tasks:
        imports = held_up = 0
        if task in ("fit", "fold_in", "partial_fit"):
            update(task)
        elif task not in sys.modules:  # reading may import what all users of NumPy share
            importlib.import_module(task)
            assert held_up > 1, (task, held_up)  # before and within the import
        else:
            assert task == "numpy.ma", task
    task = None
    wait_for_readers()
finally:
    stop = True
    reading.set()
    for thread in threads:
        thread.join()
print(json.dumps(sorted(wrong)))
"""


def run(folder: Path, names: list[str], tasks: list[str], train: cf.Ratings) -> list[str]:
    """What the script finds wrong with models while the main thread does something for the first time."""
    for name in names:
        make(name).fit(train).save(folder / name)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, folder, json.dumps(names), *tasks], capture_output=True, text=True,
        timeout=280, env=os.environ | {"PYTHONPATH": str(Path(cf.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wrong: list[str] = json.loads(done.stdout)
    return wrong


@pytest.mark.parametrize("name", list(MODELS))
def test_readers_beside_masked_arrays_and_first_updates(name: str, train: cf.Ratings, tmp_path: Path) -> None:
    assert run(tmp_path, [name], ["numpy.ma", "fold_in", "partial_fit", "fit"], train) == []


def test_readers_beside_the_import_of_a_library(train: cf.Ratings, tmp_path: Path) -> None:
    # Later ones import earlier ones.
    libraries = [name for name in ("narwhals", "pyarrow", "polars", "pandas") if find_spec(name)]
    assert run(tmp_path, list(MODELS), libraries, train) == []
