"""Hyper-parameters, by the conventions of scikit-learn."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.contracts.conftest import plain


def test_constructor_only_stores(model: Any) -> None:
    assert vars(model) == model.get_params(deep=False)


def test_constructor_does_not_look_at_values(model: Any) -> None:
    strange = {name: object() for name in model.get_params(deep=False)}
    made = type(model)(**strange)
    assert made.get_params(deep=False) == strange


def test_all_parameters_have_defaults_and_none_is_mutable(model: Any) -> None:
    for parameter in list(inspect.signature(type(model).__init__).parameters.values())[1:]:
        # The one exception: cf.Blend([cf.SVD(), cf.ItemKNN()]) reads well.
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY or parameter.name in (
            "models",
            "chooser",
            "rater",
        )
        assert parameter.default is not inspect.Parameter.empty
        assert not isinstance(parameter.default, (list, dict, set, np.ndarray))


def test_params_round_trip(model: Any) -> None:
    params = model.get_params(deep=False)
    assert type(model)(**params).get_params(deep=False) == params
    assert model.set_params(**params) is model
    with pytest.raises(ValueError, match="nonsense"):
        model.set_params(nonsense=1)
    for name, value in params.items():
        unknown = "inner" if hasattr(value, "set_params") else f"{name}__inner"
        with pytest.raises(ValueError, match=f"no parameter '{unknown}'"):
            model.set_params(**{f"{name}__inner": 1})


def test_clone_is_unfitted_with_equal_params(fitted: Any) -> None:
    for copied in (fitted.clone(), pytest.importorskip("sklearn.base").clone(fitted)):
        assert type(copied) is type(fitted)
        assert plain(copied.get_params()) == plain(fitted.get_params())
        with pytest.raises(cf.NotFittedError):
            copied.predict([1], [1])


def test_repr_makes_the_same_model(model: Any) -> None:
    again = eval(repr(model), {name: getattr(cf, name) for name in cf.__all__})
    assert plain(again.get_params()) == plain(model.get_params())


@pytest.mark.parametrize("value", [-1, 2.5, "many", 0])
def test_bad_count_is_named_at_fit(model: Any, train: cf.Ratings, value: Any) -> None:
    for name in ("n_threads", "n_epochs", "n_factors", "n_neighbors"):
        if name not in model.get_params() or (name == "n_factors" and value == 0):
            continue
        with pytest.raises((ValueError, TypeError), match=name):
            model.clone().set_params(**{name: value}).fit(train)


def test_every_parameter_refuses_nonsense_by_name(model: Any, train: cf.Ratings) -> None:
    for name in model.get_params():
        with pytest.raises((ValueError, TypeError), match=name):
            model.clone().set_params(**{name: {"non": "sense"}}).fit(train)
        number = model.get_params()[name]
        if isinstance(number, float):
            with pytest.raises((ValueError, TypeError), match=name):
                model.clone().set_params(**{name: float("nan")}).fit(train)
