"""Files of `cfcore.surprise.dump`, with content changed under a right checksum."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import cfcore.surprise as surprise
from cfcore.surprise import dump
from tests.fuzz.engine import Stream, Target, Wrong
from tests.fuzz.targets.files import changed_content, parts_of

NAMES = (
    "BaselineOnly", "CoClustering", "KNNBaseline", "KNNBasic", "KNNWithZScore", "NMF", "SVD", "SVDpp",
    "SlopeOne",
)  # fmt: skip


@cache
def _parts() -> tuple[tuple[Any, dict[str, Any]], ...]:
    rows = [(f"u{u}", i, float((u + 2 * i) % 5 + 1), None) for u in range(6) for i in range(7) if (u + i) % 3]
    trainset = surprise.Dataset(surprise.Reader()).construct_trainset(rows)
    found = []
    for name in NAMES:
        options: dict[str, Any] = {} if name == "SlopeOne" else {"verbose": False}
        if name in ("NMF", "SVD", "SVDpp"):
            options |= {"n_factors": 2, "n_epochs": 1}
        algo = getattr(surprise, name)(**options).fit(trainset)
        dump.dump("seed.dump", algo.test(trainset.build_testset()[:3]), algo)
        found.append(parts_of(Path("seed.dump").read_bytes()))
    return tuple(found)


def run(data: bytes) -> None:
    """Load a changed file, and predict with what was loaded."""
    stream = Stream(data)
    path = Path("algorithm.dump")
    path.unlink(missing_ok=True)
    path.write_bytes(changed_content(stream, *stream.pick(_parts())))
    _, algo = dump.load(path)
    if algo is None or getattr(algo, "trainset", None) is None:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of factors and similarities that are not finite
            algo.trainset.build_anti_testset()
            found = algo.test([("u1", 2, 3.0), ("nobody", 2, 3.0), ("u2", 99, 3.0)])
    except (ValueError, TypeError, AttributeError):
        return  # a hyper-parameter of another type; what may not happen is a crash, or an index out of bounds
    if len(found) != 3:
        raise Wrong(f"{len(found)} predictions of 3 rows")


TARGETS = {
    "surprise-files": lambda: Target("surprise-files", run, weight=2, length=64, smoke=200),
}
