"""How well the chains of `BayesianSVD` mix, and the default number of factors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization import bayesian_side
from tests.models.factorization.geweke import Gaussian, trainer_of


def simulated(n_users: int = 150, n_items: int = 100, n: int = 5_000, k: int = 2) -> cf.Ratings:
    """Ratings by factors whose noise is as large as what they explain."""
    rng = np.random.default_rng(3)
    pairs = rng.choice(n_users * n_items, n, replace=False)
    users, items = pairs // n_items, pairs % n_items
    rows, columns = rng.normal(size=(n_users, k)), rng.normal(size=(n_items, k))
    means = 0.5 * np.sum(rows[users] * columns[items], axis=1) + 0.3 * rng.normal(size=n_items)[items]
    return cf.Ratings(users, items, 3 + means + rng.normal(size=n))


@pytest.mark.parametrize(("n", "n_factors"), [(40, 32), (125, 48)])
def test_factors_by_default_follow_the_ratings_of_each_row(n: int, n_factors: int) -> None:
    users, items = np.divmod(np.arange(n * n), n)
    ratings = cf.Ratings(users, items, (users + items) % 5 + 1.0)
    model = cf.BayesianSVD(n_samples=1, burn_in=1, n_kept=1, random_state=0).fit(ratings)
    assert model.n_factors is None
    assert model.n_factors_ == model.user_factors_.shape[1] == n_factors


def test_later_ratings_keep_the_number_of_factors() -> None:
    users, items = np.divmod(np.arange(115 * 115), 115)
    values = (users + items) % 5 + 1.0
    model = cf.BayesianSVD(n_samples=1, burn_in=1, n_kept=1, random_state=0).fit((users, items, values))
    users, items = np.divmod(np.arange(125 * 125), 125)
    model.partial_fit((users, items, (users + items) % 5 + 1.0), n_epochs=2)
    assert model.n_factors is None
    assert model.n_factors_ == 32


def test_rows_are_drawn_on_the_other_side_of_their_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Successive draws of a row have its mean and covariance, and a correlation of -.85."""
    trainer = trainer_of(monkeypatch, sets="both", **Gaussian().params)
    for sweep in range(bayesian_side.PLAIN):
        trainer.epoch(sweep)
    users, items, noise = trainer.users, trainer.items, trainer.noise
    each = noise.precision * noise.user_weights, np.ones(items.n, dtype=np.float32), None
    drawn = []
    for sweep in range(4_000):
        key = 7, bayesian_side.PLAIN + sweep
        users.draw_rows(key, items, trainer.residuals.targets, each, None, 1)
        drawn.append(users.rows[:, :2].astype(float))
    rows, means = np.array(drawn)[10:], users.row_means[:, :2]
    for user in range(users.n):
        mine = users.indices[users.indptr[user] : users.indptr[user + 1]]
        z = items.rows[mine, :2].astype(float)
        covariance = np.linalg.inv(users.precision + each[0][user] * z.T @ z)
        root = np.linalg.inv(np.linalg.cholesky(covariance))
        white = (rows[:, user] - means[user]) @ root.T
        assert np.abs(white.mean(axis=0)).max() < 0.05
        assert np.abs(white.T @ white / len(white) - np.eye(2)).max() < 0.15
        lagged = np.sum(white[1:] * white[:-1], axis=0) / np.sum(white**2, axis=0)
        assert lagged == pytest.approx([bayesian_side.OVERRELAXED] * 2, abs=0.05)


def test_overrelaxed_rows_tell_more_of_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    params: dict[str, Any] = {"n_factors": 4, "n_samples": 300, "random_state": 0, "n_threads": 1}
    found = cf.BayesianSVD(**params).fit(simulated()).diagnostics_
    monkeypatch.setattr(bayesian_side, "OVERRELAXED", 0.0)
    plain = cf.BayesianSVD(**params).fit(simulated()).diagnostics_
    assert found.ess_median > 1.4 * plain.ess_median


def test_chains_that_start_apart_agree() -> None:
    model = cf.BayesianSVD(n_factors=4, n_samples=300, n_chains=3, random_state=0)
    found = model.fit(simulated()).diagnostics_
    assert found.r_hat < 1.02
    assert found.r_hat_max < 1.05


def test_the_scale_of_the_noise_is_shared_out_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The precision of each user's ratings stays, and its two factors change."""
    noise = trainer_of(monkeypatch, sets=None, sessions=None, **Gaussian().params).noise
    noise.scalars[:2] = 0.2, 8.0
    noise.user_weights[:] = 1.0
    drawn = []
    for _ in range(2_000):
        before = noise.precision * noise.user_weights
        noise.draw_scale()
        assert noise.precision * noise.user_weights == pytest.approx(before)
        drawn.append(noise.user_weights[0])
    # The density of the factor, by its values on a grid.
    grid = np.linspace(0.05, 5, 20_000)
    shape, rate = bayesian_side.priors.SHAPE, bayesian_side.priors.RATE
    logs = (7 * 4.0 - shape - 1) * np.log(grid) - 7 * 4.0 * grid - rate * 0.2 / grid
    chances = np.exp(logs - logs.max())
    mean = np.sum(grid * chances) / np.sum(chances)
    deviation = np.sqrt(np.sum((grid - mean) ** 2 * chances) / np.sum(chances))
    assert np.mean(drawn) == pytest.approx(mean, abs=0.1 * deviation)
    assert np.std(drawn) == pytest.approx(deviation, rel=0.1)
