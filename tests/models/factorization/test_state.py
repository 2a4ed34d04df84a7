"""The frozen state of the factor models: served parameters, what is derived from them, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.state import known_of

PARAMETERS = ("user_factors_", "item_factors_", "user_bias_", "item_bias_")


def some_ratings() -> cf.Ratings:
    rng = np.random.default_rng(0)
    cells = rng.choice(30 * 20, 400, replace=False)
    return cf.Ratings(cells // 20, cells % 20, rng.integers(1, 6, 400).astype(np.float32))


RATINGS = some_ratings()


@pytest.fixture
def model() -> cf.SVD:
    return cf.SVD(n_factors=5, n_epochs=4, random_state=0).fit(RATINGS)


def served(n_factors: int = 3, dtype: str = "float32", **given: Any) -> cf.SVD:
    """A model of factors trained elsewhere."""
    rng = np.random.default_rng(1)
    given = {
        "user_ids": np.array(["ann", "bob"]),
        "item_ids": np.array([10, 20, 30]),
        "scale": (1, 5),
        "mean": 3.0,
        "user_factors": rng.normal(0, 1, (2, n_factors)).astype(dtype),
        "item_factors": rng.normal(0, 1, (3, n_factors)).astype(dtype),
        **given,
    }
    return cf.SVD(n_factors=n_factors).with_parameters(**given)


def test_factors_trained_elsewhere_are_served() -> None:
    model = served(rates={"lr": 0.01, "reg": 0.1, "lr_bias": 0.01, "reg_bias": 0.1})
    inner = model.user_factors_ @ model.item_factors_.T
    np.testing.assert_allclose(model.predict(["ann", "bob"], [20, 30]), 3 + inner[[0, 1], [1, 2]], rtol=1e-6)
    assert not model.user_bias_.any()
    assert model.predict("eve", 99) == 3.0
    assert len(model.recommend("bob", 3)[0]) == 3
    assert model.similar_items(10)[0].tolist() != []
    model.fold_in((["eve", "eve"], [10, 20], [5, 4]))
    assert model.predict("eve", 10) > 3.5
    before = model.item_factors_.copy()
    model.partial_fit((["eve", "ann"], [10, 40], [5, 1]), n_epochs=2)
    assert model.item_ids_.tolist() == [10, 20, 30, 40]
    assert model.n_epochs_ == 2
    assert not np.array_equal(model.item_factors_[:3], before)


def test_further_training_needs_rates_and_says_how_to_give_them() -> None:
    model = served()
    with pytest.raises(ValueError, match=r"partial_fit needs lr .*with_parameters\(rates=\{\"lr\": \.\.\., "):
        model.partial_fit((["eve"], [10], [5]))
    assert model.user_ids_.tolist() == ["ann", "bob"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("item_factors", np.zeros((2, 3), dtype=np.float32), "item_factors_ has shape .* n_items = 3"),
        ("item_factors", np.zeros((3, 4), dtype=np.float32), "item_factors_ has shape .* n_factors = 3"),
        ("user_bias", np.zeros(3, dtype=np.float32), "user_bias_ has shape"),
        ("user_bias", np.zeros(2), r"user_bias_ is of float64 and item_factors_ of float32; .*astype"),
        ("user_factors", np.zeros((2, 3), dtype=np.float16), "user_factors_ must not have dtype float16"),
        ("user_factors", np.zeros((2, 3), dtype=np.int32), "user_factors_ must not have dtype int32"),
        ("item_bias", np.array([0, np.nan, 0], dtype=np.float32), "item_bias_ .* not finite"),
    ],
)
def test_parameters_that_do_not_fit_are_named(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        served(**{name: value})
    with pytest.raises(ValueError, match=message):
        served().with_parameters(**{name: value})


def test_other_parameters_make_another_model(model: cf.SVD) -> None:
    before = model.predict(RATINGS)
    similar = model.similar_items(7)  # what is derived from the old factors is not kept for the new ones
    other = model.with_parameters(item_factors=np.ascontiguousarray(model.item_factors_[::-1]))
    expected = model.mean_ + model.user_bias_[3] + model.item_bias_[7]
    expected += model.user_factors_[3] @ model.item_factors_[-1 - 7]
    assert other.predict(3, 7) == pytest.approx(np.clip(expected, 1, 5), rel=1e-5)
    assert other.similar_items(model.item_ids_[-1 - 7])[0].tolist() != similar[0].tolist()
    np.testing.assert_array_equal(model.predict(RATINGS), before)
    shared = other.with_parameters(user_bias=model.user_bias_ + 1)
    assert shared.predict(3, 7) > other.predict(3, 7)


def test_assigning_factors_says_how_to_set_them(model: cf.SVD) -> None:
    before = model.predict(RATINGS)
    for name in PARAMETERS:
        with pytest.raises(AttributeError, match=rf"model\.with_parameters\({name[:-1]}=\.\.\.\)"):
            setattr(model, name, getattr(model, name) * 2)
        with pytest.raises(ValueError, match="read-only"):
            getattr(model, name)[0] = 1
    np.testing.assert_array_equal(model.predict(RATINGS), before)


@pytest.mark.parametrize("name", ["SVD", "SVDpp"])
def test_cosines_after_similar_items_in_a_callback(name: str) -> None:
    # Large first factors that shrink: norms of an early epoch would make cosines too small or too large.
    model = getattr(cf, name)(n_factors=4, n_epochs=6, reg=3.0, init_scale=1.0, random_state=0)
    asked = []

    def watch(epochs: int, history: dict[str, list[float]]) -> None:
        asked.append(model.similar_items(7, 19)[1])
        model.similar_users(7)

    model.fit(RATINGS, callback=watch)
    unit = model.item_factors_ / np.linalg.norm(model.item_factors_, axis=1, keepdims=True)
    cosines = np.sort(np.delete(unit @ unit[7], 7))[::-1]
    np.testing.assert_allclose(model.similar_items(7, 19)[1], cosines, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(asked[-1], model.similar_items(7, 19)[1])
    assert not np.array_equal(asked[0], asked[-1])
    assert np.abs(model.similar_users(7, 29)[1]).max() <= 1 + 1e-6


def test_rows_of_a_fit_are_held_once() -> None:
    """The padded rows that the kernels read are the memory of the fitted factors; copies have their own."""
    context = FitContext(known_of(RATINGS), "SVD", np.random.default_rng(0))
    trainer = cf.SVD(n_factors=5).trainer(RATINGS, context)
    trainer.epoch(0)
    state = trainer.state(trainer.arrays(), {}, 1)
    copied = trainer.state({name: array.copy() for name, array in trainer.arrays().items()}, {}, 1)
    for one, shared in ((state, True), (copied, False)):
        for kind in ("user", "item"):
            rows, factors = getattr(one, f"{kind}_rows"), getattr(one, f"{kind}_factors")
            assert np.may_share_memory(rows, trainer.arrays()[f"{kind}_factors"]) == shared
            np.testing.assert_array_equal(rows[:, :5], factors)
            assert rows.shape[1] == 16
            assert not rows[:, 5:].any()


def test_fold_in_keeps_the_rows_of_items(model: cf.SVD) -> None:
    before = model.snapshot()
    model.fold_in(([77], [3], [4]))
    assert np.may_share_memory(model.item_factors_, before.item_factors_)
    assert model.predict(77, 3) != before.predict(77, 3)
    np.testing.assert_array_equal(model.similar_items(3)[1], before.similar_items(3)[1])
