"""Hyper-parameters of all kinds of numbers: right as those of Python are, or refused by name."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.registry import BY_NAME
from tests.contracts.conftest import MODELS, make

RATINGS = cf.datasets.synthetic(30, 20, 200, random_state=0)

#: The same number in other types, for parameters that are this number in Python.
WIDTHS: dict[int, list[Any]] = {
    8: [np.int8(8), np.uint8(8), np.int16(8), np.uint64(8), np.int64(8), np.longlong(8)],
    100: [np.int8(100), np.uint8(100), np.uint16(100)],
}
HUGE = [2**31 - 1, 2**31, np.uint64(2**64 - 1), np.int64(2**63 - 1), 2**63 - 1, 10**30, -(10**30), 10**400]
ODD: list[Any] = [
    np.float16(0.5), np.float32(0.5), np.longdouble(0.5), Fraction(1, 2), float("inf"), float("nan"), 1e300,
    True, np.True_, "8", b"8", None, np.array(8), np.array([8]), 8.0, 1j, np.datetime64("2020-01-01"),
    object(), [1], np.random.RandomState(0), np.random.default_rng(0), np.random.PCG64(0),
]  # fmt: skip


def parameters() -> list[tuple[str, str]]:
    """All models and the names of their hyper-parameters."""
    return [
        (name, parameter)
        for name in (*BY_NAME, "Baseline-sgd")
        for parameter in make(name).get_params(deep=False)
        if parameter != "models"
    ]


def stop(epochs: int, history: Any) -> bool:
    """A callback that ends the fit after an epoch, as many epochs as it may have."""
    return True


def refusal(model: Any) -> str | None:
    """The message of the error by which a fit refuses its hyper-parameters; None for a fit."""
    try:
        model.fit(RATINGS, callback=stop)
    except (ValueError, TypeError, MemoryError, cf.errors.DivergenceError) as error:
        return str(error)
    return None


@pytest.mark.parametrize(("name", "parameter"), parameters())
@pytest.mark.filterwarnings("ignore")
def test_right_or_named(name: str, parameter: str, tmp_path: Path) -> None:
    for value in [*HUGE, *ODD]:
        if parameter == "verbose" or (name == "Blend" and isinstance(value, np.generic)):
            continue
        model = make(name).set_params(**{parameter: value})
        message = refusal(model)
        if message is not None:
            assert parameter in message
            assert len(message) < 400
            continue
        predicted = model.predict(RATINGS)
        assert np.isfinite(predicted).all(), value
        assert np.isfinite(model.recommend(1)[1]).all(), value
        model.save(tmp_path / "model.cf")
        np.testing.assert_array_equal(cf.load(tmp_path / "model.cf").predict(RATINGS), predicted)


@pytest.mark.parametrize(("name", "parameter"), parameters())
@pytest.mark.filterwarnings("ignore")
def test_width_does_not_matter(name: str, parameter: str) -> None:
    for plain, values in WIDTHS.items():
        if parameter == "verbose":
            continue
        usual = make(name).set_params(**{parameter: plain})
        message = refusal(usual)
        for value in values:
            model = make(name).set_params(**{parameter: value})
            assert type(model.get_params()[parameter]) is int
            assert refusal(model) == message
            if message is None:
                np.testing.assert_array_equal(model.predict(RATINGS), usual.predict(RATINGS))


def test_values_of_a_numpy_grid() -> None:
    model = cf.SVD(biased=np.array([False])[0], init=np.array(["uniform"])[0], lr=np.array([0.01])[0])
    assert repr(model) == "SVD(lr=0.01, biased=False, init='uniform')"
    rbm = cf.RBM(
        cd_steps=[np.int8(1), np.int64(2)], lr={"weights": np.float64(0.01)}, momentum=(0, np.int8(0))
    )
    assert repr(rbm) == "RBM(lr={'weights': 0.01}, momentum=(0, 0), cd_steps=[1, 2])"


def test_more_memory_than_there_is() -> None:
    for model in (cf.SVD(n_factors=2**31 - 1), cf.SVDpp(n_factors=2**31 - 1), cf.RBM(n_hidden=2**31 - 1)):
        with pytest.raises(MemoryError, match=r"2147483647.*GiB"):
            model.fit(RATINGS)


@pytest.mark.parametrize(
    "state",
    [
        np.random.RandomState,
        np.random.default_rng,
        np.random.PCG64,
        np.random.SeedSequence,
        np.int8,
        np.uint64,
    ],
)
def test_random_states_of_numpy(state: Any) -> None:
    first, second = (cf.SVD(n_factors=4, n_epochs=2, random_state=state(7)).fit(RATINGS) for _ in range(2))
    np.testing.assert_array_equal(first.predict(RATINGS), second.predict(RATINGS))
    for held in (cf.split.holdout(RATINGS, 0.2, state(7)), next(cf.split.kfold(RATINGS, 3, state(7)))):
        assert len(held[0]) + len(held[1]) == len(RATINGS)
    assert len(cf.selection.cross_validate(cf.Baseline(), RATINGS, 3, random_state=state(7))["fold"]) == 3


def test_a_random_state_advances() -> None:
    shared = np.random.RandomState(0)
    one, other = (cf.split.holdout(RATINGS, 0.2, shared)[1] for _ in range(2))
    assert not np.array_equal(one.user_codes, other.user_codes)


@pytest.mark.parametrize("value", [np.random, "0", 0.0, -1, True, [1, 2]])
def test_no_random_state(value: Any) -> None:
    with pytest.raises(ValueError, match=r"random_state must be .*int.*RandomState.*random_state=0"):
        cf.SVD(random_state=value).fit(RATINGS)


@pytest.mark.parametrize("name", MODELS)
def test_lists_longer_than_all_items(name: str) -> None:
    model = make(name).fit(RATINGS)
    known = int(np.count_nonzero(RATINGS.item_counts))
    for n in (np.int8(100), 10**9, np.uint64(2**40), 10**30):
        assert len(model.recommend(1, n, exclude_seen=False)[0]) == known
        assert model.recommend([1, 2, 99], n)[1].shape == (3, RATINGS.n_items)
        assert sum(len(ids) for _, ids, _ in model.recommend_batches([1, 2], n)) == 2
        if hasattr(model, "similarity_") or hasattr(model, "item_factors_"):
            compare = model.similar_users if name.startswith("UserKNN") else model.similar_items
            assert len(compare(int(RATINGS.users[0]), n)[0]) < max(RATINGS.n_items, RATINGS.n_users)
    for n in (-1, 2.0, "10", True, None):
        for call in (model.recommend, model.similar_items, model.similar_users):
            with pytest.raises((ValueError, TypeError), match="n must be"):
                call(1, n)


def test_counts_of_splits_and_searches() -> None:
    ratings = cf.datasets.synthetic(np.int8(60), np.int8(40), np.int16(900), random_state=np.int8(0))
    assert (ratings.n_users, len(ratings)) == (60, 900)
    assert len(list(cf.split.kfold(ratings, np.int8(100), 0))) == 100
    assert len(list(cf.split.time_folds(ratings, np.int8(127)))) == 127
    assert len(list(cf.split.repeated_kfold(ratings, np.uint8(2), np.int8(3), 0))) == 6
    first = next(iter(cf.split.repeated_kfold(ratings, 2, 10**12, 0)))
    assert len(first[0]) == 450
    found = cf.selection.cross_validate(cf.Baseline(), ratings, np.int8(3), n_jobs=np.int64(1))
    assert len(found["fold"]) == 3
    for seed in (np.int8(3), 2**63 - 1, np.random.RandomState(0), np.random.default_rng(0), None):
        best = cf.selection.search(
            cf.Baseline(), ratings, {"reg_user": (np.float32(1), np.int8(9))}, cv=np.int8(2),
            budget=np.int8(2), random_state=seed,
        )  # fmt: skip
        assert len(best.table["trial"]) == 2
    with pytest.raises(ValueError, match="random_state must be"):
        cf.selection.search(cf.Baseline(), ratings, budget=2, random_state="0")  # type: ignore[arg-type]
    model = cf.Baseline().fit(ratings)
    assert cf.metrics.evaluate(model, ratings, "coverage", k=np.int8(100))["coverage"] > 0
    with pytest.raises(MemoryError, match="k=1000000000000"):
        cf.metrics.evaluate(model, ratings, "coverage", k=10**12)
    with pytest.raises(ValueError, match="n_boot must be an integer from 1 to"):
        cf.metrics.evaluate(model, ratings, n_boot=10**30)
    rbm = cf.RBM(n_hidden=2, n_epochs=1, random_state=0).fit(ratings)
    with pytest.raises(MemoryError, match="n=2000000000"):
        rbm.sample(1, 2 * 10**9)


@pytest.mark.parametrize("name", ["ItemKNN", "UserKNN", "SVD"])
def test_numbers_of_all_kinds_can_be_saved(name: str, tmp_path: Path) -> None:
    parameter = "damping" if "KNN" in name else "reg"
    for value in (np.longdouble(0.5), Fraction(1, 2), np.float32(0.5), np.array(0.5)):
        model = BY_NAME[name].load()(n_threads=np.array(1), **{parameter: value})
        assert model.get_params()[parameter] == 0.5
        model.fit(RATINGS).save(tmp_path / "model.cf")
        assert cf.load(tmp_path / "model.cf").get_params()[parameter] == 0.5
