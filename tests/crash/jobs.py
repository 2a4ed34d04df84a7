"""Work that is killed, interrupted, or runs out of disk: ``python -m tests.crash.jobs JOB FOLDER NAME``."""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import cfcore as cf

#: Models with epochs, whose fits write checkpoints.
MODELS: dict[str, dict[str, Any]] = {
    "Baseline": {"method": "sgd"},
    "SVD": {"n_factors": 40},
    "SVDpp": {"n_factors": 40},
    "TimeSVDpp": {"n_factors": 20},
    "RBM": {"n_hidden": 30},
}


def ratings(n_users: int = 300, n_items: int = 200, n: int = 12_000) -> cf.Ratings:
    """The same ratings in all processes."""
    rng = np.random.default_rng(0)
    cells = rng.choice(n_users * n_items, n, replace=False)
    values = rng.integers(1, 6, n).astype(np.float32)
    times = rng.integers(880_000_000, 890_000_000, n)
    return cf.Ratings(cells // n_items, cells % n_items, values, times)


def model(name: str, n_epochs: int = 30) -> Any:
    """A model to fit."""
    return getattr(cf, name)(n_epochs=n_epochs, random_state=3, n_threads=1, **MODELS[name])


def saved(k: int) -> Any:
    """One of two models that are saved in turn, of a file of a megabyte."""
    return cf.SVD(n_factors=300, n_epochs=1, random_state=k, n_threads=1).fit(ratings(n=3000))


def fit(folder: Path, name: str) -> None:
    """A fit with a checkpoint, and then its model."""
    fitted = model(name)
    train = ratings()
    say("begin")
    fitted.fit(train, checkpoint=folder / "run").save(folder / "model")
    say("end")


def save(folder: Path, name: str) -> None:
    """Two models, saved in turn to one file."""
    models = [saved(0), saved(1)]
    say("begin")
    for k in range(10**6 if name == "forever" else 1):
        models[k % 2].save(folder / "model")
    say("end")


def predict(folder: Path, name: str) -> None:
    """Tables of predictions by the command line, in turn for two files of pairs."""
    from cfcore.cli import main

    say("begin")
    for k in range(10**6 if name == "forever" else 1):
        paths = [str(folder / file) for file in ("model", f"pairs{k % 2}.csv", "out.csv")]
        sys.argv = ["cfcore", "predict", *paths[:2], "--out", paths[2]]
        try:
            main()
        except SystemExit as end:
            if end.code:
                raise
    say("end")


def wait(folder: Path, name: str) -> None:
    """Fits that last until Ctrl-C; after each, the process must be sound."""
    small, train = ratings(30, 20, 200), ratings(900, 700, 200_000)
    expected = model(name, 2).fit(small).predict(small)
    fitted = model(name, 10**6)
    for line in sys.stdin:
        given = {"checkpoint": folder / "run"} if line.strip() == "checkpoint" else {}
        try:
            say("begin")
            fitted.fit(train, **given)
            say("finished")
        except KeyboardInterrupt:
            say("interrupted")
        left = [entry.name for entry in folder.iterdir() if entry.name != "run"]
        (folder / "run").unlink(missing_ok=True)
        again = model(name, 2).fit(small).predict(small)
        sound = not fitted.is_fitted() and np.array_equal(again, expected) and not left
        say("sound" if sound else f"not sound: {fitted.is_fitted()} {left}")


def fill(folder: Path, name: str) -> None:
    """Writes that do not fit on the disk, or into the limit of the process on the size of files."""
    if name != "disk":
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
    train, held = ratings(), ratings(30, 20, 200)
    big = model("SVD", 2).set_params(n_factors=200)
    large, small = big.clone().fit(train), model("Baseline", 2).fit(held)
    small.save(folder / "model")
    small.clone().fit(held, checkpoint=folder / "run")
    before = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
    for path, call in (
        ("model", lambda path: large.save(path)),
        ("new", lambda path: large.save(path)),
        ("other", lambda path: big.clone().fit(train, checkpoint=path)),
    ):
        try:
            call(folder / path)
        except OSError as error:
            if str(folder / path) not in str(error):
                say(f"unclear: {error}")
        else:
            say(f"{path}: no error")
    if {entry.name: entry.read_bytes() for entry in folder.iterdir()} != before:
        say(f"changed: {sorted(entry.name for entry in folder.iterdir())}")
    cf.load(folder / "model")
    say("end")


def say(text: str) -> None:
    """Tell the parent."""
    print(text, flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    start = time.monotonic()
    globals()[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
