"""Tests of `cfcore.lenskit`, with LensKit's own classes of tests; collected where LensKit is installed.

`.ci/run` runs them in an environment of their own, with CFCORE_LENSKIT=required.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cfcore as cf

if TYPE_CHECKING:
    import pandas as pd

INSTALLED = importlib.util.find_spec("lenskit") is not None

if not INSTALLED and os.environ.get("CFCORE_LENSKIT") == "required":
    raise pytest.UsageError("CFCORE_LENSKIT=required, and LensKit is not installed")


class LeftOut(pytest.Module):
    """A file whose tests are not collected."""

    def collect(self) -> list[Any]:
        return []


def pytest_pycollect_makemodule(module_path: Path, parent: Any) -> Any:
    return None if INSTALLED else LeftOut.from_parent(parent, path=module_path)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not INSTALLED:
        terminalreporter.write_line(
            "tests/adapters/lenskit: not collected, as LensKit is not installed; .ci/run runs these tests"
        )


def pytest_configure(config: pytest.Config) -> None:
    # Marks of LensKit's classes of tests.
    config.addinivalue_line("markers", "slow: takes some seconds")
    config.addinivalue_line("markers", "eval: compares errors with bounds")


@pytest.fixture
def rng() -> np.random.Generator:
    """The generator that LensKit's tests draw from."""
    return np.random.default_rng(20261128)


@pytest.fixture(scope="session")
def ml_100k() -> pd.DataFrame:
    """MovieLens 100K, with LensKit's names of columns."""
    import pandas as pd

    ratings = cf.datasets.load("ml-100k")
    return pd.DataFrame(
        {
            "user_id": ratings.users,
            "item_id": ratings.items,
            "rating": ratings.values.astype(np.float32),
            "timestamp": pd.to_datetime(ratings.timestamps, unit="s").astype("datetime64[s]"),
        }
    )


@pytest.fixture(scope="session")
def ml_ratings(ml_100k: pd.DataFrame) -> pd.DataFrame:
    """Ratings of LensKit's tests: those of MovieLens 100K by 300 users."""
    kept = np.sort(ml_100k["user_id"].unique())[:300]
    return ml_100k[ml_100k["user_id"].isin(kept)].reset_index(drop=True)


@pytest.fixture(scope="session")
def ml_ds(ml_ratings: pd.DataFrame) -> Any:
    """The same as a data set of LensKit."""
    from lenskit.data import from_interactions_df

    return from_interactions_df(ml_ratings)
