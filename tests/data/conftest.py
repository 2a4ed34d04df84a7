"""Fixtures of the tests of data."""

from __future__ import annotations

import pytest

import cfcore as cf


@pytest.fixture
def small() -> cf.Ratings:
    """Four ratings with times, by users whose order is not that of their ids."""
    return cf.Ratings(
        ["bob", "ann", "bob", "cat"],
        [30, 10, 10, 20],
        [4.0, 2.5, 3.0, 5.0],
        [400, 100, 300, 200],
        scale=(1, 5),
    )
