"""`fold_in` and `partial_fit`: hyper-parameters stay, and a model is as it was when they raise."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.checkpoints import same
from tests.contracts.conftest import MODELS, make
from tests.contracts.updating import known_users, new_items, new_users, takes

METHODS = ("fold_in", "partial_fit")
#: Models with each of the methods. `takes` asks an unfitted model.
WITH = {method: [name for name in MODELS if takes(make(name), method)] for method in METHODS}
CASES = [pytest.param(name, method, id=f"{name}-{method}") for method in METHODS for name in WITH[method]]


def more(method: str, train: cf.Ratings) -> tuple[Any, ...]:
    """Ratings that the method takes."""
    return new_users(train) if method == "fold_in" else new_items(train)


def test_models_without_them_say_so(model: Any, train: cf.Ratings) -> None:
    for method in METHODS:
        if hasattr(model, method) and not takes(model, method):
            with pytest.raises(TypeError, match=f"{type(model).__name__} has no {method}"):
                getattr(model.fit(train), method)(new_users(train))


@pytest.mark.parametrize(("name", "method"), CASES)
def test_hyper_parameters_stay(name: str, method: str, train: cf.Ratings) -> None:
    """They are the same after an update, and for a reader during it."""
    model = make(name).fit(train)
    params, seen, stop = model.get_params(), set(), threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.add(repr(sorted(model.get_params().items())))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        options = {"n_epochs": 7} if method == "partial_fit" else {}
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            assert getattr(model, method)(more(method, train), **options) is model
    finally:
        stop.set()
        thread.join()
    assert model.get_params() == params
    assert seen == {repr(sorted(params.items()))}


@pytest.mark.parametrize("name", WITH["partial_fit"])
def test_partial_fit_of_an_unfitted_model(name: str, train: cf.Ratings) -> None:
    model, seen, stop = make(name), set(), threading.Event()
    few = {"n_epochs": 2} if "n_epochs" in model.get_params() else {"n_samples": 2, "burn_in": 0}
    expected = make(name).set_params(**few).fit(train)
    watched = next(iter(few))

    def look() -> None:
        while not stop.is_set():
            seen.add(getattr(model, watched))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(10):
            model = make(name)
            assert model.partial_fit(train, n_epochs=2) is model
    finally:
        stop.set()
        thread.join()
    assert seen == {getattr(model, watched)} != {2}
    np.testing.assert_array_equal(model.predict(train), expected.predict(train))


def bad_calls(method: str, model: Any, train: cf.Ratings) -> dict[str, Callable[[], Any]]:
    """Calls that are refused."""
    call = getattr(model, method)
    users, items, values, times = more(method, train)
    calls: dict[str, Callable[[], Any]] = {
        "nothing": lambda: call(([], [], [], [])),
        "no ratings": lambda: call(3),
        "not a number": lambda: call((users, items, [float("nan"), *values[1:]], times)),
        "off the scale": lambda: call((users, items, [77.0, *values[1:]], times)),
        "strings": lambda: call(([f"u{user}" for user in users], items, values, times)),
        "twice the same pair": lambda: call(([1, 1], [items[0]] * 2, [1.0, 2.0], [0, 0])),
    }
    if method == "fold_in":
        calls["unknown items"] = lambda: call(new_items(train))
        calls["only unknown items"] = lambda: call(([1], [7], [3.0], [0]), unknown_items="ignore")
        calls["bad option"] = lambda: call((users, items, values, times), unknown_items="sometimes")
    else:
        calls["no epochs"] = lambda: call((users, items, values, times), n_epochs=0)
        calls["half an epoch"] = lambda: call((users, items, values, times), n_epochs=0.5)
    if model.needs_timestamps:
        calls["no times"] = lambda: call((users, items, values))
    return calls


@pytest.mark.parametrize(("name", "method"), CASES)
def test_a_refused_call_leaves_the_model_as_it_was(name: str, method: str, train: cf.Ratings) -> None:
    model, whole = make(name).fit(train), make(name).fit(train)
    asked = model.predict(train), *model.recommend(train.user_ids, 5)
    for call in bad_calls(method, model, train).values():
        with pytest.raises((ValueError, TypeError)):
            call()
    same(model, whole)
    for found, expected in zip(
        (model.predict(train), *model.recommend(train.user_ids, 5)), asked, strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    assert model.get_params() == whole.get_params()


@pytest.mark.parametrize("name", WITH["partial_fit"])
def test_an_interrupted_update_leaves_the_model_as_it_was(name: str, train: cf.Ratings) -> None:
    model, whole = make(name).fit(train), make(name).fit(train)
    timer = threading.Timer(0.2, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(train, n_epochs=10**6)
    timer.join()
    same(model, whole)
    assert model.get_params() == whole.get_params()
    # It can be updated as if nothing had been.
    same(model.partial_fit(new_items(train), n_epochs=2), whole.partial_fit(new_items(train), n_epochs=2))


@pytest.mark.parametrize(("name", "method"), CASES)
def test_a_snapshot_keeps_the_state_before(name: str, method: str, train: cf.Ratings) -> None:
    model = make(name).fit(train)
    kept, whole = model.snapshot(), make(name).fit(train)
    for ratings in (more(method, train), known_users(train)):
        getattr(model, method)(ratings)
        same(kept, whole)
    assert not np.array_equal(model.user_ids_, kept.user_ids_)
    np.testing.assert_array_equal(kept.recommend(train.user_ids, 5)[0], whole.recommend(train.user_ids, 5)[0])
