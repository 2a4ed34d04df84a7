"""Weights of ratings in `BayesianSVD`: factors of the precision of each rating's noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf

FEW: dict[str, Any] = {"n_factors": 2, "n_samples": 300, "burn_in": 100, "random_state": 0}


def ratings(noise: Any) -> tuple[cf.Ratings, Any]:
    """Ratings with noise of given standard deviations, and their means."""
    rng = np.random.default_rng(3)
    n_users, n_items = 80, 50
    cells = rng.choice(n_users * n_items, len(noise), replace=False)
    users, items = cells // n_items, cells % n_items
    means = 3 + rng.normal(0, 0.4, n_users)[users] + rng.normal(0, 0.4, n_items)[items]
    means += np.sum(rng.normal(0, 0.7, (n_users, 2))[users] * rng.normal(0, 0.7, (n_items, 2))[items], axis=1)
    return cf.Ratings(users, items, means + noise * rng.normal(0, 1, len(noise))), means


def test_weights_by_the_precision_of_the_noise_lower_the_error() -> None:
    noise = np.where(np.arange(2000) % 2, 0.2, 2.0)
    given, means = ratings(noise)
    errors = []
    for weights in (None, 1 / noise**2):
        model = cf.BayesianSVD(user_noise=False, **FEW).fit(given, weights=weights)
        errors.append(float(np.sqrt(np.mean((model.predict(given) - means) ** 2))))
    assert errors[1] < 0.7 * errors[0]
    # The precision is that of a rating of weight 1, whose noise has variance 1.
    assert model.noise_precision_ == pytest.approx(1.0, rel=0.15)


@pytest.mark.parametrize("user_noise", [True, False])
def test_weights_of_one_change_nothing(user_noise: bool) -> None:
    given, _ = ratings(np.full(500, 0.5))
    params = {**FEW, "n_samples": 5, "burn_in": 2, "user_noise": user_noise}
    plain = cf.BayesianSVD(**params).fit(given)
    ones = cf.BayesianSVD(**params).fit(given, weights=np.ones(500))
    np.testing.assert_allclose(ones.predict(given), plain.predict(given), rtol=1e-6)


def test_a_checkpoint_knows_its_weights(tmp_path: Any) -> None:
    given, _ = ratings(np.full(300, 0.5))
    weights = np.random.default_rng(0).uniform(0.5, 2, 300)
    params = {**FEW, "n_samples": 6, "burn_in": 2}
    expected = cf.BayesianSVD(**params).fit(given, weights=weights)

    def stop(n: int, history: Any) -> None:
        if n == 4:
            raise KeyboardInterrupt

    path = tmp_path / "fit"
    with pytest.raises(KeyboardInterrupt):
        cf.BayesianSVD(**params).fit(given, weights=weights, checkpoint=path, callback=stop)
    with pytest.raises(cf.DataError, match="the weights given to fit"):
        cf.BayesianSVD(**params).fit(given, checkpoint=path, weights=2 * weights)
    with pytest.raises(cf.DataError, match="the weights given to fit"):
        cf.BayesianSVD(**params).fit(given, checkpoint=path)
    found = cf.BayesianSVD(**params).fit(given, weights=weights, checkpoint=path)
    np.testing.assert_array_equal(found.predict(given), expected.predict(given))
