"""The measurements of ``cfcore compare``: of each model, of its reference twin and of its peers.

Nothing here prints. Times are wall-clock times of whole calls, the index of the ratings included: it is
dropped before each timed fit.
"""

from __future__ import annotations

import math
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

import cfcore as cf
from cfcore.errors import CfcoreError
from cfcore.registry import BY_COMMAND

__all__ = ["MODELS", "Peer", "Row", "compare_model", "peers"]

#: Name on the command line -> class, in the order of the table, which is of errors of predicted ratings.
MODELS = {command: entry.name for command, entry in BY_COMMAND.items() if not entry.lists}

#: Up to which time the twin does the whole job, and the time of a smaller job otherwise (s).
REFERENCE_LIMIT = 30.0
REFERENCE_BUDGET = 10.0
#: Sweeps up to which a sampler is compared with its twin: a sweep makes differences by rounding larger.
MOST_SWEEPS = 60
#: Ratings of the first, small trial, from which the twin's time is estimated.
TRIAL_ROWS = 4_000
#: Fits shorter than this are repeated, and the median taken (s).
SHORT = 2.0
#: Peers whose time and memory grow faster than the ratings are left out above so many.
PEER_LIMIT = 200_000
SLOW_PEERS = ("item-knn", "user-knn", "svdpp")


@dataclass
class Row:
    """The measurements of one model. Times in seconds, memory in bytes; None: not measured.

    The seconds of the reference are for fitting and predicting, and so are ``reference_compiled_seconds``.
    """

    model: str
    params: dict[str, Any] = field(default_factory=dict)
    n_epochs: int | None = None
    rmse: float | None = None
    mae: float | None = None
    n_unknown: int | None = None  # test ratings whose user or item has no training ratings
    fit_seconds: float | None = None
    predictions_per_second: float | None = None
    model_bytes: int | None = None
    peak_bytes: int | None = None
    reference_seconds: float | None = None
    reference_compiled_seconds: float | None = None
    reference_job: str | None = None
    reference_difference: float | None = None
    speedup: float | None = None
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The row for JSON."""
        return asdict(self)


@dataclass
class Peer:
    """The measurements of another library on the same split."""

    library: str
    algorithm: str
    counterpart: str
    rmse: float | None = None
    mae: float | None = None
    fit_seconds: float | None = None
    predictions_per_second: float | None = None
    note: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The row for JSON."""
        return asdict(self)


def make(name: str, n_threads: int | None, verbose: int = 0, **params: Any) -> Any:
    """The model called `name` on the command line, with its defaults and a fixed seed."""
    model = getattr(cf, MODELS[name])()
    wanted = {"random_state": 0, "n_threads": n_threads, "verbose": verbose, **params}
    known = model.get_params()
    return model.set_params(**{key: value for key, value in wanted.items() if key in known})


def compare_model(
    name: str,
    train: cf.Ratings,
    test: cf.Ratings,
    *,
    n_threads: int | None = None,
    verbose: int = 0,
    reference: bool = True,
    stage: Callable[[str], None] = lambda text: None,
    kept: dict[str, Any] | None = None,
) -> Row:
    """Measure one model.

    Parameters
    ----------
    name : str
        A key of `MODELS`.
    train, test : Ratings
        The split.
    n_threads : int, optional
        Threads of the compiled kernels; None: all cores. The twins always run on one.
    verbose : int
        1 shows the model's own progress bar in the first fit.
    reference : bool
        Whether to time the reference twin.
    stage : callable
        Called with a line of text at each step, for a progress display.
    kept : dict of str to Model, optional
        The fitted model is added by the name of its class.

    Returns
    -------
    Row
        With ``error`` set, and nothing measured after it, if the model cannot be fitted to this data.
    """
    row = Row(MODELS[name])
    try:
        model = _measure(row, name, train, test, n_threads, verbose, stage)
        if kept is not None:
            kept[row.model] = model
        if reference:
            stage(f"{row.model}: reference twin")
            _measure_reference(row, name, train, test, n_threads)
    except MemoryError:
        row.error = "not enough memory for this model on this data"
    except CfcoreError as error:
        row.error = str(error)
    return row


def _measure(
    row: Row,
    name: str,
    train: cf.Ratings,
    test: cf.Ratings,
    n_threads: int | None,
    verbose: int,
    stage: Callable[[str], None],
) -> Any:
    """Fill the row, and return the fitted model."""
    stage(f"{row.model}: fit")
    row.params = make(name, n_threads).get_params()
    model, first = timed_fit(make(name, n_threads, verbose), train)
    times = [first]
    while first < SHORT and len(times) < 3:
        times.append(timed_fit(make(name, n_threads), train)[1])
    row.fit_seconds = statistics.median(times)

    stage(f"{row.model}: predict")
    predicted, seconds = timed(lambda: model.predict(test))
    row.predictions_per_second = len(test) / seconds
    row.rmse = cf.metrics.rmse(test.values, predicted)
    row.mae = cf.metrics.mae(test.values, predicted)
    row.n_unknown = int(np.count_nonzero(~model.knows(test)))
    row.n_epochs = len(model.history_.get("train_rmse", ())) or None
    row.model_bytes = fitted_bytes(model)
    if first < 10 * SHORT:
        stage(f"{row.model}: memory")
        row.peak_bytes = peak_bytes(lambda: timed_fit(make(name, n_threads), train))
    return model


def timed_fit(model: Any, train: cf.Ratings) -> tuple[Any, float]:
    """Fit on ratings that have no index yet, and the seconds it took."""
    train.drop_index()
    start = time.perf_counter()
    model.fit(train)
    return model, time.perf_counter() - start


def timed(call: Callable[[], Any], at_least: float = 0.2) -> tuple[Any, float]:
    """Result of `call` and the median seconds of as many calls as fill `at_least` seconds (at most 50)."""
    times: list[float] = []
    while not times or (sum(times) < at_least and len(times) < 50):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return result, statistics.median(times)


def fitted_bytes(model: Any) -> int:
    """Bytes in the arrays that a fitted model keeps, each counted once."""
    held = (getattr(model, name, None) for name in dir(model) if name.endswith("_") and name[0] != "_")
    return sum({id(array): array.nbytes for array in held if isinstance(array, np.ndarray)}.values())


def peak_bytes(call: Callable[[], Any]) -> int:
    """The largest memory that `call` had allocated at a time, as Python and NumPy report it."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@dataclass
class Job:
    """A fit of `rows` of the training rows with `epochs` epochs (None: as the model has it), and predicting.

    As large a part of the test rows is predicted as of the training rows is fitted, and a thousand at least.
    """

    rows: int
    epochs: int | None

    def describe(self, n_rows: int, n_epochs: int | None) -> str:
        """The parts of the whole, in words; "all of it" for the whole."""
        parts = []
        if self.epochs is not None and self.epochs != n_epochs:
            parts.append(f"{self.epochs} of {n_epochs} epochs")
        if self.rows != n_rows:
            parts.append(f"{self.rows:,} of {n_rows:,} ratings")
        return ", ".join(parts) or "all of it"


def choose_job(
    run: Callable[[Job], float],
    n_rows: int,
    n_epochs: int | None,
    limit: float = REFERENCE_LIMIT,
    budget: float = REFERENCE_BUDGET,
) -> Job:
    """The largest job that the twin does in time, estimated from trials with `run`, which returns seconds.

    The time of an epoch is taken to be proportional to the number of ratings; that of models without epochs,
    which compare all pairs, to its square. Small trials often overestimate either, so larger ones follow
    while they are cheap.
    """
    rows = min(TRIAL_ROWS, n_rows)
    while True:
        seconds = max(run(Job(rows, None if n_epochs is None else 1)), 1e-6)
        growth = n_rows / rows
        if n_epochs is None:
            if seconds * growth**2 <= limit:
                return Job(n_rows, None)
            affordable = int(rows * math.sqrt(budget / seconds))
            job = Job(min(n_rows, max(TRIAL_ROWS, affordable)), None)
        else:
            epoch, rest = seconds * growth, 0.0
            if rows == n_rows and seconds < budget / 4:
                # The time of the work beside the epochs, which is done once.
                epoch = max((run(Job(rows, 3)) - seconds) / 2, 1e-6)
                rest = max(seconds - epoch, 0.0)
            if rest + epoch * n_epochs <= limit:
                return Job(n_rows, n_epochs)
            if rest + epoch <= budget:
                job = Job(n_rows, max(1, int((budget - rest) / epoch)))
            else:
                job = Job(max(rows, int(n_rows * budget / epoch)), 1)
        # Comparing all pairs has a cost that does not depend on the ratings: a small trial says little.
        if rows == n_rows or seconds > budget / (2 if n_epochs is None else 16):
            return job
        rows = min(n_rows, 4 * rows)


def _measure_reference(
    row: Row, name: str, train: cf.Ratings, test: cf.Ratings, n_threads: int | None
) -> None:
    """Time the twin, and the compiled kernels on the same job, and compare their predictions."""
    n_rows, n_epochs = len(train), row.n_epochs
    order = np.random.default_rng(0).permutation(n_rows)

    def run(job: Job) -> tuple[Any, float]:
        params = {} if job.epochs is None else epochs_of(name, job.epochs)
        ratings = train if job.rows == n_rows else train.subset(np.sort(order[: job.rows]))
        pairs = test.subset(np.arange(max(min(1_000, len(test)), len(test) * job.rows // n_rows)))
        model, seconds = timed_fit(make(name, n_threads, **params), ratings)
        start = time.perf_counter()
        predicted = model.predict(pairs)
        return predicted, seconds + time.perf_counter() - start

    with cf.backend("reference"):
        run(Job(min(500, n_rows), None if n_epochs is None else 1))  # imports are not timed
        job = choose_job(lambda trial: run(trial)[1], n_rows, n_epochs)
        if is_sampler(name) and job.epochs is not None:
            job = Job(job.rows, min(job.epochs, MOST_SWEEPS))
        expected, row.reference_seconds = run(job)
    runs = [run(job)]
    while runs[0][1] < SHORT and len(runs) < 3:
        runs.append(run(job))
    row.reference_compiled_seconds = statistics.median(seconds for _, seconds in runs)
    row.reference_job = job.describe(n_rows, n_epochs)
    row.speedup = row.reference_seconds / row.reference_compiled_seconds
    row.reference_difference = float(np.abs(runs[0][0] - expected).max())


def is_sampler(name: str) -> bool:
    """Whether the epochs of the model called `name` are sweeps."""
    return "n_samples" in BY_COMMAND[name].load().default_params()


def epochs_of(name: str, n_epochs: int) -> dict[str, int]:
    """Hyper-parameters of a fit of so many epochs; of a sampler these are sweeps."""
    if is_sampler(name):
        return {"n_samples": n_epochs, "burn_in": 0}
    return {"n_epochs": n_epochs}


def peers(
    names: list[str],
    train: cf.Ratings,
    test: cf.Ratings,
    stage: Callable[[str], None] = lambda text: None,
) -> Iterator[Peer]:
    """Measure scikit-surprise, if it is installed, on the counterparts of the models called `names`.

    The models run with the library's defaults, neighbourhoods with the similarity it recommends
    (``pearson_baseline``). Its predictions are clipped to the scale like ours.
    """
    try:
        import surprise
    except ImportError:
        return

    reader = surprise.Reader(rating_scale=train.scale)
    data = surprise.Dataset(reader)
    # Codes as raw ids: its conversion of ids is not measured.
    trainset = data.construct_trainset(
        [
            (user, item, value, None)
            for user, item, value in zip(
                train.user_codes.tolist(), train.item_codes.tolist(), train.values.tolist(), strict=True
            )
        ]
    )
    rows = list(zip(test.user_codes.tolist(), test.item_codes.tolist(), test.values.tolist(), strict=True))

    def knn(user_based: bool) -> Any:
        options = {"name": "pearson_baseline", "user_based": user_based}
        return surprise.KNNBaseline(sim_options=options, verbose=False)

    counterparts: dict[str, tuple[str, Callable[[], Any]]] = {
        "baseline": ("BaselineOnly", lambda: surprise.BaselineOnly(verbose=False)),
        "item-knn": ("KNNBaseline items", lambda: knn(False)),
        "user-knn": ("KNNBaseline users", lambda: knn(True)),
        "svd": ("SVD", lambda: surprise.SVD(random_state=0)),
        "svdpp": ("SVDpp", lambda: surprise.SVDpp(random_state=0)),
    }
    for name in names:
        if name not in counterparts:
            continue
        algorithm, build = counterparts[name]
        peer = Peer(f"scikit-surprise {surprise.__version__}", algorithm, MODELS[name])
        if name in SLOW_PEERS and len(train) > PEER_LIMIT:
            peer.note = f"left out above {PEER_LIMIT:,} ratings: it would take minutes"
            yield peer
            continue
        stage(f"scikit-surprise {algorithm}")
        start = time.perf_counter()
        fitted = build().fit(trainset)
        peer.fit_seconds = time.perf_counter() - start
        start = time.perf_counter()
        predicted = np.array([prediction.est for prediction in fitted.test(rows)])
        peer.predictions_per_second = len(rows) / (time.perf_counter() - start)
        peer.rmse = cf.metrics.rmse(test.values, predicted)
        peer.mae = cf.metrics.mae(test.values, predicted)
        yield peer
