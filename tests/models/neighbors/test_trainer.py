"""The trainer of ItemKNN and UserKNN: its pass over all pairs is its parts, which any process may run."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.state import known_of
from cfcore.models.neighbors.similarities import Rows
from cfcore.models.neighbors.trainer import NeighborTrainer
from tests.contracts.conftest import numbers

Array = np.ndarray[Any, Any]

SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "items": ("ItemKNN", {}),
    "items, levels": ("ItemKNN", {"similarity": "pearson", "center": None, "no_overlap": 1.0}),
    "items, rows": ("ItemKNN", {"storage": 7, "similarity": "cosine", "center": "zscore"}),
    "users": ("UserKNN", {}),
    "users, rows": ("UserKNN", {"storage": 9, "similarity": "adjusted_cosine", "center": "mean"}),
}


def train() -> cf.Ratings:
    return cf.Ratings(*numbers(n_users=700, n_items=400, n=70_000))


def model_of(name: str, n_threads: int = 1) -> Any:
    class_name, params = SETTINGS[name]
    return getattr(cf, class_name)(**params, n_threads=n_threads)


def trainer_of(name: str, n_threads: int = 1) -> NeighborTrainer:
    """A trainer, the same whenever it is made with the same arguments."""
    ratings = train()
    context = FitContext(known_of(ratings), name, np.random.default_rng(0), n_threads)
    trainer: NeighborTrainer = model_of(name).trainer(ratings, context)
    return trainer


def run_elsewhere(name: str, arrays: dict[str, Array] | None, part: Rows) -> dict[str, Array]:
    """Rows of the live arrays after a part that a trainer of this process has run, on given ones or none."""
    trainer = trainer_of(name)
    for given, array in (arrays or {}).items():
        trainer.arrays()[given][...] = array
    trainer.run_part(part)
    return {given: array[part.begin : part.end] for given, array in trainer.arrays().items()}


@pytest.mark.parametrize("name", SETTINGS)
def test_parts_in_other_processes_give_the_bits_of_a_fit(name: str) -> None:
    expected = model_of(name).fit(train())
    here = trainer_of(name)
    parts = here.parts()
    assert sum(part.stage == 0 for part in parts) == 3
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for stage in (0, 1):
            own = [part for part in parts if part.stage == stage]
            given = here.arrays() if stage else None
            tasks = [pool.submit(run_elsewhere, name, given, part) for part in own]
            for part, task in zip(own, tasks, strict=True):
                for array_name, rows in task.result().items():
                    here.arrays()[array_name][part.begin : part.end] = rows
    state = here.state(here.arrays())
    for field in state.array_fields():
        np.testing.assert_array_equal(
            getattr(state, field.name), getattr(expected, f"{field.name}_"), err_msg=field.name
        )
    assert dict(state.rule) == expected.rule_


def test_parts_are_cut_by_the_data_alone() -> None:
    for name in SETTINGS:
        assert trainer_of(name).parts() == trainer_of(name, n_threads=4).parts()


def test_a_part_changes_its_own_rows_only() -> None:
    trainer = trainer_of("users, rows")
    for array in trainer.arrays().values():
        array[...] = 77
    part = trainer.parts()[1]
    trainer.run_part(part)
    for array in trainer.arrays().values():
        outside = np.delete(array, np.s_[part.begin : part.end], axis=0)
        assert (outside == 77).all()
        assert (array[part.begin : part.end] != 77).any()
    assert trainer.carried() == {}
