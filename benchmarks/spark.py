"""`ALS` beside Spark's: seconds of an iteration and of a fit, and RMSE, on the same rows and as many cores.

    pip install '.[distributed]' pyspark            # and Java: apt-get install openjdk-17-jre-headless
    python benchmarks/spark.py                      # a random 90/10 split of MovieLens 1M, 64 factors
    python benchmarks/spark.py --data 20m           # 20 million synthetic ratings, as of scale.py
    python benchmarks/spark.py --quick

Spark runs in local mode with a thread for each of two cores and a driver of 6 GB; cfcore with two threads in
this process, and on a Dask cluster of two worker processes of one thread each. All have the same factors and
iterations. Spark multiplies its regularisation by the ratings of a row, as cfcore does with
``scale_reg=True``; ``--reg`` is given to both. By default it is chosen for Spark: the best of `REGS` on a
tenth of the training rows (of the 20 million, the one that is best on MovieLens 1M). Spark's model has
neither biases nor implicit sets; cfcore's with ``sets=None`` has biases. Its defaults are timed, too.

Ratings are in memory before anything is timed: Spark's, from parquet, cached. Seconds of an iteration are
those of a fit less those of one of half as many iterations, over the difference; contenders alternate, after
a small fit by which the JVM compiles. RMSE is that of predictions that are clipped to the scale, of the pairs
of which both sides have training ratings, since Spark has no others.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from cluster import cluster_of
from measure import (
    alternate,
    arguments,
    describe,
    installed_version,
    is_importable,
    machine,
    seconds,
    show,
    table,
    write,
)

CORES, MEMORY = 2, "6g"
HOW = "pip install pyspark, and a Java runtime of 17 or later"
#: Of which the regularisation is chosen: Spark's default is the last.
REGS = (0.03, 0.05, 0.1)
#: Factors and iterations, by the data.
SIZES = {"quick": (8, 4), "ml-1m": (64, 10), "20m": (32, 4)}
#: The best of REGS on MovieLens 1M, for data on which the choice takes too long.
USUAL_REG = 0.05
COLUMNS = ("user", "item", "rating")

Array = np.ndarray[Any, Any]


def data(name: str) -> tuple[Any, Any]:
    """Training ratings, and test ratings of users and items that have some."""
    import cfcore as cf

    if name == "quick":
        ratings = cf.datasets.synthetic(400, 100, 10_000, timestamps=False)
    elif name == "20m":
        ratings = cf.datasets.synthetic(138_493, 26_744, 20_000_000, timestamps=False)
    else:
        ratings = cf.datasets.load(name)
    return halves(ratings)


def halves(ratings: Any) -> tuple[Any, Any]:
    """A random tenth of the ratings, for a test, and the others."""
    import cfcore as cf

    train, test = cf.split.holdout(ratings, 0.1, random_state=0)
    known = np.isin(test.users, train.user_ids) & np.isin(test.items, train.item_ids)
    return train, test.subset(np.flatnonzero(known))


class Spark:
    """Spark's ALS in local mode; ratings go to it through parquet.

    Parameters
    ----------
    folder : path-like
        For files.
    """

    def __init__(self, folder: str) -> None:
        from pyspark.sql import SparkSession

        self.folder, self.n_files = Path(folder), 0
        self.session = (
            SparkSession.builder.master(f"local[{CORES}]")
            .config("spark.driver.memory", MEMORY)
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.shuffle.partitions", 2 * CORES)
            .config("spark.local.dir", folder)
            .getOrCreate()
        )
        self.session.sparkContext.setLogLevel("ERROR")

    def frame(self, ratings: Any) -> Any:
        """Ratings as a cached DataFrame of integers, as its ALS takes them."""
        import pyarrow
        import pyarrow.parquet

        self.n_files += 1
        path = self.folder / f"ratings-{self.n_files}.parquet"
        columns = [
            np.asarray(ratings.users, np.int32), np.asarray(ratings.items, np.int32), ratings.values,
        ]  # fmt: skip
        pyarrow.parquet.write_table(pyarrow.table(columns, names=COLUMNS), path, row_group_size=1 << 20)
        frame = self.session.read.parquet(str(path)).repartition(2 * CORES).cache()
        frame.count()
        return frame

    def fit(self, frame: Any, n_factors: int, n_epochs: int, reg: float) -> Any:
        """A fitted model."""
        from pyspark.ml.recommendation import ALS

        usual: dict[str, Any] = {"userCol": "user", "itemCol": "item", "ratingCol": "rating", "seed": 0}
        # Fewer, larger blocks than the default of 10: faster with so few cores.
        usual |= {"numUserBlocks": 2 * CORES, "numItemBlocks": 2 * CORES}
        return ALS(rank=n_factors, maxIter=n_epochs, regParam=reg, **usual).fit(frame)

    def rmse(self, model: Any, pairs: Any, scale: tuple[float, float]) -> float:
        """Of clipped predictions."""
        from pyspark.ml.evaluation import RegressionEvaluator
        from pyspark.sql import functions

        low, high = (functions.lit(float(end)) for end in scale)
        clipped = functions.greatest(functions.least(functions.col("prediction"), high), low)
        found = model.transform(pairs).select("rating", clipped.alias("prediction"))
        return float(RegressionEvaluator(labelCol="rating", metricName="rmse").evaluate(found))


def rmse(predictions: Array, values: Array, scale: tuple[float, float]) -> float:
    """Of clipped predictions."""
    return float(np.sqrt(np.mean((np.clip(predictions, *scale) - values) ** 2)))


@contextmanager
def spark() -> Iterator[Spark | None]:
    """Spark, or None where it is not installed."""
    if not is_importable("pyspark"):
        print(f"pyspark is not installed ({HOW}): cfcore alone", file=sys.stderr)
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="cfcore-spark-") as folder:
        try:
            found = Spark(folder)
        except Exception as error:
            print(f"Spark does not start ({HOW}): {error}; cfcore alone", file=sys.stderr)
            yield None
            return
        try:
            yield found
        finally:
            found.session.stop()


def chosen(peer: Spark, train: Any, n_factors: int, n_epochs: int) -> float:
    """The best of REGS for Spark on a tenth of the training rows."""
    part, held_out = halves(train)
    frame, pairs = peer.frame(part), peer.frame(held_out)
    errors = {reg: peer.rmse(peer.fit(frame, n_factors, n_epochs, reg), pairs, train.scale) for reg in REGS}
    frame.unpersist(), pairs.unpersist()
    told = ", ".join(f"{reg:g}: {error:.4f}" for reg, error in errors.items())
    print(f"RMSE of Spark on a tenth of the training rows, by regParam: {told}\n", flush=True)
    return min(errors, key=errors.__getitem__)


def compare(name: str, reg: float | None, repeats: int, peer: Spark | None) -> list[dict[str, Any]]:
    """Seconds and errors of all contenders."""
    import cfcore as cf

    (n_factors, n_epochs), half = SIZES[name], SIZES[name][1] // 2
    train, test = data(name)
    if reg is None:
        reg = chosen(peer, train, n_factors, n_epochs) if peer and name != "20m" else USUAL_REG
    fits: dict[str, Callable[[int], Any]] = {}
    models: dict[str, Any] = {}
    with ExitStack() as stack:
        if peer is not None:
            frame, pairs = peer.frame(train), peer.frame(test)
            peer.fit(peer.frame(train.subset(np.arange(0, len(train), 20))), n_factors, 2, reg)
            fits["Spark"] = lambda n: peer.fit(frame, n_factors, n, reg)
        ours = {
            "scaled by n, no sets": {"sets": None, "scale_reg": True, "reg": reg},
            "defaults": {},
        }
        _, client = stack.enter_context(cluster_of(CORES))
        for how, params in ours.items():

            def made(n: int, params: dict[str, Any] = params) -> Any:
                return cf.ALS(n_factors=n_factors, n_epochs=n, n_threads=CORES, random_state=0, **params)

            fits[f"cfcore, {how}, {CORES} threads"] = lambda n, made=made: made(n).fit(train)
            fits[f"cfcore, {how}, {CORES} workers"] = lambda n, made=made: cf.distributed.fit(
                made(n), train, client=client
            )

        def timed(label: str, n: int) -> float:
            def call() -> None:
                models[label] = fits[label](n)

            return seconds(call)

        calls = {
            (label, n): (lambda label=label, n=n: timed(label, n)) for label in fits for n in (half, n_epochs)
        }
        found = alternate(calls, repeats, budget=3600.0)  # type: ignore[arg-type]
        rows = []
        for label, model in models.items():
            error = (
                peer.rmse(model, pairs, train.scale)
                if peer is not None and label == "Spark"
                else rmse(model.predict(test.users, test.items), test.values, train.scale)
            )
            short, long = found[label, half], found[label, n_epochs]  # type: ignore[index]
            rows.append(
                {
                    "model": label, "iteration": (long - short) / (n_epochs - half), "fit": long,
                    "rmse": error, "factors": n_factors, "iterations": n_epochs, "reg": reg,
                }
            )  # fmt: skip
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-1m", choices=["ml-1m", "20m"])
    parser.add_argument("--reg", type=float, metavar="L", help="regularisation; by default it is chosen")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="of all fits (default: 3)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    facts = machine()
    print(describe(facts), "\n")
    name = "quick" if options.quick else options.data
    with spark() as peer:
        if peer is not None:
            print(f"pyspark {installed_version('pyspark')}, local[{CORES}], driver memory {MEMORY}\n")
        rows = compare(name, options.reg, 1 if options.quick else options.repeats, peer)
    first = rows[0]
    heading = f"{name}, {first['factors']} factors, {first['iterations']} iterations, reg {first['reg']:g}"
    print(
        table(
            [heading, "s an iteration", "s a fit", "Spark's over it", "RMSE"],
            [
                [
                    row["model"], show(row["iteration"]), show(row["fit"], "{:.2f}"),
                    show(first["fit"] / row["fit"] if peer is not None else None, "{:.1f}"),
                    show(row["rmse"], "{:.4f}"),
                ]
                for row in rows
            ],
        )
    )  # fmt: skip
    write(options.json, {"machine": facts, "rows": rows})


if __name__ == "__main__":
    main()
