"""Fitted attributes are read-only, and a model can be made of them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.checkpoints import same
from tests.contracts.conftest import fitted_names
from tests.contracts.updating import answers

#: What every fitted model shows.
BASE = {
    "user_ids_", "item_ids_", "user_counts_", "item_counts_", "seen_indptr_", "seen_items_",
    "seen_values_", "scale_", "mean_", "history_",
}  # fmt: skip


def test_fitted_attributes(fitted: Any, train: cf.Ratings) -> None:
    names = set(fitted_names(fitted))
    assert names >= BASE
    np.testing.assert_array_equal(fitted.user_ids_, train.user_ids)
    np.testing.assert_array_equal(fitted.item_counts_, train.item_counts)
    assert fitted.seen_indptr_[-1] == len(fitted.seen_items_) == len(fitted.seen_values_) == len(train)
    assert fitted.scale_ == train.scale
    for name in names:
        assert hasattr(fitted, name)


def test_arrays_are_read_only(fitted: Any) -> None:
    arrays = {name: getattr(fitted, name) for name in fitted_names(fitted)}
    arrays = {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    assert len(arrays) >= 6
    for name, array in arrays.items():
        assert not array.flags.writeable, name
        if array.size:
            with pytest.raises(ValueError, match="read-only"):
                array.flat[0] = array.flat[-1]


def test_assigning_names_the_remedy(fitted: Any) -> None:
    for name in [*fitted_names(fitted), "new_"]:
        with pytest.raises(AttributeError, match=rf"model\.with_parameters\({name[:-1]}=\.\.\.\)"):
            setattr(fitted, name, 1)
    with pytest.raises(AttributeError, match=r"with_parameters\(mean=\.\.\.\)"):
        fitted.clone().mean_ = 3.0


def test_lists_and_dicts_are_copies(fitted: Any) -> None:
    """A history or a list of names that a caller changes is not the model's."""
    for name in fitted_names(fitted):
        before, value = copy.deepcopy(getattr(fitted, name)), getattr(fitted, name)
        if isinstance(value, dict):
            for inner in value.values():
                if isinstance(inner, (dict, list)):
                    inner.clear()
        if isinstance(value, (dict, list)):
            value.clear()
            assert repr(getattr(fitted, name)) == repr(before), name


def test_hyper_parameters_are_no_part_of_the_state(fitted: Any, test: cf.Ratings) -> None:
    """A snapshot has the hyper-parameters of its time, too."""
    model = fitted.snapshot()
    kept = model.snapshot()
    params = model.get_params(deep=False)
    expected = fitted.predict(test)
    model.set_params(**dict.fromkeys(params))
    assert kept.get_params(deep=False) == params == fitted.get_params(deep=False)
    np.testing.assert_array_equal(kept.predict(test), expected)


def test_a_model_of_the_same_parameters_is_the_same(fitted: Any, test: cf.Ratings) -> None:
    values = {name[:-1]: getattr(fitted, name) for name in fitted_names(fitted)}
    if "members" in values:
        values["members"] = tuple(values["members"])
    for made in (fitted.with_parameters(), fitted.clone().with_parameters(**values)):
        assert made is not fitted
        np.testing.assert_array_equal(made.predict(test), fitted.predict(test))
        for one, other in zip(
            made.recommend(test.user_ids, 5), fitted.recommend(test.user_ids, 5), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    same(fitted.with_parameters(), fitted)


def test_a_model_holds_its_parameters_and_one_state(fitted: Any, train: cf.Ratings) -> None:
    """Nothing that a call derives is kept on the model."""
    model = fitted.snapshot()
    answers(model, train)
    held = vars(model)
    assert len(held) == 1 + len(model.get_params(deep=False))
    assert held.keys() > model.get_params(deep=False).keys()
    assert vars(fitted.snapshot()).keys() == held.keys()


def test_another_scale(fitted: Any, test: cf.Ratings) -> None:
    before = fitted.predict(test)
    narrow = fitted.with_parameters(scale=(2, 2.5))
    np.testing.assert_array_equal(narrow.predict(test), np.clip(before, 2, 2.5))
    assert narrow.scale_ == (2.0, 2.5)
    np.testing.assert_array_equal(fitted.predict(test), before)
    with pytest.raises(TypeError, match="there is no parameter 'nonsense'"):
        fitted.with_parameters(nonsense=1)


def test_arrays_of_the_wrong_shape_are_named(fitted: Any) -> None:
    for name in fitted_names(fitted):
        array = getattr(fitted, name)
        if not isinstance(array, np.ndarray) or array.size == 0:
            continue
        with pytest.raises(ValueError, match=f"{name} must have"):
            fitted.with_parameters(**{name[:-1]: array.reshape(1, *array.shape, 1)})
        with pytest.raises(TypeError, match=f"{name} must be an ndarray"):
            fitted.with_parameters(**{name[:-1]: array.tolist()})
