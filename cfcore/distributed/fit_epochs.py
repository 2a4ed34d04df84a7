"""`EpochsOnTeam`: epochs whose steps write in place, repeated from a copy when a worker is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cfcore.distributed.fit_cluster import Tasks
from cfcore.distributed.fit_tasks import Lost
from cfcore.distributed.fit_team import Team

__all__ = ["EpochsOnTeam"]

Array = np.ndarray[Any, Any]

#: Seconds between two copies of the arrays that epochs change.
SECONDS = 4.0


class EpochsOnTeam:
    """Runs the epochs of a trainer, in place of its method ``epoch``, with a team as long as there is one.

    An epoch depends on its number and on the live arrays alone, of which copies are made every few seconds.
    When a worker is lost, the epochs since then are run again, with the same results.

    Parameters
    ----------
    team : Team
    run : callable
        The method.
    live : callable
        Returns the arrays that epochs change, by name.
    planned : callable, optional
        Returns an array that changes between epochs where what is kept of them changes.
    """

    def __init__(
        self, team: Team, run: Callable[[int], float], live: Callable[[], Mapping[str, Array]],
        planned: Callable[[], Array] | None = None,
    ) -> None:  # fmt: skip
        self.team, self.run, self.live = team, run, live
        self.planned = planned or (lambda: np.zeros(0))
        self.copies: dict[str, Array] = {}
        self.plan = np.zeros(0)
        self.first, self.until = 0, -1.0  # the first epoch after the copies; when to make others
        self.is_changed = False  # by an epoch that has not come to its end

    def __call__(self, k: int) -> float:
        """Run epoch `k`; what the method returns."""
        cluster = self.team.cluster
        if self.team.goes_on():  # the scheduler is not asked: it takes some milliseconds to answer
            cluster.check_going()
            try:
                return self._run(k)
            except Lost:
                pass
        return cluster.run(lambda tasks: self._run_with(tasks, k))

    def _run_with(self, tasks: Tasks, k: int) -> float:
        if tasks.are_near():
            self.team.open(tasks)
        else:
            self.team.close()
        return self._run(k)

    def _run(self, k: int) -> float:
        begin = k
        if self.is_changed:
            begin = self.first
            for name, array in self.live().items():
                np.copyto(array, self.copies[name])
        elif time.monotonic() > self.until or not np.array_equal(self.plan, self.planned()):
            self._copy(k)
        self.is_changed = True
        for one in range(begin, k):
            self.run(one)
        error = self.run(k)
        self.is_changed = False
        self.team.rest()
        return error

    def _copy(self, k: int) -> None:
        """Copy what epochs from `k` on change."""
        for name, array in self.live().items():
            if name in self.copies:  # new memory would cost page faults
                np.copyto(self.copies[name], array)
            else:
                self.copies[name] = array.copy()
        self.plan = self.planned().copy()
        self.first, self.until = k, time.monotonic() + SECONDS
