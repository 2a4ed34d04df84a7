"""cross_validate: the errors of fits made by hand, from every kind of folds, on shared cores."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any, ClassVar

import numpy as np
import pytest

import cfcore as cf
from cfcore.selection import folds as folds_module
from cfcore.selection import workers


@pytest.fixture(scope="module")
def ratings() -> cf.Ratings:
    return cf.datasets.synthetic(60, 40, 900, random_state=3)


MODEL = cf.SVD(n_factors=4, n_epochs=3, random_state=0)


def by_hand(pairs: Any) -> list[float]:
    return [cf.metrics.rmse(test.values, MODEL.clone().fit(train).predict(test)) for train, test in pairs]


def test_folds_are_those_of_split(ratings: cf.Ratings) -> None:
    found = cf.selection.cross_validate(MODEL, ratings, cv=4, metrics=("rmse", "mae", "fcp"))
    np.testing.assert_array_equal(found["rmse"], by_hand(cf.split.kfold(ratings, 4, 0)))
    assert list(found) == [
        "fold", "rmse", "mae", "fcp", "fit_seconds", "predict_seconds", "n_train", "n_test",
        "n_unknown",
    ]  # fmt: skip
    np.testing.assert_array_equal(found["n_train"] + found["n_test"], len(ratings))
    assert (found["fit_seconds"] > 0).all()
    assert (found["predict_seconds"] > 0).all()
    assert found.mean("rmse") == pytest.approx(np.mean(found["rmse"]))
    with pytest.raises(cf.NotFittedError):
        MODEL.predict([1], [1])


def test_every_kind_of_folds(ratings: cf.Ratings) -> None:
    pairs = list(cf.split.repeated_kfold(ratings, 2, 2, random_state=5))
    expected = by_hand(pairs)
    rows = np.arange(len(ratings))
    fold = np.random.default_rng(0).integers(0, 2, len(ratings))
    for cv, wanted in (
        (pairs, expected),
        (pairs[0], expected[:1]),
        (iter(pairs), expected),
        (lambda given: cf.split.repeated_kfold(given, 2, 2, random_state=5), expected),
        (cf.split.by_time, by_hand([cf.split.by_time(ratings)])),
        ([(rows[fold == 0], rows[fold == 1]), (fold == 1, fold == 0)],
         by_hand([(ratings.subset(fold == k), ratings.subset(fold != k)) for k in (0, 1)])),
    ):  # fmt: skip
        np.testing.assert_array_equal(cf.selection.cross_validate(MODEL, ratings, cv=cv)["rmse"], wanted)
    columns = (ratings.users, ratings.items, ratings.values)
    assert cf.selection.cross_validate(MODEL, columns, cv=2)["rmse"].shape == (2,)


def test_predefined_splits() -> None:
    found = cf.selection.cross_validate(cf.GlobalMean(), cv=["u1", "u2"])
    expected = []
    for name in ("u1", "u2"):
        train, test = cf.datasets.load("ml-100k", split=name)
        expected.append(cf.metrics.rmse(test.values, np.full(len(test), train.mean)))
    np.testing.assert_allclose(found["rmse"], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("cv", "error", "message"),
    [
        (1, ValueError, "cv must be from 2 to the number of ratings"),
        (10**9, ValueError, "cv must be from 2 to the number of ratings"),
        (0.2, TypeError, "cv must"),
        ("u9", ValueError, "u9"),
        ("u1", ValueError, "leave `ratings` out"),
        ([], ValueError, "no folds"),
        ([3, 4], TypeError, "pair"),
    ],
)
def test_bad_folds_are_refused(ratings: cf.Ratings, cv: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        cf.selection.cross_validate(MODEL, ratings, cv=cv)


def test_bad_arguments_are_refused(ratings: cf.Ratings) -> None:
    with pytest.raises(ValueError, match="ratings are needed"):
        cf.selection.cross_validate(MODEL)
    with pytest.raises(ValueError, match="n_jobs"):
        cf.selection.cross_validate(MODEL, ratings, n_jobs=0)
    with pytest.raises(TypeError, match="model"):
        cf.selection.cross_validate("SVD", ratings)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nonsense"):
        cf.selection.cross_validate(MODEL, ratings, metrics=["nonsense"])


class Watched(cf.SVD):
    """Counts the fits that run at once, and the threads that they may use."""

    lock = threading.Lock()
    running = 0
    most = 0
    threads: ClassVar[set[int | None]] = set()
    meet: threading.Barrier | None = None

    def _fit(self, train: cf.Ratings, context: Any) -> Any:
        with Watched.lock:
            Watched.running += 1
            Watched.most = max(Watched.most, Watched.running)
            Watched.threads.add(self.n_threads)
        if Watched.meet is not None:
            Watched.meet.wait(20)
        state = super()._fit(train, context)
        with Watched.lock:
            Watched.running -= 1
        return state


def watch(monkeypatch: pytest.MonkeyPatch, meet: threading.Barrier | None) -> None:
    monkeypatch.setenv("CFCORE_NUM_THREADS", "6")
    for name, value in (("running", 0), ("most", 0), ("threads", set()), ("meet", meet)):
        monkeypatch.setattr(Watched, name, value)


def test_workers_share_the_cores(ratings: cf.Ratings, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Watched(n_factors=4, n_epochs=3, random_state=0)
    expected = cf.selection.cross_validate(model, ratings, cv=6)
    for n_jobs, given, workers_, threads in ((3, None, 3, 2), (2, 8, 2, 3), (2, 1, 2, 1), (None, None, 6, 1)):
        watch(monkeypatch, threading.Barrier(workers_))
        found = cf.selection.cross_validate(
            model.clone().set_params(n_threads=given), ratings, cv=6, n_jobs=n_jobs
        )
        assert (Watched.most, Watched.threads) == (workers_, {threads})
        np.testing.assert_array_equal(found["rmse"], expected["rmse"])


def test_no_more_folds_than_workers_exist(ratings: cf.Ratings) -> None:
    made: list[Any] = []
    alive = []

    def watched() -> Any:
        for pair in cf.split.kfold(ratings, 8, 0):
            made.extend(weakref.ref(part.values) for part in pair)
            gc.collect()
            alive.append(sum(column() is not None for column in made))
            yield pair
            del pair

    def work(pair: Any, stop: workers.Stop) -> float:
        return float(pair[0].values.sum())

    assert len(list(workers.side_by_side(work, watched(), 2))) == 8
    assert max(alive) <= 2 * 3  # two at work, and the one just made


def test_an_error_in_a_fold_comes_out(ratings: cf.Ratings) -> None:
    for n_jobs in (1, 2):
        with pytest.raises(ValueError, match="n_factors"):
            cf.selection.cross_validate(cf.SVD(n_factors=-1), ratings, n_jobs=n_jobs)


def test_interruption_reaches_all_workers() -> None:
    ended = []

    def call(task: int, stop: workers.Stop) -> None:
        if task == 0:
            raise KeyboardInterrupt
        try:
            for _ in range(2000):
                stop(1, {})
                threading.Event().wait(0.01)
        except KeyboardInterrupt:
            ended.append(task)
            raise

    with pytest.raises(KeyboardInterrupt):
        list(workers.side_by_side(call, range(2), 2))
    assert ended in ([1], [])  # stopped at work, or never started


def test_backend_in_force_is_the_callers(ratings: cf.Ratings) -> None:
    from cfcore.backends import current_backend

    with cf.backend("reference"):
        found = list(workers.side_by_side(lambda task, stop: current_backend(), range(3), 2))
    assert found == ["reference"] * 3


def test_table_prints_and_becomes_a_frame(ratings: cf.Ratings) -> None:
    found = cf.selection.cross_validate(cf.GlobalMean(), ratings, cv=3)
    lines = repr(found).splitlines()
    assert [line.split()[0] for line in lines] == ["fold", "0", "1", "2", "mean", "std"]
    for library in ("pandas", "polars", "pyarrow"):
        frame = found.to_frame(library)
        np.testing.assert_array_equal(np.asarray(frame["rmse"]), found["rmse"])
    assert np.isnan(cf.selection.Table({"x": [1.0]}).std("x"))


def test_folds_are_made_one_at_a_time(ratings: cf.Ratings) -> None:
    made = folds_module.folds(ratings, 5, 0)
    assert iter(made) is made


def test_metrics_of_lists() -> None:
    ratings = cf.datasets.synthetic(60, 40, 1_200, random_state=0)
    found = cf.selection.cross_validate(cf.Baseline(), ratings, cv=3, metrics=("ndcg@5", "coverage"))
    for fold, (train, test) in enumerate(cf.split.kfold(ratings, 3, 0)):
        expected = cf.metrics.evaluate(cf.Baseline().fit(train), test, ("ndcg@5", "coverage"))
        assert {name: found[name][fold] for name in expected} == expected
    assert (found["predict_seconds"] > 0).all()  # lists count, although no rating is predicted
    assert "ndcg@5" in repr(found)
