"""Any number of threads may read a model while one updates it: each answer is that of one state.

What used to fail: readers beside `fold_in` got other users' predictions, because codes were looked up in the
vocabulary of one state and used on the factors of another.
"""

from __future__ import annotations

import pickle
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import cfcore as cf
from tests.contracts.conftest import MODELS, make
from tests.contracts.updating import Update, answers, bits, questions, updates

#: Seconds of reading beside updates, a model.
SECONDS = 0.6
READERS = 3


@pytest.fixture(autouse=True)
def threads_alternate_often() -> Iterator[None]:
    """Switch threads every 10 microseconds, so that an unsafe moment is met soon."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


class Readers:
    """Threads that read a model and compare each answer with those of the states that it may be of."""

    def __init__(self, model: Any, train: cf.Ratings, expected: list[dict[str, bytes]]) -> None:
        self.model, self.expected = model, expected
        self.calls = list(questions(model, train).items())
        self.done = 0  # updates that have returned
        self.stop = False
        self.counts = [0] * len(expected)
        self.wrong: list[str] = []

    def read(self, first: int) -> None:
        """Put all questions in turn until `stop`, and each of them once after it."""
        at, left = first, len(self.calls)
        while left > 0:
            left -= self.stop
            self.ask(*self.calls[at % len(self.calls)])
            at += 1

    def ask(self, name: str, call: Any) -> None:
        """Put one question, and look for the state that the answer is of."""
        before = self.done
        try:
            answer = bits(call())
        except Exception as error:
            self.wrong.append(f"{name}: {type(error).__name__}: {error}")
            return
        # An update that has begun may have exchanged the state already.
        states = range(before, min(self.done + 2, len(self.expected)))
        for state in states:
            if self.expected[state][name] == answer:
                self.counts[state] += 1
                return
        self.wrong.append(f"{name}: the answer of no state from {states[0]} to {states[-1]}")

    def beside(self, calls: list[Update]) -> None:
        """Read while the model is updated by each of the calls."""
        threads = [threading.Thread(target=self.read, args=(first,)) for first in range(READERS)]
        for thread in threads:
            thread.start()
        try:
            for call in calls:
                call(self.model)
                self.done += 1
        finally:
            self.stop = True
            for thread in threads:
                thread.join()


@pytest.mark.parametrize("name", list(MODELS))
def test_readers_beside_a_writer(name: str, train: cf.Ratings) -> None:
    fitted = make(name).fit(train)
    calls, model = updates(fitted, train), pickle.loads(pickle.dumps(fitted))
    expected = [answers(model, train)]
    for call in calls:
        call(model)
        expected.append(answers(model, train))
    assert len({state["predict"] for state in expected}) == len(expected), "an update changes nothing"
    end, rounds, counts = time.monotonic() + SECONDS, 0, [0] * len(expected)
    while time.monotonic() < end or rounds < 2:
        readers = Readers(pickle.loads(pickle.dumps(fitted)), train, expected)
        readers.beside(calls)
        assert not readers.wrong, f"round {rounds}, {len(readers.wrong)} answers: {readers.wrong[:5]}"
        counts = [sum(pair) for pair in zip(counts, readers.counts, strict=True)]
        rounds += 1
    assert sum(count > 0 for count in counts) >= 2, counts


class Torn(cf.Baseline):
    """Looks codes up in one state and lets an update in before it uses them."""

    def predict(self, users: Any, items: Any = None, timestamps: Any = None) -> Any:
        codes = self.encode_users(users), self.encode_items(items)
        time.sleep(0.001)
        return self.score_codes(*codes)


def test_the_check_finds_a_mixed_answer(train: cf.Ratings) -> None:
    """A model that uses one state's codes on another state fails the test above."""
    fitted = Torn().fit(train)
    calls, model = updates(fitted, train), pickle.loads(pickle.dumps(fitted))
    expected = [answers(model, train)]
    for call in calls:
        call(model)
        expected.append(answers(model, train))
    wrong: list[str] = []
    for _ in range(50):
        readers = Readers(pickle.loads(pickle.dumps(fitted)), train, expected)
        readers.beside(calls)
        wrong += readers.wrong
        if wrong:
            break
    assert any("predict" in one for one in wrong)
