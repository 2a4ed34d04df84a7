"""What the suite of benchmarks takes for slower: a ratio that is too large in every measurement."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[1] / "benchmarks" / "suite" / "ratios.py"

pytestmark = pytest.mark.skipif(not FILE.exists(), reason="tests run without the repository around them")


@pytest.fixture
def ratios() -> Any:
    spec = importlib.util.spec_from_file_location("suite_ratios", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Clock:
    """A clock that calls move on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def call(self, *seconds: float) -> Callable[[], None]:
        """A call that takes these times, one after the other, and the last from then on."""
        left = list(seconds)

        def run() -> None:
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


def test_ratio_is_of_the_least_times(ratios: Any) -> None:
    clock = Clock()
    found = ratios.ratio(clock.call(9.0, 3.0, 8.0), clock.call(5.0, 5.0, 2.0), 3, clock)
    assert found == 3.0 / 2.0


def test_a_kernel_that_takes_three_times_as_long_is_found(ratios: Any) -> None:
    clock, stored = Clock(), 1.5
    ours, yardstick = clock.call(9.0), clock.call(2.0)
    assert ratios.slower(lambda: ratios.ratio(ours, yardstick, 3, clock), stored) == 4.5


def test_a_disturbed_measurement_is_repeated(ratios: Any) -> None:
    found = iter([9.0, 9.0, 1.6])
    assert ratios.slower(lambda: next(found), 1.5) is None
    assert ratios.slower(iter([2.9]).__next__, 1.5) is None
