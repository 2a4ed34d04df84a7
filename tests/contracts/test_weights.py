"""Weights of ratings: taken by the models that have them, refused by name by all others."""

from __future__ import annotations

import numpy as np
import pytest

import cfcore as cf
from tests.contracts.conftest import MODELS, make


@pytest.mark.parametrize("name", list(MODELS))
def test_models_without_weights_refuse_them(name: str, train: cf.Ratings) -> None:
    model = make(name)
    if not model.takes_weights:
        with pytest.raises(TypeError, match=f"{type(model).__name__}.fit takes no weights; ALS"):
            model.fit(train, weights=np.ones(len(train)))
        return
    weights = np.random.default_rng(0).choice([0.5, 2.0], len(train))
    found = model.fit(train, weights=weights)
    assert found.mean_ == pytest.approx(np.average(train.values, weights=weights))
    # Ratings that count little are fitted less.
    errors = [
        np.mean((found.predict(train) - train.values)[part] ** 2) for part in (weights < 1, weights > 1)
    ]
    assert errors[1] < 0.85 * errors[0]
    assert not np.array_equal(found.predict(train), make(name).fit(train).predict(train))
