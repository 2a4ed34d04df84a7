"""cfcore against scikit-surprise, implicit, SciPy, LIBMF and PyTorch: same split, alternating in one run.

    pip install '.[bench]'
    python benchmarks/peers.py --json peers.json        # MovieLens 1M, some ten minutes
    python benchmarks/peers.py --quick                  # MovieLens 100K, one measurement each

Every row is a job that both sides do completely: a fit begins with ratings in memory, and includes cfcore's
index of them. The time of an epoch is the difference between a longer and a shorter fit, over the epochs
between them, which excludes the set-up. RMSE is of predictions clipped to the scale. A peer that is not
installed has a line that says so. No other library has timeSVD++: its peer is scikit-surprise's SVD++, which
does less work. None has the RBM either: its peers are the versions in PyTorch and the article's loops in
NumPy from `rbm.py`, with mini-batches of 200 users, on one thread, timed on a few mini-batches.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from libmf_build import Libmf, MissingError, load, quiet_import
from measure import alternate, arguments, describe, is_importable, machine, seconds, show, table, write
from rbm import Job, numpy_loop, torch_versions

import cfcore as cf

#: Settings with which cfcore's models are the algorithm of the peer.
PEARSON = {
    "similarity": "pearson", "n_neighbors": 40, "center": None, "shrinkage": 0.0, "min_support": 1,
    "no_overlap": 0.0, "positive_only": True, "damping": 0.0, "power": 1.0, "storage": "dense",
}  # fmt: skip
#: Settings that give LIBMF its best test error on MovieLens 1M, of reg .03, .05, .08 and 20, 40 epochs.
LIBMF = {"n_epochs": 20, "reg": 0.05, "lr": 0.1}

Times = dict[str, float]


@dataclass
class Line:
    """One row of the table; seconds of the peer, of cfcore on one thread and on two."""

    job: str
    peer: str
    seconds: Times | None = None
    peer_rmse: float | None = None
    rmse: float | None = None
    missing: str | None = None

    def ratio(self, above: str, below: str) -> float | None:
        """Time of `above` over time of `below`."""
        if self.seconds is None or above not in self.seconds or below not in self.seconds:
            return None
        return self.seconds[above] / self.seconds[below]

    def as_dict(self) -> dict[str, Any]:
        """The row for JSON."""
        return {
            "job": self.job,
            "peer": self.peer,
            "seconds": self.seconds,
            "times_faster_1_thread": self.ratio("peer", "ours 1"),
            "times_faster_2_threads": self.ratio("peer 2", "ours 2") or self.ratio("peer", "ours 2"),
            "two_threads_against_one": self.ratio("ours 1", "ours 2"),
            "rmse": self.rmse,
            "peer_rmse": self.peer_rmse,
            "missing": self.missing,
        }


class Bench:
    """The split in the forms that the contenders take, and the options of the run."""

    def __init__(self, train: cf.Ratings, test: cf.Ratings, options: argparse.Namespace) -> None:
        self.train, self.test = train, test
        self.quick: bool = options.quick
        self.repeats = 1 if options.quick else options.repeats
        self.epochs = (1, 3) if options.quick else (2, 8)
        pairs = min(len(test), 100_000)
        self.pairs = test.subset(np.arange(pairs)) if pairs < len(test) else test

    def turns(self, contenders: dict[str, Callable[[], float]]) -> Times:
        """Medians of the contenders, in alternating measurements."""
        return alternate(contenders, self.repeats)

    def fit(self, model: Any) -> float:
        """Seconds of a fit, its index of the ratings included."""
        self.train.drop_index()
        return seconds(lambda: model.fit(self.train))

    def epoch(self, fit: Callable[[int], float]) -> float:
        """Seconds an epoch: the difference between a longer and a shorter fit."""
        short, long = self.epochs
        return (fit(long) - fit(short)) / (long - short)

    def rmse(self, model: Any) -> float:
        """Test error of a fitted model of cfcore."""
        return cf.metrics.rmse(self.test.values, model.predict(self.test))

    def surprise_trainset(self) -> Any:
        """The training set of scikit-surprise."""
        import surprise

        reader = surprise.Reader(rating_scale=self.train.scale)
        columns = (self.train.user_codes.tolist(), self.train.item_codes.tolist(), self.train.values.tolist())
        return surprise.Dataset(reader).construct_trainset(
            [(user, item, value, None) for user, item, value in zip(*columns, strict=True)]
        )

    def surprise_pairs(self) -> list[tuple[int, int, float]]:
        """The pairs to predict, for scikit-surprise."""
        columns = (self.pairs.user_codes.tolist(), self.pairs.item_codes.tolist(), self.pairs.values.tolist())
        return list(zip(*columns, strict=True))


def neighbours(bench: Bench, kind: str) -> Iterator[Line]:
    """All pairs by Pearson, and predicting from the 40 nearest, against scikit-surprise's KNNBasic."""
    import surprise

    trainset, pairs = bench.surprise_trainset(), bench.surprise_pairs()
    ours = cf.UserKNN if kind == "user" else cf.ItemKNN
    theirs: dict[str, Any] = {}

    def fit_theirs() -> float:
        options = {"name": "pearson", "user_based": kind == "user"}
        theirs["model"] = surprise.KNNBasic(k=40, sim_options=options, verbose=False)
        return seconds(lambda: theirs["model"].fit(trainset))

    def predict_theirs() -> float:
        return seconds(lambda: theirs.__setitem__("found", theirs["model"].test(pairs)))

    fits = bench.turns(
        {
            "peer": fit_theirs,
            "ours 1": lambda: bench.fit(ours(**PEARSON, n_threads=1)),
            "ours 2": lambda: bench.fit(ours(**PEARSON, n_threads=2)),
        }
    )
    fitted = {threads: ours(**PEARSON, n_threads=threads).fit(bench.train) for threads in (1, 2)}
    predictions = bench.turns(
        {
            "peer": predict_theirs,
            "ours 1": lambda: seconds(lambda: fitted[1].predict(bench.pairs)),
            "ours 2": lambda: seconds(lambda: fitted[2].predict(bench.pairs)),
        }
    )
    found = np.array([prediction.est for prediction in theirs["found"]])
    errors = {
        "peer_rmse": cf.metrics.rmse(bench.pairs.values, found),
        "rmse": cf.metrics.rmse(bench.pairs.values, fitted[1].predict(bench.pairs)),
    }
    yield Line(f"all {kind} pairs, Pearson: fit", "scikit-surprise", fits, **errors)
    yield Line(f"... predict {len(pairs):,} pairs", "scikit-surprise", predictions, **errors)


def factors_surprise(bench: Bench) -> Iterator[Line]:
    """SVD with 100 factors, an epoch and the default 20 epochs, against scikit-surprise."""
    import surprise

    trainset, pairs = bench.surprise_trainset(), bench.surprise_pairs()

    def fit_theirs(n_epochs: int) -> float:
        model = surprise.SVD(n_factors=100, n_epochs=n_epochs, random_state=0)
        return seconds(lambda: model.fit(trainset))

    def fit_ours(n_epochs: int, threads: int) -> float:
        return bench.fit(cf.SVD(n_factors=100, n_epochs=n_epochs, random_state=0, n_threads=threads))

    times = bench.turns(
        {
            "peer": lambda: bench.epoch(fit_theirs),
            "ours 1": lambda: bench.epoch(lambda n: fit_ours(n, 1)),
            "ours 2": lambda: bench.epoch(lambda n: fit_ours(n, 2)),
        }
    )
    whole = bench.turns(
        {"peer": lambda: fit_theirs(20), "ours 1": lambda: fit_ours(20, 1), "ours 2": lambda: fit_ours(20, 2)}
    )
    theirs = surprise.SVD(n_factors=100, n_epochs=20, random_state=0).fit(trainset)
    found = np.array([prediction.est for prediction in theirs.test(pairs)])
    model = cf.SVD(n_factors=100, n_epochs=20, random_state=0).fit(bench.train)
    errors = {"peer_rmse": cf.metrics.rmse(bench.pairs.values, found), "rmse": bench.rmse(model)}
    yield Line("SVD k=100: an epoch", "scikit-surprise", times)
    yield Line("... 20 epochs, whole fit", "scikit-surprise", whole, **errors)


def implicit_sets(bench: Bench) -> Iterator[Line]:
    """SVD++ and timeSVD++ with 20 factors, an epoch, and predictions of the former, against scikit-surprise.

    scikit-surprise trains for one epoch only, because more would take too long.
    """
    import surprise

    trainset, pairs = bench.surprise_trainset(), bench.surprise_pairs()
    theirs = surprise.SVDpp(n_factors=20, n_epochs=1, random_state=0)
    found: dict[str, Any] = {}

    def fit_ours(kind: Any, n_epochs: int, threads: int) -> float:
        return bench.fit(kind(n_factors=20, n_epochs=n_epochs, random_state=0, n_threads=threads))

    times = bench.turns(
        {
            "peer": lambda: seconds(lambda: theirs.fit(trainset)),
            "SVD++ 1": lambda: bench.epoch(lambda n: fit_ours(cf.SVDpp, n, 1)),
            "SVD++ 2": lambda: bench.epoch(lambda n: fit_ours(cf.SVDpp, n, 2)),
            "timeSVD++ 1": lambda: bench.epoch(lambda n: fit_ours(cf.TimeSVDpp, n, 1)),
            "timeSVD++ 2": lambda: bench.epoch(lambda n: fit_ours(cf.TimeSVDpp, n, 2)),
        }
    )

    def beside_theirs(name: str) -> Times:
        return {"peer": times["peer"], "ours 1": times[f"{name} 1"], "ours 2": times[f"{name} 2"]}

    fitted = {
        threads: cf.SVDpp(n_factors=20, random_state=0, n_threads=threads).fit(bench.train)
        for threads in (1, 2)
    }
    predictions = bench.turns(
        {
            "peer": lambda: seconds(lambda: found.__setitem__("peer", theirs.test(pairs))),
            "ours 1": lambda: seconds(lambda: fitted[1].predict(bench.pairs.users, bench.pairs.items)),
            "ours 2": lambda: seconds(lambda: fitted[2].predict(bench.pairs.users, bench.pairs.items)),
        }
    )
    yield Line("SVD++ k=20: an epoch", "scikit-surprise", beside_theirs("SVD++"), rmse=bench.rmse(fitted[1]))
    yield Line(f"... predict {len(pairs):,} pairs", "scikit-surprise", predictions)
    yield Line("timeSVD++ k=20: an epoch", "scikit-surprise's SVD++", beside_theirs("timeSVD++"))


def boltzmann(bench: Bench) -> Iterator[Line]:
    """A pass of CD-1 with 100 hidden units, the update included, against PyTorch and loops in NumPy."""
    job = Job(bench.train, "user", 200, conditional=False)
    few = (1, 2) if bench.quick else (5, 20)  # mini-batches, and cases of the loops
    theirs = torch_versions(job, few[0], 1) | {"NumPy, loops": lambda: numpy_loop(job, few[1])}
    ours = {f"ours {threads}": job.ours(threads) for threads in (1, 2)}
    # The peers return seconds per rating.
    contenders = {name: lambda call=call: job.n * call() for name, call in theirs.items()}
    times = bench.turns(contenders | ours)
    for name in theirs:
        found = {"peer": times[name], "ours 1": times["ours 1"], "ours 2": times["ours 2"]}
        yield Line("RBM, 100 hidden, CD-1: a pass", f"{name}, one thread", found)


def products(bench: Bench) -> Iterator[Line]:
    """All item pairs by Pearson against the four sparse products for its sums, in SciPy (float32)."""
    rated = bench.train.to_scipy().tocsr().astype(np.float32)
    ones, squares = rated.copy(), rated.copy()
    ones.data[:] = 1
    squares.data **= 2

    def theirs() -> list[Any]:
        # n, Sx, Sxx and Sxy of all pairs; Sy and Syy are the transposes of Sx and Sxx.
        return [a.T @ b for a, b in ((ones, ones), (rated, ones), (squares, ones), (rated, rated))]

    times = bench.turns(
        {
            "peer": lambda: seconds(theirs),
            "ours 1": lambda: bench.fit(cf.ItemKNN(**PEARSON, n_threads=1)),
            "ours 2": lambda: bench.fit(cf.ItemKNN(**PEARSON, n_threads=2)),
        }
    )
    yield Line("all item pairs, Pearson: whole fit", "SciPy, the 4 products only", times)


def cosine(bench: Bench) -> Iterator[Line]:
    """All item pairs by cosine, the 40 nearest kept, against implicit."""
    from implicit.nearest_neighbours import CosineRecommender
    from implicit.utils import ParameterWarning

    warnings.simplefilter("ignore", ParameterWarning)  # about a conversion inside implicit
    rated = bench.train.to_scipy().tocsr().astype(np.float64)

    def theirs(threads: int) -> float:
        model = CosineRecommender(K=40, num_threads=threads)
        return seconds(lambda: model.fit(rated, show_progress=False))

    def ours(threads: int) -> float:
        settings = {**PEARSON, "similarity": "cosine", "storage": 40}
        return bench.fit(cf.ItemKNN(**settings, n_threads=threads))

    times = bench.turns(
        {
            "peer": lambda: theirs(1),
            "peer 2": lambda: theirs(2),
            "ours 1": lambda: ours(1),
            "ours 2": lambda: ours(2),
        }
    )
    yield Line("all item pairs, cosine, 40 kept: fit", "implicit", times)


def factors_libmf(bench: Bench) -> Iterator[Line]:
    """An epoch of matrix factorisation, and a whole fit to the best test error, against LIBMF."""
    if bench.quick:
        # Sometimes a worker of LIBMF misses its last wake-up, and the fit never ends: not in a smoke test.
        raise MissingError("left out of --quick")
    module = quiet_import(load)
    train, test = bench.train, bench.test
    triples = np.column_stack([train.user_codes, train.item_codes, train.values]).astype(np.float32)
    # LIBMF orders its blocks itself; the ratings are in the order of the file.

    def fit_theirs(k: int, n_epochs: int, threads: int) -> float:
        model = Libmf(module, k, n_epochs, LIBMF["reg"], LIBMF["lr"], threads)
        return seconds(lambda: model.fit(triples))

    def fit_ours(k: int, n_epochs: int | None, threads: int) -> float:
        return bench.fit(cf.SVD(n_factors=k, n_epochs=n_epochs, random_state=0, n_threads=threads))

    for k in (32, 100):
        contenders: dict[str, Callable[[], float]] = {}
        whole: dict[str, Callable[[], float]] = {}
        for threads in (1, 2):
            end = "" if threads == 1 else " 2"
            contenders["peer" + end] = lambda k=k, t=threads: bench.epoch(lambda n: fit_theirs(k, n, t))
            contenders[f"ours {threads}"] = lambda k=k, t=threads: bench.epoch(lambda n: fit_ours(k, n, t))
            n_epochs = int(LIBMF["n_epochs"])
            whole["peer" + end] = lambda k=k, n=n_epochs, t=threads: fit_theirs(k, n, t)
            whole[f"ours {threads}"] = lambda k=k, t=threads: fit_ours(k, None, t)
        times, fits = bench.turns(contenders), bench.turns(whole)
        theirs = Libmf(module, k, int(LIBMF["n_epochs"]), LIBMF["reg"], LIBMF["lr"], 1).fit(triples)
        found = theirs.predict(test.user_codes, test.item_codes, train.mean, train.scale)
        model = cf.SVD(n_factors=k, random_state=0).fit(train)
        errors = {"peer_rmse": cf.metrics.rmse(test.values, found), "rmse": bench.rmse(model)}
        ours = len(model.history_["train_rmse"])
        yield Line(f"MF k={k}: an epoch", "LIBMF, AVX build", times)
        yield Line(f"... its {LIBMF['n_epochs']} epochs, our {ours}", "LIBMF, AVX build", fits, **errors)


def jobs(bench: Bench) -> Iterator[Line]:
    """All rows; for a missing peer, a row that says so."""
    parts: list[tuple[str, str, Callable[[], Iterator[Line]]]] = [
        ("surprise", "scikit-surprise", lambda: neighbours(bench, "item")),
        ("surprise", "scikit-surprise", lambda: neighbours(bench, "user")),
        ("surprise", "scikit-surprise", lambda: factors_surprise(bench)),
        ("surprise", "scikit-surprise", lambda: implicit_sets(bench)),
        ("torch", "PyTorch", lambda: boltzmann(bench)),
        ("scipy", "SciPy", lambda: products(bench)),
        ("implicit", "implicit", lambda: cosine(bench)),
        ("pip", "LIBMF", lambda: factors_libmf(bench)),
    ]
    for module, name, run in parts:
        if not is_importable(module):
            yield Line("-", name, missing=f"{module} is not installed")
            continue
        try:
            yield from run()
        except MissingError as error:
            yield Line("-", name, missing=str(error))


def cells(line: Line) -> list[str]:
    """The row as it is printed."""
    if line.seconds is None:
        return [line.job, line.peer, "not measured: " + (line.missing or ""), *[""] * 8]
    taken = [show(line.seconds.get(name), "{:.4f}") for name in ("peer", "peer 2", "ours 1", "ours 2")]
    against = "peer 2" if "peer 2" in line.seconds else "peer"
    ratios = [
        line.ratio("peer", "ours 1"),
        line.ratio(against, "ours 2"),
        line.ratio("ours 1", "ours 2"),
    ]
    errors = [show(line.peer_rmse, "{:.4f}"), show(line.rmse, "{:.4f}")]
    return [line.job, line.peer, *taken, *[show(ratio, "{:.2f}x") for ratio in ratios], *errors]


HEADINGS = [
    *("job", "peer", "peer s", "2 thr.", "cfcore s", "2 thr.", "ratio", "2 thr."),
    *("2 over 1", "peer RMSE", "RMSE"),
]


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", default="", help="data set (ml-1m; with --quick ml-100k)")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each contender")
    options = parser.parse_args()
    name = options.data or ("ml-100k" if options.quick else "ml-1m")
    train, test = cf.datasets.load(name, split=0.1)
    facts = machine()
    print(describe(facts))
    print(f"{name}, random split: {len(train):,} ratings to train on, {len(test):,} to test on\n")
    lines = []
    for line in jobs(Bench(train, test, options)):
        lines.append(line)
        print("  ".join(cells(line)[:2]), "done" if line.seconds else line.missing, file=sys.stderr)
    print(table(HEADINGS, [cells(line) for line in lines]))
    print("\nSeconds: medians, measured in alternation. ratio: the peer's over cfcore's, on one thread and")
    print("on two (the peer on two as well if it has threads, unless its row says otherwise). 2 over 1:")
    print("cfcore on two threads against one.")
    report = {"machine": facts, "data": name, "rows": [line.as_dict() for line in lines]}
    write(options.json, report)


if __name__ == "__main__":
    main()
