"""What a fit is given: validation in codes, and the state made of a model's parameters."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.state import ParameterState, State, known_of
from tests.models.core.examples import DATA

TRAIN = cf.Ratings(*DATA)


def context(**given: Any) -> FitContext:
    """The context of a fit to TRAIN."""
    return FitContext(known_of(TRAIN), "Example", np.random.default_rng(0), **given)


def test_it_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        context().patience = 3  # type: ignore[misc]
    assert context().scale == (1.0, 5.0)
    assert context().held_out is None


def test_validation_in_codes() -> None:
    given = cf.Ratings([3, 1, 9], [40, 77, 10], [4.0, 2.0, 5.0], [7, 8, 9])
    held_out = context(validation=given).held_out
    assert held_out is not None
    users, items, timestamps, values = held_out
    assert users.tolist() == [2, 0, -1]
    assert items.tolist() == [3, -1, 0]
    assert timestamps is not None
    assert timestamps.tolist() == [7, 8, 9]
    assert values.dtype == np.float64
    assert values.tolist() == [4.0, 2.0, 5.0]


def test_users_and_items_without_training_ratings_are_unknown() -> None:
    part = TRAIN.subset(np.arange(6))  # 40 is in the vocabulary
    known = FitContext(known_of(part), "Example", np.random.default_rng(0), validation=TRAIN)
    assert known.held_out is not None
    assert known.held_out[1].tolist() == [0, 1, 0, 2, 1, 2, -1]


def test_a_state_of_parameters_of_any_name() -> None:
    state = context().state(weights=np.arange(3.0), note=("a", 1), n_epochs=4, mean=2.5)
    assert isinstance(state, ParameterState)
    assert state.public("weights").tolist() == [0.0, 1.0, 2.0]
    assert state.public("note") == ("a", 1)
    assert (state.n_epochs, state.mean) == (4, 2.5)  # fields of every state
    np.testing.assert_array_equal(state.user_ids, TRAIN.user_ids)
    with pytest.raises(KeyError):
        state.public("parameters")


def test_a_state_of_a_class() -> None:
    state = context().state(State, history={"train_rmse": [1.0]})
    assert type(state) is State
    assert state.mean == TRAIN.mean
    assert state.history == {"train_rmse": [1.0]}
    with pytest.raises(TypeError, match="weights"):
        context().state(State, weights=np.arange(3.0))


def test_a_fit_gives_its_arguments() -> None:
    """What `fit` is given arrives in the context, and nothing of it stays on the model."""
    seen: list[FitContext] = []

    class Watched(cf.Model):
        def __init__(
            self, *, random_state: Any = None, n_threads: int | None = None, verbose: int = 0
        ) -> None:
            self.random_state = random_state
            self.n_threads = n_threads
            self.verbose = verbose

        def _fit(self, train: cf.Ratings, context: FitContext) -> State:
            seen.append(context)
            state: State = context.state()
            return state

    def callback(epochs: int, history: dict[str, list[float]]) -> None:
        raise AssertionError("a model without epochs")

    model = Watched(random_state=7, n_threads=2, verbose=1)
    before = set(vars(model))
    model.fit(TRAIN, validation=TRAIN, early_stopping=3, callback=callback)
    (given,) = seen
    assert (given.name, given.n_threads, given.verbose, given.patience) == ("Watched", 2, True, 3)
    assert given.callback is callback
    assert given.rng.random() == np.random.default_rng(7).random()
    assert given.checkpoint is None
    assert dict(given.side) == {}
    assert len(vars(model)) == len(before) + 1  # the state
