"""A cluster of two processes, for all tests of the room."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from distributed import Client, LocalCluster

import cfcore as cf


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Two workers of one thread."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    ) as found:  # fmt: skip
        yield found


@pytest.fixture(scope="session")
def client(cluster: Any) -> Iterator[Any]:
    """A client of the cluster, which is the current one."""
    with Client(cluster) as found:
        yield found


@pytest.fixture(scope="session")
def train() -> cf.Ratings:
    """Ratings with times, of users and items of very different numbers of ratings."""
    return cf.datasets.synthetic(400, 90, 9_000, timestamps=True)
