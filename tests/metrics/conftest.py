"""A split and a fitted model, for tests of metrics."""

from __future__ import annotations

from typing import Any

import pytest

import cfcore as cf


@pytest.fixture(scope="session")
def split() -> tuple[cf.Ratings, cf.Ratings]:
    return cf.split.holdout(cf.datasets.synthetic(80, 60, 2_000, random_state=3), 0.3, random_state=0)


@pytest.fixture(scope="session")
def model(split: Any) -> Any:
    return cf.SVD(n_factors=4, n_epochs=5, random_state=0).fit(split[0])
