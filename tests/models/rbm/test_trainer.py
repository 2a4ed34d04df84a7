"""The trainer of RBM: an epoch is its parts, which any process may run; states share no live array."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.state import known_of
from cfcore.models.rbm.cases import find_cases, find_levels, sharing_of, transposed
from cfcore.models.rbm.inference import Settings
from cfcore.models.rbm.schedule import Schedule
from cfcore.models.rbm.trainer import Averaging, Batches, RBMTrainer, Training
from tests.contracts.conftest import numbers

Array = np.ndarray[Any, Any]

#: So many Gibbs steps that an epoch is cut into several ranges of mini-batches.
MANY_STEPS = 330
PLAIN: dict[str, Any] = {"by": "item"}
ALL: dict[str, Any] = {"by": "user", "momentum": 0.5, "persistent": True, "conditional": False}
IMPLICIT: dict[str, Any] = {"by": "item", "implicit": True}


def trainer_of(
    *,
    by: str = "item",
    cd_steps: int = 1,
    n_hidden: int = 300,
    momentum: float = 0.0,
    persistent: bool = False,
    conditional: bool = True,
    implicit: bool = False,
    n_threads: int | None = 1,
) -> RBMTrainer:
    """A trainer, the same whenever it is made with the same arguments."""
    train = cf.Ratings(*numbers(n_users=150, n_items=90, n=6000))
    levels = find_levels(train.values)
    rated = None
    if implicit:  # all users know all items
        indptr = np.arange(train.n_users + 1) * train.n_items
        items = np.tile(np.arange(train.n_items, dtype=np.int32), train.n_users)
        rated = transposed(indptr, items, train.n_items)
    schedule = Schedule(8, (0.05, 0.01, 0.01, 0.01), 0.9, (momentum, momentum), (cd_steps,), average=True)
    training = Training(
        schedule, n_hidden, conditional, sharing_of(levels, "ordinal"), 0.01, 20, True, persistent
    )
    context = FitContext(known_of(train), "RBM", np.random.default_rng(7), n_threads)
    settings = Settings(by == "user", False, "mean", n_threads)
    return RBMTrainer(find_cases(train, levels, by, rated), levels, rated, training, settings, context)


def live(trainer: RBMTrainer) -> dict[str, Array]:
    """All live arrays."""
    return {**trainer.arrays(), **trainer.carried()}


def run_elsewhere(options: dict[str, Any], arrays: dict[str, Array], part: Any) -> dict[str, Array]:
    """The live arrays after a part that a trainer of this process has run on given ones."""
    trainer = trainer_of(**options)
    for name, array in live(trainer).items():
        array[...] = arrays[name]
    trainer.run_part(part)
    return live(trainer)


@pytest.mark.parametrize("given", [PLAIN, ALL, IMPLICIT], ids=["plain", "all", "implicit"])
def test_parts_in_other_processes_give_the_bits_of_an_epoch(given: dict[str, Any]) -> None:
    options = {**given, "cd_steps": MANY_STEPS}
    expected, here = trainer_of(**options), trainer_of(**options)
    arrays = live(here)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for epoch in (5, 6, 7):  # of 8, of which the last three are averaged
            assert np.isfinite(expected.epoch(epoch))
            parts = here.parts(epoch)
            assert len(parts) >= 3
            for part in parts:
                arrays = pool.submit(run_elsewhere, options, arrays, part).result()
            for name, array in live(expected).items():
                np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    assert not np.array_equal(arrays["weights"], arrays["latest_weights"][:, :, :300])  # a mean


@pytest.mark.parametrize("given", [PLAIN, ALL], ids=["plain", "all"])
def test_an_epoch_is_its_parts_and_the_error(given: dict[str, Any]) -> None:
    one, two = trainer_of(**given, n_hidden=20), trainer_of(**given, n_hidden=20)
    errors = []
    for epoch in range(3):
        errors.append(one.epoch(epoch))
        for part in two.parts(epoch):
            two.run_part(part)
        for name, array in live(one).items():
            np.testing.assert_array_equal(live(two)[name], array, err_msg=name)
    assert errors[0] > errors[1] > errors[2] > 0


def test_parts_are_all_rated_cases_once_and_the_averaging() -> None:
    for n_threads in (1, 2):
        trainer = trainer_of(cd_steps=MANY_STEPS, n_threads=n_threads)
        *ranges, last = trainer.parts(6)
        assert isinstance(last, Averaging)
        assert last.n_averaged == 2
        assert all(isinstance(part, Batches) for part in ranges)
        order = np.concatenate([part.order for part in ranges])
        np.testing.assert_array_equal(np.sort(order), np.flatnonzero(np.diff(trainer.cases.indptr)))
        assert [part.first for part in ranges] == [part.first for part in trainer_of(
            cd_steps=MANY_STEPS).parts(6)[:-1]]  # fmt: skip
        assert not np.array_equal(order, np.sort(order))


def test_the_error_of_parameters_that_are_not_finite() -> None:
    trainer = trainer_of(n_hidden=8)
    trainer.latest.weights[3, 1, 2] = np.inf
    assert np.isnan(trainer.epoch(0))


def test_validation_predictions_are_those_of_the_state() -> None:
    trainer = trainer_of(n_hidden=8)
    trainer.epoch(0)
    state = trainer.state(trainer.arrays(), {"train_rmse": [1.0]}, 1)
    users, items = np.array([0, 5, -1, 7, -1], dtype=np.int32), np.array([3, -1, 2, 9, -1], dtype=np.int32)
    model = cf.RBM().with_parameters(
        **{field.name: getattr(state, field.name) for field in state.array_fields()},
        scale=state.scale, mean=state.mean,
    )  # fmt: skip
    np.testing.assert_array_equal(trainer.predict(users, items, None), model.score_codes(users, items))


def test_states_of_copies_stay_when_training_goes_on() -> None:
    trainer = trainer_of(n_hidden=8)
    trainer.epoch(0)
    copies = {name: array.copy() for name, array in trainer.arrays().items()}
    state = trainer.state(copies, {}, 1)
    weights, inputs = state.weights.copy(), state.inputs(1).copy()
    trainer.epoch(1)
    np.testing.assert_array_equal(state.weights, weights)
    np.testing.assert_array_equal(state.inputs(2), inputs)
    for field in state.array_fields():
        held = getattr(state, field.name)
        assert held is None or not held.flags.writeable


def test_an_array_that_is_not_sound_is_named() -> None:
    trainer = trainer_of(n_hidden=8)
    state = trainer.state(trainer.arrays(), {}, 0)
    levels = state.levels[::-1]
    broken = [
        ({"levels": levels}, "levels_"),
        ({"weights": np.full_like(state.weights, np.nan)}, "weights_"),
        ({"visible_bias": state.visible_bias[:-1]}, "visible_bias_"),
        ({"case_units": state.case_units[::-1]}, "case_units_"),
        ({"case_levels": state.case_levels + np.uint8(1)}, "case_levels_"),
        ({"case_indptr": state.case_indptr[:-1]}, "case_indptr_"),
        ({"rated_units": state.case_units}, "rated_indptr_"),
    ]
    for changes, name in broken:
        with pytest.raises(ValueError, match=name):
            state.replaced(**changes)
    assert replace(state).verified()
