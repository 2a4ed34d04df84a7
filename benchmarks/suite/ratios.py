"""How a benchmark of the suite is measured, and when it has become slower."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

STORED = Path(__file__).with_name("ratios.json")
#: A benchmark fails if its ratio to the yardstick is this many times the stored one, in all of `TRIES`.
FACTOR = 2.0
TRIES = 3

Call = Callable[[], object]


def ratio(
    ours: Call, yardstick: Call, rounds: int = 7, clock: Callable[[], float] = time.process_time
) -> float:
    """Least time of a call over the least time of the yardstick, in alternating calls.

    Processor time does not count other processes, and the least of several calls is disturbed least by them.
    """
    least = [float("inf"), float("inf")]
    for _ in range(rounds):
        for place, call in enumerate((ours, yardstick)):
            start = clock()
            call()
            least[place] = min(least[place], clock() - start)
    return least[0] / least[1]


def slower(measure: Callable[[], float], stored: float) -> float | None:
    """The least ratio of up to `TRIES` measurements if all are too large, otherwise None."""
    found = []
    for _ in range(TRIES):
        found.append(measure())
        if found[-1] <= FACTOR * stored:
            return None
    return min(found)


def read() -> dict[str, dict[str, float]]:
    """Stored ratios by SIMD level and benchmark."""
    found: dict[str, dict[str, float]] = json.loads(STORED.read_text(encoding="utf-8"))
    return found


def store(level: str, ratios: dict[str, float]) -> None:
    """Replace the stored ratios of a level that were measured."""
    every = read() if STORED.exists() else {}
    every[level] = {**every.get(level, {}), **{name: float(f"{value:.3g}") for name, value in ratios.items()}}
    STORED.write_text(json.dumps(every, indent=1, sort_keys=True) + "\n", encoding="utf-8")
