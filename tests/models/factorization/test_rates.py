"""What the rules for learning rates follow from."""

from __future__ import annotations

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization.rates import decay_and_total, density_and_spread, standard_deviation


def test_standard_deviation_in_pieces() -> None:
    values = np.random.default_rng(0).integers(1, 6, 1000).astype(np.float32)
    for piece_size in (64, 999, 1000):
        found = standard_deviation(values, piece_size)
        assert found == pytest.approx(np.std(values, dtype=np.float64), rel=1e-12)


def test_density_counts_users_and_items_that_have_ratings() -> None:
    ratings = cf.Ratings([1, 1, 2, 3], [1, 2, 1, 1], [1.0, 3.0, 3.0, 5.0])
    assert density_and_spread(ratings) == (4 / 5, pytest.approx(2**0.5))
    assert density_and_spread(ratings.subset(ratings.users == 1)) == (2 / 3, 1.0)
    assert density_and_spread(cf.Ratings([1, 2], [1, 1], [3.0, 3.0])) == (2 / 3, 1.0)


def test_learning_rates_fall_to_a_part_of_the_first_or_as_given() -> None:
    decay, total = decay_and_total(4, None, 0.0625)
    assert decay == 0.5
    assert total == pytest.approx(1 + 0.5 + 0.25 + 0.125)
    assert decay_and_total(3, 0.1, 0.5) == (0.1, pytest.approx(1.11))
