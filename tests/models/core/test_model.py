"""What `Model` gives to a class that derives from it."""

from __future__ import annotations

import doctest
import inspect
import pickle
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.core.params import check_choice, check_flag, check_number
from cfcore.models.recommend.ranking import best
from tests.models.core.examples import DATA, ItemMean

Array = np.ndarray[Any, Any]


def test_the_order_of_recommendations_is_that_before_clipping() -> None:
    model = ItemMean(stretch=10.0).fit((*DATA[:2], [5.0, 1.0, 5.0, 3.0, 2.0, 5.0, 4.9]))
    ids, scores = model.recommend(9)
    # 10 and 40 are both above 5; 10 is further above.
    assert ids.tolist() == [10, 40, 30, 20]
    assert scores[:2].tolist() == [5.0, 5.0]
    assert model.predict([9, 9], [10, 20]).tolist() == [5.0, 1.0]


def test_timestamps_reach_the_model_as_integers() -> None:
    model = ItemMean().fit(DATA)
    for given, asked in (
        (([1, 2], [10, 10], np.array(["2020-01-01", "2020-01-02"], "datetime64[D]")),
         [1577836800, 1577923200]),
        ((([1, 2], [10, 10], [0, 0], [5, 6]),), [5, 6]),
        ((1, [10, 20], 7), [7, 7]),
        ((1, 10, datetime(1970, 1, 2)), [86_400]),
    ):  # fmt: skip
        model.predict(*given)
        assert ItemMean.asked[0].tolist() == asked
    model.predict(1, 10)
    assert ItemMean.asked == [None]
    with pytest.raises(TypeError, match="timestamps"):
        model.predict((1, 10), timestamps=3)
    model.predict([1, 2], [10, 10], [0.5, 1])  # left out: the model does not need them
    assert ItemMean.asked == [None]


def test_similar_items_leave_out_those_that_cannot_be_compared() -> None:
    model = ItemMean().fit(DATA)
    ids, similarities = model.similar_items(40)
    assert ids.tolist() == [30, 20]  # 10 has NaN, 40 is the item itself
    assert (np.diff(similarities) < 0).all()
    with pytest.raises(TypeError, match="ItemMean does not compare users"):
        model.similar_users(1)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("half-way")])
def test_an_interrupted_fit_leaves_the_model_unfitted(error: BaseException) -> None:
    model = ItemMean().fit(DATA)
    model.fail = error
    with pytest.raises(type(error)):
        model.fit(DATA)
    assert not model.is_fitted()
    assert not [name for name in dir(model) if name.endswith("_") and not name.startswith("_")]
    with pytest.raises(cf.NotFittedError):
        model.predict(1, 10)
    model.fail = None
    assert model.fit(DATA).predict(9, 10) == 5.0


def test_a_refused_parameter_keeps_the_earlier_fit() -> None:
    model = ItemMean().fit(DATA).set_params(stretch=-1)
    with pytest.raises(ValueError, match="stretch"):
        model.check_params()
    with pytest.raises(ValueError, match="stretch"):
        model.fit(DATA)
    assert model.predict(9, 10) == 5.0


# ---------------------------------------------------------------------- files of a user's own class


def test_a_class_of_ones_own_can_be_saved(tmp_path: Path) -> None:
    model = ItemMean(stretch=0.5).fit(DATA)
    model.save(tmp_path / "own")
    loaded = cf.load(tmp_path / "own")
    assert type(loaded) is ItemMean
    assert loaded.unused_ is None
    assert loaded.note_ == ("fitted", 1, None)
    np.testing.assert_array_equal(loaded.offsets_, model.offsets_)
    np.testing.assert_array_equal(loaded.predict(*DATA[:2]), model.predict(*DATA[:2]))


def test_the_example_of_the_docstring(tmp_path: Path) -> None:
    """It runs as it is printed, its class has ten lines, and its model is saved and loaded."""
    # The class is found again by the module it says it is of.
    names: dict[str, Any] = {"__name__": __name__}
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    example = parser.get_doctest(inspect.cleandoc(cf.Model.__doc__ or ""), names, "Model", None, None)
    runner.run(example, clear_globs=False)
    assert runner.summarize(verbose=False).failed == 0
    classes = [one.source for one in example.examples if one.source.startswith("class ")]
    assert len(classes) == 1
    assert len(classes[0].strip().splitlines()) <= 10
    model = example.globs["model"]
    model.save(tmp_path / "own")
    loaded = cf.load(tmp_path / "own")
    assert type(loaded) is type(model)
    asked = ["ann", "bob", "cid"], ["y", "y", "?"]
    np.testing.assert_array_equal(loaded.predict(*asked), model.predict(*asked))
    assert loaded.recommend("bob")[0].tolist() == ["y"]


def test_a_class_that_is_not_imported_is_named(tmp_path: Path) -> None:
    """Loading imports nothing that a file names: the error says what the caller has to import."""
    ItemMean().fit(DATA).save(tmp_path / "own")
    content = (tmp_path / "own").read_bytes()
    assert b"tests.models.core.examples.ItemMean" in content
    from cfcore import codec

    header, arrays = codec.read(tmp_path / "own")
    codec.write(tmp_path / "own", header | {"class": "somewhere.else.Mean"}, arrays)
    with pytest.raises(cf.FileFormatError, match=r"somewhere\.else\.Mean.*import the module"):
        cf.load(tmp_path / "own")


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


def test_a_parameter_that_cannot_be_saved_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="inner"):
        ItemMean(inner=print).fit(DATA).save(tmp_path / "own")
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------- the interface on codes


def test_codes_of_raw_ids() -> None:
    part = cf.Ratings(*DATA).subset(np.arange(6))  # 40 stays in the vocabulary, without a rating
    model = ItemMean().fit(part)
    assert model.encode_items([40, 10, 7, 30]).tolist() == [-1, 0, -1, 2]
    assert model.encode_users(3).tolist() == [2]
    assert model.encode_items(10).dtype == np.int32
    with pytest.raises(cf.DataError, match="user"):
        model.encode_users(["ann"])
    for call in (ItemMean().encode_users, ItemMean().encode_items):
        with pytest.raises(cf.NotFittedError):
            call([1])


def test_known_users_items_and_pairs() -> None:
    model = ItemMean().fit(cf.Ratings(*DATA).subset(np.arange(6)))
    assert model.is_known([1, 9]).tolist() == [True, False]
    assert model.is_known(items=[40, 10]).tolist() == [False, True]
    assert model.is_known([1, 1, 9, 9], [10, 40, 10, 40]).tolist() == [True, False, False, False]
    assert model.is_known(1, [10, 40]).tolist() == [True, False]
    with pytest.raises(TypeError, match="users, items or both"):
        model.is_known()


def test_scores_of_codes_are_not_clipped() -> None:
    model = ItemMean(stretch=10.0).fit(DATA)
    users, items = model.encode_users([1, 9, 9]), model.encode_items([10, 20, 7])
    scores = model.score_codes(users, items)
    assert scores.dtype == np.float64
    assert scores[0] > 5 > scores[2] > 1 > scores[1]
    np.testing.assert_array_equal(np.clip(scores, 1, 5), model.predict([1, 9, 9], [10, 20, 7]))
    with pytest.raises(cf.NotFittedError):
        ItemMean().score_codes(users, items)


def test_similarity_row() -> None:
    model = ItemMean().fit(DATA)
    row = model.similarity_row("item", 3)
    assert row.shape == (4,)
    assert np.isnan(row[0])
    assert row[3] == 0
    with pytest.raises(TypeError, match="ItemMean does not compare users"):
        model.similarity_row("user", 0)
    with pytest.raises(cf.NotFittedError):
        ItemMean().similarity_row("item", 0)


def test_a_model_without_its_methods_says_so() -> None:
    class Empty(cf.Model):
        pass

    with pytest.raises(NotImplementedError):
        Empty().fit(DATA)


# ---------------------------------------------------------------------- hyper-parameters


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


def test_a_class_describes_itself() -> None:
    model = ItemMean(stretch=0.5, random_state=np.random.SeedSequence(3))
    described = model.describe()
    assert described["class"] == "tests.models.core.examples.ItemMean"
    again = cf.Model.from_description(described, lambda name: ItemMean)
    assert again.describe() == described
    assert not again.is_fitted()


def test_input_without_pairs_or_ratings_is_refused() -> None:
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
        (True, TypeError), ("3", TypeError), (None, TypeError), (2.5, TypeError), (0, ValueError)
    ):  # fmt: skip
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
