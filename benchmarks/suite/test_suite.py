"""Twenty benchmarks, each compared with a yardstick in NumPy or SciPy of the same run.

    pip install --group suite
    python -m pytest benchmarks/suite               # what continuous integration runs
    python -m pytest benchmarks/suite --store       # after a change that is meant to change a ratio

Seconds differ between machines; the ratio of a kernel's time to that of simple work in NumPy on the same data
and machine differs much less. Both run on one thread, at the level AVX2 or, without that or with
``CFCORE_SIMD=baseline``, at the baseline; processor time is measured, so that other processes count little.
A benchmark fails if its ratio is more than `ratios.FACTOR` times the stored one, in three measurements.
pytest-benchmark prints the times.
"""

from __future__ import annotations

import functools
import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import cfcore as cf
from cfcore import kernels

Call = Callable[[], object]
LEVEL = "baseline" if kernels.current_level() == "baseline" else "avx2"
N_USERS, N_ITEMS, N = 2_000, 1_000, 100_000


def beside() -> ModuleType:
    """The module `ratios` of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location("suite_ratios", Path(__file__).with_name("ratios.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ratios = beside()


@functools.cache
def data() -> cf.Ratings:
    """The ratings of all benchmarks, with times."""
    return cf.datasets.synthetic(N_USERS, N_ITEMS, N, random_state=0)


@functools.cache
def fitted(name: str) -> Any:
    """A model that is fitted once, for benchmarks of predictions and lists."""
    few: dict[str, dict[str, Any]] = {
        "SVD": {"n_factors": 32, "n_epochs": 2}, "RBM": {"n_hidden": 32, "n_epochs": 1},
    }  # fmt: skip
    return made(name, **few.get(name, {})).fit(data())


def made(name: str, **params: Any) -> Any:
    """A model on one thread, with a seed."""
    model = getattr(cf, name)(**params)
    fixed = {"random_state": 0, "n_threads": 1}
    return model.set_params(**{key: value for key, value in fixed.items() if key in model.get_params()})


def fit(name: str, **params: Any) -> Call:
    """A fit, its index of the ratings included."""

    def run() -> object:
        data().drop_index()
        return made(name, **params).fit(data())

    return run


def predict(name: str) -> Call:
    model, train = fitted(name), data()
    return lambda: model.predict(train)


def recommend(name: str) -> Call:
    model, users = fitted(name), data().user_ids
    return lambda: model.recommend(users, n=10)


def one_by_one() -> Call:
    model = fitted("SVD")
    pairs = list(zip(data().users[:300].tolist(), data().items[:300].tolist(), strict=True))
    return lambda: [model.predict(user, item) for user, item in pairs]


def read() -> Call:
    text = csv()
    return lambda: cf.Ratings.read(io.BytesIO(text))


@functools.cache
def csv() -> bytes:
    """The ratings as text."""
    train = data()
    rows = zip(train.users.tolist(), train.items.tolist(), train.values.tolist(), strict=True)
    return b"user,item,rating\n" + "".join(f"{u},{i},{r:g}\n" for u, i, r in rows).encode()


def from_ids() -> Call:
    train = data()
    users, items, values = train.users * 7 + 3, train.items * 5 + 1, train.values
    return lambda: cf.Ratings(users, items, values)


def compress() -> Call:
    def run() -> object:
        data().drop_index()
        return data().by_user, data().by_item

    return run


# ---------------------------------------------------------------------- yardsticks


def factors() -> tuple[Any, Any]:
    """Factors of all users and items."""
    rng = np.random.default_rng(0)
    users, items = (rng.normal(size=(n, 32)).astype(np.float32) for n in (N_USERS, N_ITEMS))
    return users, items


def gathered() -> Call:
    """Products of rows of factors, as a prediction needs them; nothing is allocated."""
    (p, q), train = factors(), data()
    rows, columns = (np.empty((len(train), 32), dtype=np.float32) for _ in range(2))
    out = np.empty(len(train), dtype=np.float32)

    def run() -> object:
        np.take(p, train.user_codes, axis=0, out=rows, mode="clip")
        np.take(q, train.item_codes, axis=0, out=columns, mode="clip")
        return np.einsum("ij,ij->i", rows, columns, out=out)

    return run


def multiplied() -> Call:
    """Scores of all users and items, and the best ten of each user; nothing is allocated."""
    p, q = factors()
    scores = np.empty((N_USERS, N_ITEMS), dtype=np.float32)

    def run() -> object:
        np.matmul(p, q.T, out=scores)
        return scores.partition(N_ITEMS - 10, axis=1)

    return run


def crossed() -> Call:
    """The sparse product of all item pairs."""
    rated = data().to_scipy().tocsr().astype(np.float32)
    return lambda: rated.T @ rated


def inverted() -> Call:
    """The inverse of a matrix of items by items."""
    rng = np.random.default_rng(0)
    half = rng.normal(size=(N_ITEMS, N_ITEMS))
    square = half @ half.T + N_ITEMS * np.eye(N_ITEMS)
    return lambda: np.linalg.inv(square)


def ordered() -> Call:
    """Stable sorts by both codes."""
    train = data()
    return lambda: [np.argsort(codes, kind="stable") for codes in (train.user_codes, train.item_codes)]


def split() -> Call:
    """Lines cut into fields by Python, without conversion."""
    text = csv()
    return lambda: [line.split(b",") for line in text.splitlines()]


def unique() -> Call:
    """Codes of both columns of ids."""
    train = data()
    return lambda: [np.unique(ids, return_inverse=True) for ids in (train.users, train.items)]


def by_hand() -> Call:
    """Predictions of pairs with dictionaries and NumPy."""
    model = fitted("SVD")
    users, items = (
        {one: k for k, one in enumerate(ids.tolist())} for ids in (model.user_ids_, model.item_ids_)
    )
    p, q = model.user_factors_, model.item_factors_
    pairs = list(zip(data().users[:300].tolist(), data().items[:300].tolist(), strict=True))
    return lambda: [p[users[user]] @ q[items[item]] for user, item in pairs]


#: Name -> what is measured, and its yardstick.
BENCHMARKS: dict[str, tuple[Callable[[], Call], Callable[[], Call]]] = {
    "fit Baseline": (lambda: fit("Baseline"), gathered),
    "fit SVD": (lambda: fit("SVD", n_factors=32, n_epochs=4), gathered),
    "fit SVDpp": (lambda: fit("SVDpp", n_factors=32, n_epochs=3), gathered),
    "fit TimeSVDpp": (lambda: fit("TimeSVDpp", n_factors=16, n_epochs=2), gathered),
    "fit AsymmetricSVD": (lambda: fit("AsymmetricSVD", n_factors=32, n_epochs=3), gathered),
    "fit ALS": (lambda: fit("ALS", n_factors=16, n_epochs=2), gathered),
    "fit BayesianSVD": (lambda: fit("BayesianSVD", n_factors=16, n_samples=2, burn_in=1), gathered),
    "fit RBM": (lambda: fit("RBM", n_hidden=32, n_epochs=1), gathered),
    "fit ItemKNN": (lambda: fit("ItemKNN"), crossed),
    "fit UserKNN": (lambda: fit("UserKNN"), crossed),
    "fit EASE": (lambda: fit("EASE"), inverted),
    "predict SVD": (lambda: predict("SVD"), gathered),
    "predict ItemKNN": (lambda: predict("ItemKNN"), gathered),
    "predict RBM": (lambda: predict("RBM"), gathered),
    "predict one by one": (one_by_one, by_hand),
    "lists SVD": (lambda: recommend("SVD"), multiplied),
    "lists EASE": (lambda: recommend("EASE"), multiplied),
    "compress by user and item": (compress, ordered),
    "read text": (read, split),
    "ratings from ids": (from_ids, unique),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::cfcore.errors.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::cfcore.errors.DataWarning")
@pytest.mark.parametrize("name", BENCHMARKS)
def test_it_takes_no_longer_than_before(name: str, benchmark: Any, request: pytest.FixtureRequest) -> None:
    make, yard = BENCHMARKS[name]
    with threadpool_limits(1), kernels.use_level(LEVEL):
        ours, yardstick = make(), yard()
        ours(), yardstick()

        def measure() -> float:
            found: float = ratios.ratio(ours, yardstick)
            return found

        benchmark.pedantic(ours, rounds=1)
        if request.config.getoption("--store"):
            ratios.store(LEVEL, {name: min(measure() for _ in range(3))})
            return
        stored = ratios.read()[LEVEL][name]
        found = ratios.slower(measure, stored)
    assert found is None, (
        f"{name} takes {found:.3g} times as long as its yardstick, and took {stored:.3g} times as long: "
        f"more than {ratios.FACTOR:g} times the ratio"
    )


def test_there_are_twenty_with_stored_ratios() -> None:
    assert len(BENCHMARKS) == 20
    for level in ("avx2", "baseline"):
        assert set(ratios.read()[level]) == set(BENCHMARKS)
