"""The grid of blocks, and epochs over it: as a whole, and part by part in other processes."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.state import known_of
from cfcore.models.factorization.block_grid import grid, rounds, stripes

Array = np.ndarray[Any, Any]

#: Models whose trainers run epochs in parts.
MODELS: dict[str, Any] = {
    "SVD": cf.SVD(n_factors=5, random_state=0),
    "SVD-sequential": cf.SVD(n_factors=20, update="sequential", clip_error=True, dtype="float64"),
    "SVD-unbiased": cf.SVD(n_factors=3, biased=False),
    "Baseline-sgd": cf.Baseline(method="sgd"),
    "Baseline-als": cf.Baseline(method="als"),
}


def some_ratings() -> cf.Ratings:
    """Ratings of users and items of whom some have none."""
    rng = np.random.default_rng(0)
    cells = rng.choice(60 * 40, 1200, replace=False)
    return cf.Ratings(cells // 40, cells % 40, rng.integers(1, 6, 1200).astype(np.float32))


def trainer_of(name: str) -> Any:
    """A trainer, the same whenever it is made."""
    train = some_ratings()
    context = FitContext(known_of(train), "model", np.random.default_rng(3), n_threads=1)
    return MODELS[name].trainer(train, context)


@cache
def trainer_here(name: str) -> Any:
    """The trainer of a worker process, made once."""
    return trainer_of(name)


def run_elsewhere(name: str, arrays: dict[str, Array], part: Any) -> tuple[dict[str, Array], Any]:
    """The live arrays after a part, run on given arrays, and the result of the part."""
    trainer = trainer_here(name)
    for key, array in trainer.arrays().items():
        array[...] = arrays[key]
    found = trainer.run_part(part)
    return {key: array.copy() for key, array in trainer.arrays().items()}, found


def merged(start: dict[str, Array], ends: list[dict[str, Array]]) -> dict[str, Array]:
    """The rows that each of the parts changed; no two of them may change the same one."""
    found = {name: array.copy() for name, array in start.items()}
    for name, before in start.items():
        changes = [end[name] != before for end in ends]
        assert np.sum([change.reshape(len(before), -1).any(axis=1) for change in changes], axis=0).max() <= 1
        for change, end in zip(changes, ends, strict=True):
            found[name][change] = end[name][change]
    return found


@pytest.mark.parametrize("name", list(MODELS))
def test_parts_in_other_processes_give_the_bits_of_an_epoch(name: str) -> None:
    expected, here = trainer_of(name), trainer_of(name)
    arrays = {key: array.copy() for key, array in here.arrays().items()}
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for k in range(2):
            error = expected.epoch(k)
            parts = here.parts(k)
            results = []
            for _, stage in groupby(parts, key=lambda part: part.stage):
                # All parts of a stage start from the same arrays: they may run at once.
                jobs = [pool.submit(run_elsewhere, name, arrays, part) for part in stage]
                ends = [job.result() for job in jobs]
                arrays = merged(arrays, [end for end, _ in ends])
                results += [found for _, found in ends]
            for key, array in expected.arrays().items():
                np.testing.assert_array_equal(arrays[key], array, err_msg=key)
            if results[0] is not None:
                assert here.error(parts, results) == error


@pytest.mark.parametrize("name", list(MODELS))
def test_an_epoch_is_its_parts(name: str) -> None:
    one, two = trainer_of(name), trainer_of(name)
    for k in range(3):
        one.epoch(k)
        for part in two.parts(k):
            two.run_part(part)
        for key, array in one.arrays().items():
            np.testing.assert_array_equal(two.arrays()[key], array, err_msg=key)


def test_parts_of_an_epoch_are_all_blocks_once() -> None:
    trainer = trainer_of("SVD")
    n_users, n_items = grid(1200, 60, 40, 64)
    first, second = trainer.parts(0), trainer.parts(1)
    for parts in (first, second):
        blocks = np.concatenate([part.blocks for part in parts])
        assert sorted(blocks.tolist()) == list(range(n_users * n_items))
        for _, stage in groupby(parts, key=lambda part: part.stage):
            own = np.concatenate([part.blocks for part in stage])
            assert len(set(own // n_items)) == len(set(own % n_items)) == len(own)
    assert len(first) > len({part.stage for part in first})
    assert any((a.blocks != b.blocks).any() for a, b in zip(first, second, strict=True))


def test_predictions_of_a_trainer_are_those_of_its_state() -> None:
    for name in ("SVD", "SVD-unbiased", "Baseline-als"):
        trainer = trainer_of(name)
        trainer.epoch(0)
        state = trainer.state(trainer.arrays(), {"train_rmse": [1.0]}, 1)
        model = MODELS[name].with_parameters(
            **{field.name: getattr(state, field.name) for field in state.array_fields()},
            scale=state.scale, mean=state.mean,
        )  # fmt: skip
        # Trainers predict by the biases alone where one side is unknown.
        users, items = np.array([0, 5, -1], dtype=np.int32), np.array([3, 7, -1], dtype=np.int32)
        np.testing.assert_array_equal(trainer.predict(users, items, None), model.score_codes(users, items))


# ---------------------------------------------------------------------- the grid


@pytest.mark.parametrize(
    ("n_ratings", "n_users", "n_items"),
    [(1, 1, 1), (10, 3, 1000), (80_000, 943, 1682), (10**6, 6040, 3706), (2 * 10**7, 138_000, 27_000)],
)
def test_grid_fits_users_items_and_caches(n_ratings: int, n_users: int, n_items: int) -> None:
    for row_bytes in (0, 64, 512):
        across, down = grid(n_ratings, n_users, n_items, row_bytes)
        assert 1 <= across <= n_users
        assert 1 <= down <= n_items
        if n_ratings >= 10**6:
            assert n_users * row_bytes / across <= 2**19
            assert n_items * row_bytes / down <= 2**19


@pytest.mark.parametrize(("n_users", "n_items"), [(1, 1), (4, 4), (5, 3), (2, 7)])
def test_rounds_hold_every_block_once_and_share_no_stripe(n_users: int, n_items: int) -> None:
    found = rounds(n_users, n_items)
    assert sorted(found.ravel().tolist()) == list(range(n_users * n_items))
    for blocks in found:
        assert len(set(blocks // n_items)) == len(set(blocks % n_items)) == len(blocks)


def test_stripes_hold_equal_numbers_of_ratings() -> None:
    counts = np.random.default_rng(0).integers(0, 40, 1000)
    stripe = stripes(counts, 16)
    assert (np.diff(stripe) >= 0).all()
    sizes = np.bincount(stripe, weights=counts, minlength=16)
    assert np.abs(sizes - counts.sum() / 16).max() <= 40
    assert stripes(np.zeros(3, dtype=np.int64), 2).max() < 2
