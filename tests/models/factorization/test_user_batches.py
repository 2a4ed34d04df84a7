"""User batches, and epochs over them: as a whole, and part by part in other processes."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.kernels.records import ImplicitSets
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.implicit_pairs import joined
from cfcore.models.core.state import known_of
from cfcore.models.factorization.implicit_terms import Term, stacked
from cfcore.models.factorization.user_batches import UserBatches, overlap

Array = np.ndarray[Any, Any]

#: Models whose trainers run epochs in parts.
MODELS: dict[str, Any] = {
    "SVDpp": cf.SVDpp(n_factors=5),
    "SVDpp-implicit": cf.SVDpp(n_factors=20, dtype="float64"),
    "TimeSVDpp": cf.TimeSVDpp(n_factors=5),
    "TimeSVDpp-few": cf.TimeSVDpp(n_factors=3, day_factors=False, item_weeks=True, dtype="float64"),
}


def some_ratings() -> cf.Ratings:
    """Ratings of users and items of whom some have none."""
    rng = np.random.default_rng(0)
    cells = rng.choice(60 * 40, 1200, replace=False)
    times = 880_000_000 + 86_400 * rng.integers(0, 30, 1200)
    return cf.Ratings(cells // 40, cells % 40, rng.integers(1, 6, 1200).astype(np.float32), times)


def trainer_of(name: str) -> Any:
    """A trainer, the same whenever it is made."""
    train = some_ratings()
    pairs = joined(train, ([1, 2, 3], [39, 50, 51])) if name.endswith("implicit") else None
    context = FitContext(
        known_of(train), "model", np.random.default_rng(3), n_threads=1, side={"implicit": pairs}
    )
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


@pytest.mark.parametrize("name", list(MODELS))
def test_parts_in_other_processes_give_the_bits_of_an_epoch(name: str) -> None:
    expected, here = trainer_of(name), trainer_of(name)
    arrays = {key: array.copy() for key, array in here.arrays().items()}
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for k in range(2):
            error = expected.epoch(k)
            parts, results = here.parts(k), []
            for part in parts:
                arrays, found = pool.submit(run_elsewhere, name, arrays, part).result()
                results.append(found)
            for key, array in expected.arrays().items():
                np.testing.assert_array_equal(arrays[key], array, err_msg=key)
            assert here.error(parts, results) == error


@pytest.mark.parametrize("name", list(MODELS))
def test_an_epoch_is_its_parts(name: str) -> None:
    one, two = trainer_of(name), trainer_of(name)
    for k in range(3):
        error = one.epoch(k)
        parts = two.parts(k)
        assert two.error(parts, [two.run_part(part) for part in parts]) == error
        for key, array in one.arrays().items():
            np.testing.assert_array_equal(two.arrays()[key], array, err_msg=key)


def test_parts_of_an_epoch_are_all_batches_once() -> None:
    trainer = trainer_of("SVDpp")
    first, second = trainer.parts(0), trainer.parts(1)
    for k, parts in enumerate((first, second)):
        assert sorted(part.batch for part in parts) == list(range(trainer.batches.layout.n_batches))
        assert [part.stage for part in parts] == list(range(len(parts)))
        assert {part.epoch for part in parts} == {k}
    assert [part.batch for part in first] != [part.batch for part in second]


@pytest.mark.parametrize("name", list(MODELS))
def test_predictions_of_a_trainer_are_those_of_its_state(name: str) -> None:
    trainer = trainer_of(name)
    trainer.epoch(0)
    state = trainer.state(trainer.arrays(), {"train_rmse": [1.0]}, 1)
    fields = {field.name: getattr(state, field.name) for field in state.array_fields()}
    model = MODELS[name].with_parameters(**fields, scale=state.scale, mean=state.mean)
    # Trainers predict by the biases alone where one side is unknown.
    users, items = np.array([0, 5, -1], dtype=np.int32), np.array([3, 7, -1], dtype=np.int32)
    times = np.full(3, 880_000_000 + 5 * 86_400)
    for given in (None, times):
        found = trainer.predict(users, items, given)
        np.testing.assert_array_equal(found, model.score_codes(users, items, given))


# ---------------------------------------------------------------------- batches


@pytest.mark.parametrize("n_users", [1, 15, 16, 40, 1000, 9000])
def test_batches_hold_every_rating_once(n_users: int) -> None:
    rng = np.random.default_rng(0)
    cells = rng.choice(n_users * 50, min(n_users * 20, 20_000), replace=False)
    train = cf.Ratings(cells // 50, cells % 50, np.ones(len(cells)))
    sets = ImplicitSets(*train.items_by_user, 50)
    layout = UserBatches(train, sets, np.zeros((50, 16), dtype="f4"), rng, 1).layout
    assert min(train.n_users, 16) <= layout.n_batches <= train.n_users
    stripe = np.searchsorted(layout.stripe_ptr, layout.ratings["user"], side="right") - 1
    block = np.repeat(np.arange(layout.n_blocks), np.diff(layout.block_ptr))
    assert np.array_equal(stripe, block // layout.n_item_stripes)
    assert sorted(zip(layout.ratings["user"], layout.ratings["item"], strict=True)) == sorted(
        zip(train.user_codes, train.item_codes, strict=True)
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_overlap_of_sets(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    held = rng.random((30, 20)) < rng.uniform(0, 1, 20)
    held[3] = False
    indptr = np.append(0, np.cumsum(held.sum(axis=1)))
    weights = np.where(held, np.maximum(held.sum(axis=1), 1)[:, None] ** -0.5, 0.0)
    if weighted:
        weights = np.where(held, rng.normal(size=held.shape), 0.0)
    given = weights[held].astype(np.float32) if weighted else None
    sets = ImplicitSets(indptr, np.nonzero(held)[1].astype(np.int32), 20, given)
    assert overlap(sets) == pytest.approx((np.abs(weights) @ np.abs(weights).T).mean())


# ---------------------------------------------------------------------- terms


def random_term(rng: np.random.Generator, n_users: int, n_rows: int, weighted: bool) -> Term:
    held = rng.random((n_users, n_rows)) < 0.4
    members = np.nonzero(held)[1].astype(np.int32)
    weights = rng.normal(size=len(members)).astype(np.float32) if weighted else None
    return Term(np.append(0, np.cumsum(held.sum(axis=1))), members, n_rows, weights)


def dense(term: Term) -> Array:
    """Weights by user and row of the table."""
    found = np.zeros((len(term.indptr) - 1, term.n_rows), dtype=np.float32)
    found[np.repeat(np.arange(len(found)), np.diff(term.indptr)), term.members] = term.explicit_weights()
    return found


@pytest.mark.parametrize("weighted", [(False, True), (True, False), (False, False), (True, True, False)])
def test_stacked_terms_are_one_set_over_one_table(weighted: tuple[bool, ...]) -> None:
    rng = np.random.default_rng(0)
    terms = [random_term(rng, 9, 5 + k, w) for k, w in enumerate(weighted)]
    sets = stacked(terms)
    whole = Term(sets.indptr, sets.members, sets.n_rows, sets.weights)
    np.testing.assert_array_equal(dense(whole), np.hstack([dense(term) for term in terms]))


def test_one_term_is_its_own_set() -> None:
    term = random_term(np.random.default_rng(0), 9, 5, False)
    sets = stacked([term])
    assert sets.members is term.members
    assert sets.weights is None
