"""``engine="cfcore"`` of cfcore.surprise, and its training sets, against scikit-surprise: times and errors.

    python benchmarks/surprise_engine.py                  # ml-100k u1: 2 minutes
    python benchmarks/surprise_engine.py --data ml-1m --algorithms SVD
    python benchmarks/surprise_engine.py --quick          # smoke test

Each algorithm is fitted by scikit-surprise, by its drop-in, and by cfcore's model on all cores, with the same
training set and default parameters; calls alternate, times are medians of wall-clock seconds. The errors are
those of a split that no default was chosen by. Where scikit-surprise is not installed (``pip install
'.[bench]'``), the rest is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from measure import alternate, arguments, describe, machine, seconds, show, table, write

import cfcore as cf
import cfcore.surprise as drop_in

try:
    import surprise as theirs  # benchmarks/surprise.py steps aside for the library
except ImportError:
    theirs = None

ALGORITHMS = ("SVD", "SVDpp", "BaselineOnly", "KNNBasic", "KNNWithMeans", "KNNWithZScore", "KNNBaseline")
CONTENDERS: dict[str, tuple[Any, dict[str, Any]]] = {
    **({"scikit-surprise": (theirs, {})} if theirs is not None else {}),
    "drop-in": (drop_in, {}),
    "engine": (drop_in, {"engine": "cfcore"}),
}


def split(name: str, quick: bool) -> tuple[Any, Any]:
    """Training and test part: u1 of ml-100k, else nine tenths and one tenth by seed 0."""
    if name == "ml-100k":
        train, test = cf.datasets.load("ml-100k", split="u1", progress=False)
    else:
        train, test = cf.split.holdout(cf.datasets.load(name, progress=False), test_size=0.1, random_state=0)
    return (
        (train.subset(slice(None, None, 20)), test.subset(slice(None, None, 20))) if quick else (train, test)
    )


def trainset(library: Any, frame: pd.DataFrame) -> Any:
    """The training set of a frame."""
    return library.Dataset.load_from_df(frame, library.Reader(rating_scale=(1, 5))).build_full_trainset()


def sets(frame: pd.DataFrame, repeats: int) -> list[list[str]]:
    """Seconds for a training set of a frame, and for all pairs without a rating."""
    libraries = {name: library for name, (library, _) in CONTENDERS.items() if name != "engine"}
    made = {name: trainset(library, frame) for name, library in libraries.items()}
    lines = []
    calls: dict[str, dict[str, Callable[[], Any]]] = {
        "Trainset from a frame": {
            name: (lambda library=library: trainset(library, frame)) for name, library in libraries.items()
        },
        "build_anti_testset": {name: one.build_anti_testset for name, one in made.items()},
    }
    for what, contenders in calls.items():
        found = alternate(
            {name: (lambda call=call: seconds(call)) for name, call in contenders.items()}, repeats
        )
        other = found.get("scikit-surprise")
        lines.append([what, show(other, "{:.4f}"), show(found["drop-in"], "{:.4f}"),
                      show(other / found["drop-in"] if other else None, "{:.1f}")])  # fmt: skip
    return lines


def compare(name: str, train: pd.DataFrame, rows: list[Any], repeats: int) -> dict[str, Any]:
    """Seconds of the fits of an algorithm, and errors."""
    parts = {who: trainset(library, train) for who, (library, _) in CONTENDERS.items()}
    fitted: dict[str, Any] = {}

    def fit(who: str) -> float:
        library, options = CONTENDERS[who]
        seed = {"random_state": 0} if name.startswith("SVD") else {}
        fitted[who] = getattr(library, name)(verbose=False, **seed, **options)
        return seconds(lambda: fitted[who].fit(parts[who]))

    times = alternate({who: (lambda who=who: fit(who)) for who in CONTENDERS}, repeats, budget=60)
    errors = {who: drop_in.accuracy.rmse(algo.test(rows), verbose=False) for who, algo in fitted.items()}
    return {"algorithm": name, "seconds": times, "rmse": errors}


def cells(found: dict[str, Any]) -> list[str]:
    """A line of the table."""
    times, errors = found["seconds"], found["rmse"]
    other = times.get("scikit-surprise")
    line = [found["algorithm"], show(other, "{:.3f}")]
    for who in ("drop-in", "engine"):
        line += [show(times[who], "{:.4f}"), show(other / times[who] if other else None, "{:.1f}")]
    return [*line, show(errors.get("scikit-surprise"), "{:.4f}"), show(errors["engine"], "{:.4f}")]


def main() -> None:
    """Command line."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k", help="names of data sets, by commas")
    parser.add_argument("--algorithms", default=",".join(ALGORITHMS), help="classes, by commas")
    parser.add_argument("--repeats", type=int, default=3, help="fits of each")
    options = parser.parse_args()
    if options.quick:
        options.data, options.repeats = "ml-100k", 1
    report: dict[str, Any] = {"machine": machine()}
    print(describe(report["machine"]))
    for data in options.data.split(","):
        train, test = split(data, options.quick)
        frames = [pd.DataFrame({"user": r.users, "item": r.items, "rating": r.values}) for r in (train, test)]
        rows = list(frames[1].astype({"rating": np.float64}).itertuples(index=False, name=None))
        print(f"\n{data}: {len(train):,} ratings, {len(test):,} predictions")
        lines = sets(frames[0], options.repeats)
        print(table(["seconds", "scikit-surprise", "drop-in", "ratio"], lines))
        found = [compare(name, frames[0], rows, options.repeats) for name in options.algorithms.split(",")]
        headings = [
            "seconds of fit",
            "scikit-surprise",
            "drop-in",
            "ratio",
            "engine",
            "ratio",
            "RMSE",
            "engine",
        ]
        print(table(headings, list(map(cells, found))))
        report[data] = {"sets": lines, "fits": found}
    write(options.json, report)


if __name__ == "__main__":
    main()
