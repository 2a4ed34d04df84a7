"""cfcore.surprise against scikit-surprise: greatest difference of predictions, times and ratios.

    python benchmarks/surprise.py                      # ml-100k u1 and a split of MovieTweetings; 20 minutes
    python benchmarks/surprise.py --data ml-1m --algorithms SVD,KNNBaseline --seeds 0
    python benchmarks/surprise.py --lists              # ten best items for all users of ml-100k
    python benchmarks/surprise.py --quick              # smoke test

Each algorithm is fitted by both libraries with the same training set and parameters, once for each seed if
it draws numbers, and predicts the same test set, one thread each, calls alternating. The seconds are of
processor time, the least of the repeats; "difference" is the greatest of the estimates, and "details" says
whether the details of all predictions are alike. Where scikit-surprise is not installed
(``pip install '.[bench]'``), the times of cfcore are printed alone.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = str(Path(__file__).parent)


def library() -> Any:
    """scikit-surprise, or None; not this file, which has the same name and is in the folder of the script."""
    kept, own = list(sys.path), sys.modules.pop("surprise", None)
    sys.path[:] = [folder for folder in sys.path if folder not in ("", HERE)]
    try:
        return importlib.import_module("surprise")
    except ImportError:
        return None
    finally:
        sys.path[:] = kept
        if own is not None and "surprise" not in sys.modules:
            sys.modules["surprise"] = own


THEIRS = library()
if __name__ == "surprise" and THEIRS is None:  # another benchmark wants the library, and found this file
    raise ImportError("scikit-surprise is not installed: pip install 'cfcore[bench]'")

if __name__ == "__main__":
    import numpy as np
    from measure import arguments, describe, machine, show, table, write

    import cfcore as cf
    from cfcore.adapters.surprise import algorithms as ours
    from cfcore.adapters.surprise.columns import first_seen
    from cfcore.adapters.surprise.trainset import Trainset

BY_USER, BY_ITEM = {"user_based": True}, {"user_based": False}
#: Name, class, arguments, and whether it draws numbers.
ALGORITHMS: list[tuple[str, str, dict[str, Any], bool]] = [
    ("NormalPredictor", "NormalPredictor", {}, True),
    ("BaselineOnly, als", "BaselineOnly", {"verbose": False}, False),
    ("BaselineOnly, sgd", "BaselineOnly", {"bsl_options": {"method": "sgd"}, "verbose": False}, False),
    *(
        (f"{kind}, {name}, {'users' if by['user_based'] else 'items'}", kind, options, False)
        for kind, name, by in (
            ("KNNBasic", "msd", BY_USER),
            ("KNNBasic", "cosine", BY_ITEM),
            ("KNNWithMeans", "msd", BY_ITEM),
            ("KNNWithMeans", "cosine", BY_USER),
            ("KNNWithZScore", "pearson", BY_USER),
            ("KNNBaseline", "pearson_baseline", BY_USER),
            ("KNNBaseline", "pearson_baseline", BY_ITEM),
        )
        for options in ({"sim_options": {"name": name, **by}, "verbose": False},)
    ),
    ("SVD", "SVD", {}, True),
    ("SVD, not biased", "SVD", {"biased": False}, True),
    ("SVDpp", "SVDpp", {}, True),
    ("NMF", "NMF", {}, True),
    ("NMF, biased", "NMF", {"biased": True}, True),
    ("SlopeOne", "SlopeOne", {}, False),
    ("CoClustering", "CoClustering", {}, True),
]


def split(name: str, quick: bool, least: int) -> tuple[Any, Any]:
    """Training and test part: u1 of ml-100k, else nine tenths and one tenth by seed 0.

    Of other data only users and items with `least` ratings or more are left.
    """
    if name == "ml-100k":
        train, test = cf.datasets.load("ml-100k", split="u1", progress=False)
    else:
        data = cf.split.k_core(cf.datasets.load(name, progress=False), least, least)
        train, test = cf.split.holdout(data, 0.1, random_state=0)
    if quick:
        train, test = train.subset(slice(None, None, 20)), test.subset(slice(None, None, 20))
    return train, test


def rows_of(ratings: Any) -> list[tuple[str, str, float]]:
    """Raw ids as text, as Reader gives them, and ratings."""
    users, items = (list(map(str, ids)) for ids in (ratings.users, ratings.items))
    return list(zip(users, items, ratings.values.astype(float).tolist(), strict=True))


def trainsets(rows: list[tuple[str, str, float]], scale: tuple[float, float]) -> tuple[Any, Any]:
    """The training sets of both libraries; None for one that is not installed."""
    users, items, ratings = zip(*rows, strict=True)
    own = Trainset.from_codes(first_seen(users), first_seen(items), np.array(ratings), scale)
    if THEIRS is None:
        return own, None
    dataset = THEIRS.Dataset(THEIRS.Reader(rating_scale=scale))
    return own, dataset.construct_trainset([(*row, None) for row in rows])


def measured(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of processor time of this thread, and the result."""
    start = time.thread_time()
    found = call()
    return time.thread_time() - start, found


def compare(
    line: tuple[Any, ...], seed: int, sets: tuple[Any, Any], rows: Any, repeats: int
) -> dict[str, Any]:
    """Fit and predict by both libraries."""
    name, kind, options, draws = line
    options = {**options, "random_state": seed} if draws and kind != "NormalPredictor" else options
    times: dict[str, list[float]] = defaultdict(list)
    predictions: dict[str, Any] = {}
    raised: set[str] = set()
    for _ in range(repeats):
        for who, module, trainset in (("ours", ours, sets[0]), ("theirs", THEIRS, sets[1])):
            if trainset is None or sum(times[f"fit, {who}"]) > 60:
                continue
            np.random.seed(seed)  # noqa: NPY002
            algo = getattr(module, kind)(**options)
            try:
                seconds, _ = measured(lambda algo=algo, trainset=trainset: algo.fit(trainset))
            except ZeroDivisionError:  # cosine, where all common ratings of a pair are 0
                raised.add(who)
                continue
            times[f"fit, {who}"].append(seconds)
            seconds, predictions[who] = measured(lambda algo=algo: algo.test(rows))
            times[f"test, {who}"].append(seconds)
    found: dict[str, Any] = {"algorithm": name, "seed": seed if draws else None}
    found |= {what: min(seconds) for what, seconds in times.items() if seconds}
    if raised:
        found["raised"] = " and ".join(sorted(raised))
    elif "theirs" in predictions:
        pairs = list(zip(predictions["ours"], predictions["theirs"], strict=True))
        found["difference"] = max(abs(one.est - other.est) for one, other in pairs)
        found["details"] = all(one.details == other.details for one, other in pairs)
    return found


def lists(quick: bool) -> Iterator[list[str]]:
    """Time of the FAQ's ten best items for each user, of all that they have not rated."""
    rows = rows_of(cf.datasets.load("ml-100k", progress=False))[:: 50 if quick else 1]
    for kind, options in (("SVD", {"random_state": 0}), ("KNNBasic", {"verbose": False})):
        found: dict[str, float] = {}
        for who, module, trainset in zip(
            ("ours", "theirs"), (ours, THEIRS), trainsets(rows, (1, 5)), strict=True
        ):
            if trainset is not None:
                algo = getattr(module, kind)(**options).fit(trainset)
                made, anti = measured(trainset.build_anti_testset)
                tested, predictions = measured(lambda algo=algo, anti=anti: algo.test(anti))
                found[f"{who}: predictions"] = made + tested
                ranked, _ = measured(lambda predictions=predictions: top_ten(predictions))
                found[f"{who}: lists"] = made + tested + ranked
        for what in ("predictions", "lists"):
            own, other = found[f"ours: {what}"], found.get(f"theirs: {what}")
            yield [f"{kind}, {what}", show(own), show(other), show(other / own if other else None, "{:.1f}")]


def top_ten(predictions: Any) -> dict[Any, list[tuple[Any, float]]]:
    """The ten items of highest estimate of each user."""
    found = defaultdict(list)
    for uid, iid, _, est, _ in predictions:
        found[uid].append((iid, est))
    for uid, rated in found.items():
        rated.sort(key=lambda pair: pair[1], reverse=True)
        found[uid] = rated[:10]
    return found


def ratio(found: dict[str, Any], what: str) -> str:
    """How many times as fast; a dash if the other was not measured."""
    if f"{what}, theirs" not in found:
        return show(None)
    return show(found[f"{what}, theirs"] / found[f"{what}, ours"], "{:.1f}")


HEADINGS = ["algorithm", "seed", "difference", "details", "fit [s]", "ratio", "test() [s]", "ratio"]


def cells(found: dict[str, Any]) -> list[Any]:
    """A line of the table."""
    seed = "-" if found["seed"] is None else found["seed"]
    if "raised" in found:
        return [found["algorithm"], seed, f"division by 0: {found['raised']}", *["-"] * 5]
    details = {True: "same", False: "other", None: "-"}[found.get("details")]
    line = [found["algorithm"], seed, show(found.get("difference"), "{:.3g}"), details]
    for what in ("fit", "test"):
        line += [show(found[f"{what}, ours"], "{:.4f}"), ratio(found, what)]
    return line


def main() -> None:
    """Command line."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k,movietweetings", help="names of data sets, by commas")
    parser.add_argument("--algorithms", default="", help="classes, by commas; all by default")
    parser.add_argument("--seeds", default="0,1", help="seeds of those that draw numbers, by commas")
    parser.add_argument("--repeats", type=int, default=2, help="fits of each")
    parser.add_argument(
        "--least",
        type=int,
        default=5,
        help="ratings of a user and of an item, at least, but on ml-100k: scikit-surprise takes 40 bytes for "
        "each pair of users, 11 GB for all of MovieTweetings",
    )
    parser.add_argument("--lists", action="store_true", help="lists for all users, and nothing else")
    options = parser.parse_args()
    if options.quick:
        options.data, options.seeds, options.repeats = "ml-100k", "0", 1
    facts = machine()
    print(describe(facts))
    if THEIRS is None:
        print("scikit-surprise is not installed (pip install '.[bench]'): times of cfcore alone")
    report: dict[str, Any] = {"machine": facts}
    if options.lists or options.quick:
        print("\nseconds for all pairs of ml-100k without a rating, from build_anti_testset on")
        report["lists"] = list(lists(options.quick))
        print(table(["algorithm", "cfcore", "scikit-surprise", "ratio"], report["lists"]))
    for data in [] if options.lists else options.data.split(","):
        train, test = split(data, options.quick, options.least)
        scale = (float(train.values.min()), float(train.values.max()))
        sets, rows, found = trainsets(rows_of(train), scale), rows_of(test), []
        print(f"\n{data}: {len(train):,} ratings, {len(test):,} predictions")
        wanted = [
            line for line in ALGORITHMS if not options.algorithms or line[1] in options.algorithms.split(",")
        ]
        for line in wanted:
            for seed in map(int, options.seeds.split(",") if line[3] else "0"):
                found.append(compare(line, seed, sets, rows, options.repeats))
                print(".", end="", flush=True, file=sys.stderr)
        print(file=sys.stderr)
        print(table(HEADINGS, [cells(one) for one in found]))
        report[data] = found
    write(options.json, report)


if __name__ == "__main__":
    main()
