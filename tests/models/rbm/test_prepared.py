"""What all predictions of an RBM need is derived when it is fitted or loaded, not in the first call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.kernels.rbm import predict as kernel
from cfcore.models.rbm import given
from tests.contracts.conftest import numbers


@pytest.mark.parametrize("by", ["item", "user"])
def test_the_first_call_computes_no_inputs_of_hidden_units(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = cf.Ratings(*numbers(n_users=40, n_items=30, n=500))
    fitted = cf.RBM(by=by, n_hidden=5, n_epochs=2, random_state=0).fit(ratings)
    fitted.save(tmp_path / "model.cf")
    loaded = cf.load(tmp_path / "model.cf")
    changed = fitted.with_parameters(visible_bias=fitted.visible_bias_ * np.float32(2))
    monkeypatch.setattr(kernel, "hidden_inputs", None)
    expected = [fitted.recommend(int(user), 5) for user in fitted.user_ids_]
    for user, (ids, scores) in zip(fitted.user_ids_, expected, strict=True):
        found: Any = loaded.recommend(int(user), 5)
        np.testing.assert_array_equal(found[0], ids)
        np.testing.assert_array_equal(found[1], scores)
    user, item = int(fitted.user_ids_[0]), int(fitted.item_ids_[0])
    assert changed.predict(user, item) != fitted.predict(user, item)


def test_ratings_given_are_compared_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = cf.Ratings(*numbers(n_users=60, n_items=90, n=3000))
    model = cf.RBM(n_hidden=5, n_epochs=3, random_state=0).fit(ratings)
    own = {int(item): 1.0 + k % 5 for k, item in enumerate(model.item_ids_[:70])}
    expected = model.predict(model.item_ids_, given=own)
    for at_once in (1, 69, 1000):
        monkeypatch.setattr(given, "ITEMS_AT_ONCE", at_once)
        np.testing.assert_allclose(model.predict(model.item_ids_, given=own), expected, rtol=1e-6)
