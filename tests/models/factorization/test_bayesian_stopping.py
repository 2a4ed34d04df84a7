"""After how many samples BayesianSVD ends by default: where they have converged, or at a bound."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization import bayesian_stopping
from cfcore.threads import policy
from tests.checkpoints import same

Array = np.ndarray[Any, Any]
FEW: dict[str, Any] = {"n_factors": 2, "burn_in": 10, "n_kept": 16, "random_state": 0}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits of 40 samples, further ones 20 at a time, and 120 at most."""
    for name, value in {"SAMPLES": 40, "MORE": 20, "MOST_SAMPLES": 120, "LARGE": 1.3}.items():
        monkeypatch.setattr(bayesian_stopping, name, value)


def ratings(n_users: int = 60, n_items: int = 40, n: int = 900) -> cf.Ratings:
    rng = np.random.default_rng(5)
    users, items = np.divmod(rng.choice(n_users * n_items, n, replace=False), n_items)
    x, z = rng.normal(0, 0.6, (n_users, 2)), rng.normal(0, 0.8, (n_items, 2))
    return cf.Ratings(users, items, 3 + np.sum(x[users] * z[items], axis=1) + rng.normal(0, 0.5, n))


def fitted(**params: Any) -> cf.BayesianSVD:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cf.ConvergenceWarning)
        return cf.BayesianSVD(**{**FEW, **params}).fit(ratings())


def test_sampling_goes_on_until_r_hat_is_low_in_rounds() -> None:
    numbers = []
    for seed in range(6):
        model = fitted(random_state=seed)
        history, n = model.history_, model.n_samples_
        numbers.append(n)
        assert model.n_epochs_ == len(history["train_rmse"]) == 10 + n == history["r_hat_sweep"][-1]
        assert n in range(40, 121, 20)
        assert model.diagnostics_.n_draws == n
        assert model.diagnostics_.r_hat_all == history["r_hat"][-1]
        rounds = dict(zip(history["r_hat_sweep"], history["r_hat"], strict=True))
        assert all(rounds[10 + before] > 1.3 for before in range(40, n, 20))
        assert n == 120 or rounds[10 + n] <= 1.3
    assert min(numbers) < 120
    assert max(numbers) > 40


def test_a_number_of_samples_is_taken_as_it_is() -> None:
    for n in (30, 90):
        assert fitted(n_samples=n).n_samples_ == n
    limited = fitted(n_samples=90, stop_at_r_hat=50.0)
    assert limited.n_samples_ == 40
    assert fitted(stop_at_r_hat=50.0).n_samples_ == 40
    assert fitted(stop_at_r_hat=1.000001).n_samples_ == 120


def test_a_fit_that_ends_at_the_bound_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bayesian_stopping, "LARGE", 1.000001)
    with pytest.warns(cf.ConvergenceWarning, match=r"Try n_samples=240, burn_in=100 or n_chains=4"):
        cf.BayesianSVD(**FEW).fit(ratings())


def test_parameters_are_those_of_a_fit_of_so_many_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Means are of all sweeps, and the samples that are kept are some of these, about evenly spaced."""
    monkeypatch.setattr(bayesian_stopping, "LARGE", 1.000001)
    model = fitted(n_chains=2)
    whole = fitted(n_samples=120, n_kept=240, n_chains=2)
    for name in ("user_bias_", "item_bias_", "noise_precision_", "history_"):
        np.testing.assert_equal(getattr(model, name), getattr(whole, name))
    columns = whole.item_factors_.reshape(len(whole.item_factors_), 2, 120, 2)
    own = model.item_factors_.reshape(len(model.item_factors_), 2, 8, 2)
    biases, numbers = (
        whole.item_biases_.reshape(-1, 2, 120),
        whole.precisions_.reshape(2, 120, -1),
    )
    for chain in range(2):
        at = [
            int(np.flatnonzero((columns[:, chain] == own[:, chain, [j]]).all(axis=(0, 2)))[0])
            for j in range(8)
        ]
        assert at[-1] == 119
        assert np.diff([-1, *at]).min() >= 8
        assert np.diff([-1, *at]).max() <= 24
        held = model.item_biases_.reshape(-1, 2, 8)[:, chain]
        np.testing.assert_array_equal(held, biases[:, chain, at])
        held = model.precisions_.reshape(2, 8, -1)[chain]
        np.testing.assert_array_equal(held, numbers[chain, at])


def test_all_samples_are_kept_where_there_is_room() -> None:
    model = fitted(n_kept=1000)
    assert model.item_factors_.shape[1] == 2 * model.n_samples_


def test_threads_change_no_bit() -> None:
    expected = fitted(n_chains=2, n_threads=1)
    with policy(minimum_work=0):
        same(fitted(n_chains=2, n_threads=2), expected)


@pytest.mark.parametrize("n_run", [40, 51, 75])
def test_a_fit_resumes_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_run: int) -> None:
    monkeypatch.setattr(bayesian_stopping, "LARGE", 1.000001)
    train, model = ratings(), cf.BayesianSVD(**FEW)

    class Killed(Exception):
        pass

    def kill(n_epochs: int, history: Any) -> None:
        if n_epochs == n_run:
            raise Killed

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cf.ConvergenceWarning)
        whole = copy.copy(model).fit(train)
        with pytest.raises(Killed):
            model.fit(train, checkpoint=tmp_path / "fit", callback=kill)
        resumed = model.fit(train, checkpoint=tmp_path / "fit")
    same(resumed, whole)
    assert resumed.history_ == whole.history_
    assert resumed.n_samples_ == whole.n_samples_ == 120


def test_files_keep_the_number_of_samples(tmp_path: Path) -> None:
    model = fitted()
    model.save(tmp_path / "model")
    assert cf.load(tmp_path / "model").n_samples_ == model.n_samples_
    assert cf.load(tmp_path / "model").n_samples is None


def test_later_sweeps_are_counted_apart() -> None:
    model = fitted()
    n_epochs = model.n_epochs_
    model.partial_fit(([0], [1], [4.0]), n_epochs=8)
    assert (model.n_samples_, model.n_epochs_) == (6, n_epochs + 8)
