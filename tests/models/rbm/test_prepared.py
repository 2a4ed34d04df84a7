"""What all predictions of an RBM need is derived when it is fitted or loaded, not in the first call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.kernels.rbm import predict as kernel
from tests.contracts.conftest import numbers


@pytest.mark.parametrize("by", ["item", "user"])
def test_the_first_call_computes_no_inputs_of_hidden_units(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = cf.Ratings(*numbers(n_users=40, n_items=30, n=500))
    fitted = cf.RBM(by=by, n_hidden=5, n_epochs=2, random_state=0).fit(ratings)
    fitted.save(tmp_path / "model.cf")
    loaded = cf.load(tmp_path / "model.cf")
    changed = fitted.with_parameters(visible_bias=fitted.visible_bias_ + np.float32(0.1))
    monkeypatch.setattr(kernel, "hidden_inputs", None)
    expected = [fitted.recommend(int(user), 5) for user in fitted.user_ids_]
    for user, (ids, scores) in zip(fitted.user_ids_, expected, strict=True):
        found: Any = loaded.recommend(int(user), 5)
        np.testing.assert_array_equal(found[0], ids)
        np.testing.assert_array_equal(found[1], scores)
    assert changed.predict(1, 1) != fitted.predict(1, 1)


def test_likelihoods_of_many_ratings_given_are_those_of_their_parts() -> None:
    """Ratings are compared with the users of the fit some at a time."""
    ratings = cf.Ratings(*numbers(n_users=60, n_items=90, n=3000))
    model = cf.RBM(n_hidden=5, n_epochs=3, random_state=0).fit(ratings)
    user = int(np.argmax(np.bincount(ratings.users)))
    rows = ratings.users == user
    assert rows.sum() > 32
    own = dict(zip(ratings.items[rows].tolist(), ratings.values[rows].tolist(), strict=True))
    found, expected = model.predict(model.item_ids_, given=own), model.predict(user, model.item_ids_)
    assert np.corrcoef(found, expected)[0, 1] > 0.5
