"""Fixtures shared by all tests."""

from __future__ import annotations

import hypothesis
import pytest

import cfcore as cf

# Compiled code and twins are both exercised: a slow twin is no reason to fail.
hypothesis.settings.register_profile("cfcore", deadline=None, max_examples=40, derandomize=True)
hypothesis.settings.load_profile("cfcore")


@pytest.fixture(scope="session")
def u1() -> tuple[cf.Ratings, cf.Ratings]:
    """MovieLens 100K, split u1: train and test."""
    train, test = cf.datasets.load("ml-100k", split="u1")
    return train, test
