"""The same bits on any number of threads, which really run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.config import config
from cfcore.threads import policy, workers_of_last_call
from tests.contracts.conftest import MODELS, compares, has_epochs, make, numbers

COUNTS = (1, 2, 3, 4)

#: Large enough for several stripes and batches of users.
LARGE = cf.Ratings(*numbers(600, 200, 20_000))


class Run:
    """A fit and what the model is asked then, on some number of threads; all calls are worth all threads."""

    def __init__(self, model: Any, train: cf.Ratings, epochs: bool) -> None:
        self.fitting: list[int] = []  # threads of the kernels that ran last: in each epoch, and in the fit
        self.asking: list[int] = []
        with policy(minimum_work=0):
            model.fit(train, callback=self.note if epochs else None)
            self.fitting.append(workers_of_last_call())
            self.answers = [self.asked(model.predict(train)), *self.asked(model.recommend(train.user_ids, 9))]
            for kind in ("item", "user"):
                if compares(model, kind):
                    self.answers.append(self.asked(model.similarity_row(kind, 0)))

    def note(self, epochs: int, history: dict[str, list[float]]) -> None:
        """Note what the epoch ran on."""
        self.fitting.append(workers_of_last_call())

    def asked(self, answer: Any) -> Any:
        """The answer; the state that it was computed on is noted."""
        self.asking.append(workers_of_last_call())
        return answer


@pytest.mark.parametrize(
    "name", [name for name in MODELS if "n_threads" in make(name).get_params(deep=False)]
)
def test_same_bits_on_any_number_of_threads(name: str, train: cf.Ratings) -> None:
    blend = name.startswith("Blend")
    ratings = train if blend else LARGE
    runs = [Run(make(name).set_params(n_threads=n), ratings, has_epochs(name)) for n in COUNTS]
    for run in runs[1:]:
        for found, expected in zip(run.answers, runs[0].answers, strict=True):
            np.testing.assert_array_equal(found, expected)
    assert max(runs[0].fitting + runs[0].asking) <= 1
    if config()["openmp"] and not blend:  # its members have threads of their own
        for n, run in zip(COUNTS[1:], runs[1:], strict=True):
            assert 2 <= max(run.fitting) <= n, run.fitting
            assert 2 <= max(run.asking) <= n, run.asking


@pytest.mark.parametrize(
    "name", [name for name in MODELS if "n_threads" in make(name).get_params(deep=False)]
)
def test_a_small_call_wakes_no_threads(name: str, train: cf.Ratings, test: cf.Ratings) -> None:
    model = make(name).set_params(n_threads=4).fit(train)
    assert workers_of_last_call() <= 1
    model.predict(test)
    assert workers_of_last_call() <= 1
