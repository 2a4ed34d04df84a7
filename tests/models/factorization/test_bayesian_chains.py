"""Chains of BayesianSVD: several at a time, how far they have converged, and where sampling ends."""

from __future__ import annotations

import copy
import warnings
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.errors import ConvergenceWarning
from cfcore.models.factorization.bayesian_diagnostics import effective_sizes, r_hats
from cfcore.threads import policy
from tests.checkpoints import same

Array = np.ndarray[Any, Any]
FEW: dict[str, Any] = {"n_factors": 3, "n_samples": 8, "burn_in": 4, "random_state": 0}


def ratings(seed: int = 0, n_users: int = 80, n_items: int = 50, n: int = 1_500) -> cf.Ratings:
    rng = np.random.default_rng(seed)
    pairs = rng.choice(n_users * n_items, n, replace=False)
    users, items = pairs // n_items, pairs % n_items
    x, z = rng.normal(0, 0.6, (n_users, 2)), rng.normal(0, 0.8, (n_items, 2))
    days = rng.integers(0, 3, n)
    moods = rng.normal(0, 0.4, (n_users, 3))
    values = 3.5 + np.sum(x[users] * z[items], axis=1) + moods[users, days] + rng.normal(0, 0.5, n)
    return cf.Ratings(
        users, items, values, 880_000_000 + 86_400 * days + rng.integers(0, 600, n), scale=(-9, 15)
    )


def autoregressive(rng: np.random.Generator, shape: tuple[int, int, int], rho: float) -> Array:
    """Draws with correlation rho from one to the next, and variance 1."""
    out = rng.normal(size=shape)
    for t in range(1, shape[1]):
        out[:, t] = rho * out[:, t - 1] + np.sqrt(1 - rho * rho) * out[:, t]
    return out


# ---------------------------------------------------------------------- R-hat and effective sample size


def test_r_hat_of_independent_draws_is_1() -> None:
    draws = np.random.default_rng(0).normal(size=(4, 1000, 50))
    assert (np.abs(r_hats(draws) - 1) < 0.012).all()


def test_r_hat_tells_of_chains_that_differ_in_mean_or_in_spread_and_of_drift() -> None:
    rng = np.random.default_rng(1)
    apart = rng.normal(size=(2, 400, 5)) + np.array([0.0, 1.0])[:, np.newaxis, np.newaxis]
    wider = rng.normal(size=(2, 400, 5)) * np.array([1.0, 3.0])[:, np.newaxis, np.newaxis]
    drift = rng.normal(size=(1, 400, 5)) + np.linspace(0, 3, 400)[:, np.newaxis]
    for draws in (apart, wider, drift):
        assert (r_hats(draws) > 1.1).all()


def test_r_hat_does_not_depend_on_the_scale_of_the_draws() -> None:
    draws = np.random.default_rng(2).standard_cauchy(size=(2, 100, 4))
    np.testing.assert_allclose(r_hats(draws), r_hats(1e3 * draws - 5), atol=1e-3)


def test_effective_sizes_are_those_of_autoregressive_draws() -> None:
    rng = np.random.default_rng(3)
    for rho in (0.0, 0.5, 0.9):
        sizes = effective_sizes(autoregressive(rng, (4, 2000, 20), rho))
        expected = 8000 * (1 - rho) / (1 + rho)
        assert np.median(sizes) == pytest.approx(expected, rel=0.15)


def test_r_hat_and_effective_size_of_a_worked_example() -> None:
    """Two chains of four draws, by hand: halves (1, 2), (3, 4), (5, 6), (8, 7) have ranks 1 to 8."""
    from scipy.stats import norm

    draws = np.array([[1.0, 2, 3, 4], [5, 6, 8, 7]])[:, :, np.newaxis]
    z = norm.ppf((np.arange(1, 9) - 0.375) / 8.25).reshape(4, 2)
    within = z.var(axis=1, ddof=1).mean()
    expected = np.sqrt(0.5 + z.mean(axis=1).var(ddof=1) / within)
    assert r_hats(draws)[0] == pytest.approx(expected)


def test_draws_that_are_constant_or_too_few() -> None:
    assert r_hats(np.ones((2, 10, 1)))[0] == 1
    assert effective_sizes(np.ones((2, 10, 1)))[0] == 20
    halves = np.repeat([0.0, 1.0], 5)[np.newaxis, :, np.newaxis]
    assert r_hats(halves)[0] == np.inf
    for of in (r_hats, effective_sizes):
        assert np.isnan(of(np.zeros((2, 3, 2)))).all()


# ---------------------------------------------------------------------- chains


def test_threads_change_no_bit_of_several_chains() -> None:
    train = ratings()
    params = {**FEW, "n_chains": 3}
    expected = cf.BayesianSVD(**params, n_threads=1).fit(train)
    for n_threads in (2, 3, 5):
        with policy(minimum_work=0):
            same(cf.BayesianSVD(**params, n_threads=n_threads).fit(train), expected)


def test_a_chain_depends_on_the_seed_and_its_number_alone() -> None:
    train = ratings()
    one, two, three = (cf.BayesianSVD(**FEW, n_chains=n, n_kept=8 * n).fit(train) for n in (1, 2, 3))
    n = one.item_factors_.shape[1]
    assert n == 8 * 3
    np.testing.assert_array_equal(two.item_factors_[:, :n], one.item_factors_)
    np.testing.assert_array_equal(three.item_factors_[:, : 2 * n], two.item_factors_)
    assert (two.item_factors_[:, n:] != one.item_factors_).mean() > 0.9


def test_predictions_are_means_over_the_chains() -> None:
    train = ratings()
    one, two = (cf.BayesianSVD(**FEW, n_chains=n, n_kept=8 * n, sessions=None).fit(train) for n in (1, 2))
    n = one.item_factors_.shape[1]
    users, items = train.user_codes[:200], train.item_codes[:200]

    def of(part: slice) -> Array:
        rows = two.user_factors_[users, part].astype(float), two.item_factors_[items, part].astype(float)
        return np.sum(rows[0] * rows[1], axis=1)

    alone = np.sum(one.user_factors_[users].astype(float) * one.item_factors_[items], axis=1)
    np.testing.assert_allclose(2 * of(slice(n)), alone, rtol=1e-4, atol=1e-5)
    both = two.mean_ + two.user_bias_[users] + two.item_bias_[items] + of(slice(None))
    np.testing.assert_allclose(two.score_codes(users, items), both, atol=1e-4)


def test_kept_samples_are_bounded_in_total() -> None:
    train = ratings()
    for n_kept, expected in ((7, 7), (100, 16), (2, 2)):
        model = cf.BayesianSVD(**FEW, n_chains=2, n_kept=n_kept).fit(train)
        assert model.user_factors_.shape[1] == 3 * expected
    with pytest.raises(ValueError, match="n_kept=1 is less than n_chains=2"):
        cf.BayesianSVD(**FEW, n_chains=2, n_kept=1).fit(train)


@pytest.mark.parametrize("stop", [False, True])
def test_a_fit_of_several_chains_resumes_to_the_same_bits(tmp_path: Path, stop: bool) -> None:
    train = ratings()
    limit = {"n_samples": 200, "stop_at_r_hat": 1.5} if stop else {}
    model = cf.BayesianSVD(**{**FEW, **limit}, n_chains=2)
    whole = copy.copy(model).fit(train)

    class Killed(Exception):
        pass

    def kill(n_epochs: int, history: Any) -> None:
        if n_epochs == 7:
            raise Killed

    path = tmp_path / "chains"
    with pytest.raises(Killed):
        model.fit(train, checkpoint=path, callback=kill)
    resumed = model.fit(train, checkpoint=path)
    same(resumed, whole)
    assert resumed.history_ == whole.history_
    assert resumed.diagnostics_ == whole.diagnostics_


# ---------------------------------------------------------------------- diagnostics


def test_diagnostics_are_frozen_and_printed_as_a_table() -> None:
    model = cf.BayesianSVD(**{**FEW, "n_samples": 60, "n_chains": 2})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(ratings())
    found = model.diagnostics_
    assert (found.n_chains, found.n_draws, found.n_pairs) == (2, 60, 200)
    assert 1 <= found.r_hat_median <= found.r_hat <= found.r_hat_max < 2
    assert 0 < found.ess_min <= found.ess_median <= 120 * np.log10(120)
    with pytest.raises(FrozenInstanceError):
        found.r_hat = 1.0
    lines = str(found).splitlines()
    assert lines[0].startswith("2 chains of 60 draws")
    assert f"{found.r_hat_median:.3f}" in str(found)
    assert len(lines) == 5
    assert found.r_hat_all == max(found.r_hat_max, found.r_hat_log_likelihood)


def test_history_has_r_hat_and_the_log_likelihood() -> None:
    train = ratings()
    seen: list[dict[str, list[float]]] = []
    model = cf.BayesianSVD(**{**FEW, "n_samples": 90}, sessions=None, user_noise=False)
    model.fit(train, callback=lambda n, history: seen.append(history))
    history = model.history_
    assert len(history["log_likelihood"]) == model.n_epochs_ == 94
    assert history["r_hat_sweep"] == [44, 64, 84, 94]
    assert history["r_hat"][-1] == model.diagnostics_.r_hat_all
    assert [len(one["log_likelihood"]) for one in seen] == list(range(1, 95))
    assert len(seen[50]["r_hat"]) == 1
    # That of normal errors with the spread of the errors, whose variance is about that of the noise.
    rmse = history["train_rmse"][-1]
    about = -0.5 * len(train) * (np.log(2 * np.pi * rmse**2) + 1)
    assert history["log_likelihood"][-1] == pytest.approx(about, rel=0.02)


def test_diagnostics_are_kept_in_files(tmp_path: Path) -> None:
    model = cf.BayesianSVD(**FEW).fit(ratings())
    model.save(tmp_path / "model")
    assert cf.load(tmp_path / "model").diagnostics_ == model.diagnostics_


def test_sampling_ends_where_r_hat_is_low_enough() -> None:
    train = ratings()
    params = {**FEW, "n_samples": 2000, "n_chains": 2}
    model = cf.BayesianSVD(**params, stop_at_r_hat=1.5).fit(train)
    assert 44 <= model.n_epochs_ < 1000
    assert model.diagnostics_.r_hat_all == model.history_["r_hat"][-1] <= 1.5
    assert all(r_hat > 1.5 for r_hat in model.history_["r_hat"][:-1])
    assert np.isfinite(model.predict(train)).all()


def test_a_fit_that_has_not_converged_says_what_to_do() -> None:
    train = ratings()
    far = cf.BayesianSVD(**{**FEW, "n_factors": 8, "n_samples": 100, "burn_in": 0})
    with pytest.warns(cf.ConvergenceWarning, match=r"n_samples=200, burn_in=100 or n_chains=4"):
        far.fit(train)
    with warnings.catch_warnings():
        warnings.simplefilter("error", cf.ConvergenceWarning)
        cf.BayesianSVD(**{**FEW, "n_factors": 1, "n_samples": 400, "burn_in": 100}).fit(train)
