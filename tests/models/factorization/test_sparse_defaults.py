"""Defaults on sparse data: biases start at damped means, and factor models do not lose to the baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization.first_biases import density_of_factors, first_biases, start_by_rule
from cfcore.models.factorization.rates import density_and_spread

KINDS = [cf.SVD, cf.SVDpp, cf.TimeSVDpp, cf.AsymmetricSVD]
DATA = cf.datasets.synthetic(600, 400, 30_000, random_state=1)


def thin(part: float, seed: int = 0) -> tuple[cf.Ratings, cf.Ratings]:
    """A random part of the ratings, and 5,000 of the others."""
    order = np.random.default_rng(seed).permutation(len(DATA))
    n = int(part * (len(DATA) - 5_000))
    return DATA.subset(np.sort(order[:n])), DATA.subset(np.sort(order[-5_000:]))


def error(model: Any, train: cf.Ratings, test: cf.Ratings) -> float:
    """RMSE on the test ratings."""
    return cf.metrics.rmse(test.values, model.fit(train).predict(test))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.05, 0.1, 0.2, 0.5])
def test_no_factor_model_loses_to_the_baseline(kind: Any, part: float) -> None:
    gaps = []
    for seed in range(3):
        train, test = thin(part, seed)
        gaps.append(error(kind(random_state=0), train, test) - error(cf.Baseline(), train, test))
    assert np.mean(gaps) < 0.001 * DATA.values.std()


@pytest.mark.parametrize("kind", KINDS)
def test_the_start_can_be_seen_and_given(kind: Any) -> None:
    train, _ = thin(0.1)
    density = density_and_spread(train)[0]
    fast = {"n_factors": 2, "n_epochs": 2, "random_state": 0}
    fitted = kind(**fast).fit(train)
    assert density < 6
    assert fitted.rates_["init_bias"] == kind().defaults_for(train)["init_bias"] == 1.0
    assert "init_bias" not in kind(**fast, init_bias=0.0).fit(train).rates_
    assert kind(**fast, init_bias=0.25).fit(train).rates_["init_bias"] == 0.25
    # A learning rate that is given is that of training from 0, as in other libraries.
    assert "init_bias" not in kind(**fast, lr=0.01).fit(train).rates_
    with pytest.raises(ValueError, match=r"init_bias must be >= 0 and <= 1, not 1\.5"):
        kind(init_bias=1.5).fit(train)


@pytest.mark.parametrize("kind", KINDS)
def test_dense_data_have_the_rates_that_they_had(kind: Any) -> None:
    dense = cf.datasets.synthetic(120, 120, 6_000, random_state=0)
    density, spread = density_and_spread(dense)
    rates = kind().defaults_for(dense)
    assert density > 24
    assert rates["init_bias"] == 0
    constant = 0.375 if kind is cf.SVD else 0.335
    assert rates["reg"] == pytest.approx(constant * spread / density**0.5, rel=1e-12)


def test_the_rule_is_continuous() -> None:
    densities = np.arange(0.5, 60, 0.001)
    for rule in (lambda d: start_by_rule(d, 12.0), lambda d: density_of_factors(d) ** -0.5):
        values = np.array([rule(density) for density in densities])
        assert np.abs(np.diff(values)).max() < 0.001
        assert (np.diff(values) <= 1e-12).all()
    assert (start_by_rule(3.0, 12.0), start_by_rule(18.0, 12.0), start_by_rule(24.0, 12.0)) == (1, 0.5, 0)


def test_first_biases_are_damped_means_in_any_unit() -> None:
    train, _ = thin(0.1)
    users, items = first_biases(train, 1.0, "float64")
    baseline = cf.Baseline(n_epochs=30).fit(train)
    assert np.corrcoef(users, baseline.user_bias_)[0, 1] > 0.99
    assert np.corrcoef(items, baseline.item_bias_)[0, 1] > 0.99
    half = first_biases(train, 0.5, "float32")
    assert half[0].dtype == np.float32
    assert np.allclose(half[0], users / 2, rtol=1e-6)
    for unit in (1e-6, 1e6):
        scaled = cf.Ratings(train.users, train.items, train.values * np.float32(unit))
        known = users[train.user_counts > 0]
        assert np.allclose(first_biases(scaled, 1.0, "float64")[0] / unit, known, atol=1e-4)


def test_users_and_items_without_ratings_have_no_first_bias() -> None:
    train, _ = thin(0.02)
    for biases, counts in zip(
        first_biases(train, 1.0, "float32"), (train.user_counts, train.item_counts), strict=True
    ):
        assert (biases[counts == 0] == 0).all()
        assert (counts == 0).any()


@pytest.mark.parametrize("values", [[3, 3, 3], [1, 5, 1], [0, 0, 1e-30], [-1e30, 1e30, 0]])
def test_degenerate_ratings(values: list[float]) -> None:
    for users, items in (([1, 2, 3], [1, 1, 1]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [1, 2, 3])):
        ratings = cf.Ratings(users, items, values)
        for found in first_biases(ratings, 1.0, "float32"):
            assert np.isfinite(found).all()
        assert np.isfinite(cf.SVD(random_state=0).fit(ratings).predict(ratings)).all()


def test_a_start_does_not_depend_on_the_size_of_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    train, _ = thin(0.1)
    whole = first_biases(train, 1.0, "float64")
    monkeypatch.setattr("cfcore.models.factorization.first_biases.PIECE", 700)
    for one, other in zip(whole, first_biases(train, 1.0, "float64"), strict=True):
        assert np.allclose(one, other, rtol=1e-9)


def test_search_begins_at_the_defaults_for_sparse_data() -> None:
    from cfcore.selection.spaces import check_space, default_space, inside

    train, _ = thin(0.1)
    for kind in KINDS:
        space, point = default_space(kind(), train)
        assert inside(check_space(space, kind()), point)
        assert point["init_bias"] == 1.0
        wanted = kind().defaults_for(train)
        assert kind(**point).defaults_for(train) == pytest.approx(wanted)
