"""What `Model` gives to a class that derives from it."""

from __future__ import annotations

import pickle
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.core.model import Model
from cfcore.models.core.params import check_choice, check_flag, check_number
from cfcore.models.recommend.ranking import best

Array = np.ndarray[Any, Any]


class ItemMean(Model):
    """A complete model in a few lines: mean + offset of the item, which may lie outside of the scale."""

    _array_names = ("offsets_", "unused_")
    _scalar_names = ("note_",)

    def __init__(
        self, *, stretch: float = 1.0, inner: Any = None, random_state: Any = None, fail: Any = None
    ) -> None:
        self.stretch = stretch
        self.inner = inner
        self.random_state = random_state
        self.fail = fail

    def _check_params(self) -> None:
        check_number("stretch", self.stretch, 0)

    def _fit(self, train: cf.Ratings, validation: cf.Ratings | None, early_stopping: int | None) -> None:
        self.note_ = ("fitted", 1, None)
        if self.fail is not None:
            raise self.fail
        sums = np.bincount(train.item_codes, train.values, train.n_items)
        self.offsets_ = self.stretch * (sums / np.maximum(self.item_counts_, 1) - self.mean_)
        self.unused_ = None

    def _predict_codes(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        self.asked_timestamps = timestamps
        return self.mean_ + np.where(items >= 0, self.offsets_[items], 0)

    def _similarity_to(self, kind: str, code: int) -> Array:
        if kind == "user":
            return super()._similarity_to(kind, code)
        similarity = -np.abs(self.offsets_ - self.offsets_[code])
        similarity[0] = np.nan
        return similarity


DATA = ([1, 1, 2, 2, 3, 3, 3], [10, 20, 10, 30, 20, 30, 40], [5.0, 1.0, 5.0, 3.0, 2.0, 4.0, 5.0])


def test_the_order_of_recommendations_is_taken_before_clipping() -> None:
    model = ItemMean(stretch=10.0).fit((*DATA[:2], [5.0, 1.0, 5.0, 3.0, 2.0, 5.0, 4.9]))
    ids, scores = model.recommend(9)
    # 10 and 40 are both above 5; 10 is further above.
    assert ids.tolist() == [10, 40, 30, 20]
    assert scores[:2].tolist() == [5.0, 5.0]
    assert model.predict([9, 9], [10, 20]).tolist() == [5.0, 1.0]


def test_timestamps_reach_the_model_as_integers() -> None:
    model = ItemMean().fit(DATA)
    model.predict([1, 2], [10, 10], np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]"))
    assert model.asked_timestamps.tolist() == [1577836800, 1577923200]
    model.predict(([1, 2], [10, 10], [0, 0], [5, 6]))
    assert model.asked_timestamps.tolist() == [5, 6]
    model.predict(1, [10, 20], 7)
    assert model.asked_timestamps.tolist() == [7, 7]
    model.predict(1, 10, datetime(1970, 1, 2))
    assert model.asked_timestamps.tolist() == [86_400]
    model.predict(1, 10)
    assert model.asked_timestamps is None
    with pytest.raises(TypeError, match="timestamps"):
        model.predict((1, 10), timestamps=3)
    with pytest.raises(cf.DataError, match="timestamps"):
        model.predict([1, 2], [10, 10], [0.5, 1])


def test_similar_items_leave_out_what_cannot_be_compared() -> None:
    model = ItemMean().fit(DATA)
    ids, similarities = model.similar_items(40)
    assert ids.tolist() == [30, 20]  # 10 has NaN, 40 is the item itself
    assert (np.diff(similarities) < 0).all()
    with pytest.raises(TypeError, match="ItemMean does not compare users"):
        model.similar_users(1)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("half-way")])
def test_a_broken_fit_leaves_the_model_unfitted(error: BaseException) -> None:
    model = ItemMean().fit(DATA)
    model.fail = error
    with pytest.raises(type(error)):
        model.fit(DATA)
    assert not [name for name in vars(model) if name.endswith("_")]
    with pytest.raises(cf.NotFittedError):
        model.predict(1, 10)
    model.fail = None
    assert model.fit(DATA).predict(9, 10) == 5.0


def test_a_refused_parameter_keeps_the_earlier_fit() -> None:
    model = ItemMean().fit(DATA).set_params(stretch=-1)
    with pytest.raises(ValueError, match="stretch"):
        model.fit(DATA)
    assert model.predict(9, 10) == 5.0


def test_a_class_of_ones_own_can_be_saved(tmp_path: Path) -> None:
    model = ItemMean(stretch=0.5).fit(DATA)
    model.save(tmp_path / "own")
    loaded = cf.load(tmp_path / "own")
    assert type(loaded) is ItemMean
    assert loaded.unused_ is None
    assert loaded.note_ == ("fitted", 1, None)
    np.testing.assert_array_equal(loaded.offsets_, model.offsets_)


@pytest.mark.parametrize("random_state", [None, 3, np.int64(3), np.random.SeedSequence(5, spawn_key=(2, 1))])
def test_seeds_are_saved(random_state: Any, tmp_path: Path) -> None:
    ItemMean(random_state=random_state).fit(DATA).save(tmp_path / "own")
    loaded = cf.load(tmp_path / "own").random_state
    if random_state is None:
        assert loaded is None
    else:
        assert np.random.default_rng(loaded).random() == np.random.default_rng(random_state).random()


def test_a_generator_is_not_saved_but_pickled(tmp_path: Path) -> None:
    model = ItemMean(random_state=np.random.default_rng(1)).fit(DATA)
    model.save(tmp_path / "own")
    assert cf.load(tmp_path / "own").random_state is None
    assert pickle.loads(pickle.dumps(model)).random_state.random() == np.random.default_rng(1).random()


def test_what_cannot_be_saved_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="inner"):
        ItemMean(inner=print).fit(DATA).save(tmp_path / "own")
    assert not list(tmp_path.iterdir())


def test_caches_are_not_pickled_and_not_kept_over_a_fit() -> None:
    part = cf.Ratings(*DATA).subset(np.arange(6))
    model = ItemMean().fit(part)
    assert model.predict(1, 40) == model.predict(1, 99)
    assert model._cache
    assert not pickle.loads(pickle.dumps(model))._cache
    model.fit(DATA)
    assert model.predict(1, 40) == 5.0


def test_nested_parameters() -> None:
    model = ItemMean(inner=ItemMean(stretch=2.0))
    assert model.get_params()["inner__stretch"] == 2.0
    assert "inner__stretch" not in model.get_params(deep=False)
    assert model.set_params(inner__stretch=3.0).inner.stretch == 3.0
    other = ItemMean(stretch=7.0)
    model.set_params(inner__stretch=4.0, inner=other)
    assert (other.stretch, model.inner) == (4.0, other)
    copied = model.clone()
    assert copied.inner is not other
    assert copied.inner.stretch == 4.0
    with pytest.raises(ValueError, match="outer__x"):
        model.set_params(outer__x=1)
    assert repr(model) == "ItemMean(inner=ItemMean(stretch=4.0))"


def test_predict_wants_something_that_holds_pairs() -> None:
    with pytest.raises(cf.DataError, match="pairs"):
        ItemMean().fit(DATA).predict(object())
    with pytest.raises(cf.DataError, match="ratings"):
        ItemMean().fit([1, 2, 3])


def test_best_is_a_stable_sort_with_counts_for_ties() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        m = int(rng.integers(0, 30))
        scores, counts = rng.integers(0, 5, m) / 4, rng.integers(0, 3, m)
        wanted = sorted(range(m), key=lambda at: (-scores[at], -counts[at], at))
        for n in (0, 1, 3, m, m + 4):
            assert best(scores, n, counts).tolist() == wanted[:n]


def test_checks_name_the_parameter() -> None:
    check_number("x", 3, 1, 3, integer=True)
    check_number("x", np.float32(0.5), 0, 1)
    check_number("x", None, none=True)
    check_flag("x", np.True_)
    check_choice("x", None, (None, "a"))
    for value, error in (
        (True, TypeError),
        ("3", TypeError),
        (None, TypeError),
        (2.5, TypeError),
        (0, ValueError),
    ):
        with pytest.raises(error, match="count must be"):
            check_number("count", value, 1, integer=True)
    with pytest.raises(ValueError, match="lr must be > 0 and <= 1"):
        check_number("lr", 0.0, 0, 1, open_low=True)
    with pytest.raises(ValueError, match="lr must be >= 0"):
        check_number("lr", float("nan"), 0)
    with pytest.raises(ValueError, match="method must be one of 'als', 'sgd'"):
        check_choice("method", "slow", ("als", "sgd"))
    with pytest.raises(TypeError, match="biased"):
        check_flag("biased", 1)
