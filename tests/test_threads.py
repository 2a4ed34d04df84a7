"""How many threads a call uses: cores, control groups, the policy, and how many really ran."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cfcore.kernels.common import cpu
from cfcore.kernels.records import BitmapScratch, ItemOrder, ListQueries, ScoreRows, TopLists
from cfcore.kernels.top_n import scores
from cfcore.threads import (
    MINIMUM_WORK,
    available_cores,
    cpu_quota,
    minimum_work,
    policy,
    resolve_threads,
    threads_worth,
    workers_of_last_call,
)

needs_openmp = pytest.mark.skipif(cpu.openmp_version() == 0, reason="compiled without OpenMP")


class System:
    """A process's files in /proc and mounted control groups, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = folder / "proc"
        self.process.mkdir()
        (self.process / "mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda rw\n")
        (self.process / "cgroup").write_text("7:memory:/some\n")

    def mount(
        self, version: int, root: str = "/", name: str = "groups", options: str = "cpu,cpuacct"
    ) -> Path:
        point = self.folder / name
        point.mkdir()
        kind = ("cgroup2", "rw,nsdelegate") if version == 2 else ("cgroup", f"rw,{options}")
        escaped = str(point).replace(" ", "\\040")
        with (self.process / "mountinfo").open("a") as file:
            file.write(f"31 22 0:28 {root} {escaped} rw,nosuid shared:5 - {kind[0]} {kind[0]} {kind[1]}\n")
        return point

    def join(self, line: str) -> None:
        with (self.process / "cgroup").open("a") as file:
            file.write(line + "\n")


def version2(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.max").write_text(text + "\n")


def version1(folder: Path, quota: int, period: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (folder / "cpu.cfs_period_us").write_text(f"{period}\n")


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


class TestQuota:
    def test_version_2(self, system: System) -> None:
        point = system.mount(2)
        system.join("0::/app")
        version2(point / "app", "150000 100000")
        assert cpu_quota(system.process) == 1.5

    def test_version_1(self, system: System) -> None:
        point = system.mount(1)
        system.join("4:cpu,cpuacct:/app")
        version1(point / "app", 25_000, 50_000)
        assert cpu_quota(system.process) == 0.5

    def test_no_limit(self, system: System) -> None:
        version2(system.mount(2, name="two") / "app", "max 100000")
        version1(system.mount(1, name="one") / "app", -1, 100_000)
        system.join("0::/app")
        system.join("4:cpu,cpuacct:/app")
        assert cpu_quota(system.process) is None

    @pytest.mark.parametrize("where", ["", "kube", "kube/pod", "kube/pod/box"])
    def test_the_smallest_of_all_above(self, system: System, where: str) -> None:
        point = system.mount(2)
        system.join("0::/kube/pod/box")
        for folder in ("kube", "kube/pod", "kube/pod/box"):
            version2(point / folder, "800000 100000")
        version2(point / "other", "100000 100000")
        version2(point / where, "200000 100000")
        assert cpu_quota(system.process) == 2

    def test_both_versions_at_once(self, system: System) -> None:
        version2(system.mount(2, name="two") / "app", "300000 100000")
        version1(system.mount(1, name="one") / "app", 200_000, 100_000)
        system.join("0::/app")
        system.join("4:cpu,cpuacct:/app")
        assert cpu_quota(system.process) == 2

    def test_a_mount_that_begins_at_the_container(self, system: System) -> None:
        point = system.mount(1, root="/docker/12ab")
        system.join("4:cpu,cpuacct:/docker/12ab/job")
        version1(point, 400_000, 100_000)
        assert cpu_quota(system.process) == 4
        version1(point / "job", 300_000, 100_000)
        assert cpu_quota(system.process) == 3

    @pytest.mark.parametrize("group", ["/", "/../..", "/docker/12ab"])
    def test_a_group_that_the_mount_does_not_show(self, system: System, group: str) -> None:
        point = system.mount(2, root="/docker/99ff")
        system.join(f"0::{group}")
        version2(point, "250000 100000")
        assert cpu_quota(system.process) == 2.5

    def test_other_controllers_do_not_count(self, system: System) -> None:
        point = system.mount(1, options="cpuset")
        system.join("5:cpuset:/app")
        system.join("6:cpuacct:/app")
        version1(point / "app", 100_000, 100_000)
        assert cpu_quota(system.process) is None

    def test_a_path_with_spaces(self, tmp_path: Path) -> None:
        (tmp_path / "a folder").mkdir()
        system = System(tmp_path / "a folder")
        point = system.mount(2)
        system.join("0::/app")
        version2(point / "app", "300000 100000")
        assert cpu_quota(system.process) == 3

    @pytest.mark.parametrize("text", ["", "much 100000", "100000 0", "0 100000", "100000"])
    def test_files_that_make_no_sense(self, system: System, text: str) -> None:
        point = system.mount(2)
        system.join("0::/app")
        version2(point / "app", text)
        assert cpu_quota(system.process) is None

    def test_lines_that_make_no_sense(self, system: System) -> None:
        system.join("0")
        with (system.process / "mountinfo").open("a") as file:
            file.write("a line\n - cgroup2\n")
        assert cpu_quota(system.process) is None

    def test_a_system_without_groups(self, tmp_path: Path) -> None:
        assert cpu_quota(tmp_path / "nothing") is None


def test_cores_are_bounded_by_affinity_and_by_quota() -> None:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    assert 1 <= available_cores() <= allowed
    quota = cpu_quota()
    if quota is None:
        assert available_cores() == allowed
    else:
        assert available_cores() == min(allowed, math.ceil(quota))


@pytest.mark.parametrize("unit", MINIMUM_WORK)
def test_threads_are_for_work_that_is_worth_them(unit: str) -> None:
    assert threads_worth(3, MINIMUM_WORK[unit], unit) == 3
    assert threads_worth(3, MINIMUM_WORK[unit] - 1, unit) == 1
    assert threads_worth(None, MINIMUM_WORK[unit], unit) == resolve_threads(None)


def test_an_unknown_unit_is_an_error() -> None:
    with pytest.raises(KeyError, match="miles"):
        threads_worth(3, 10, "miles")


def test_the_policy_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    with policy(minimum_work=0):
        assert threads_worth(3, 0) == 3
        with policy(minimum_work=math.inf):
            assert threads_worth(3, 1e30) == 1
        assert threads_worth(3, 0) == 3
    assert threads_worth(3, 0) == 1
    monkeypatch.setenv("CFCORE_MINIMUM_WORK", "5")
    assert minimum_work("ratings") == 5
    assert threads_worth(3, 5) == 3
    assert threads_worth(3, 4) == 1
    with policy(minimum_work=3):
        assert threads_worth(3, 4) == 3


@pytest.mark.parametrize("bad", [-1, math.nan, "many", None])
def test_a_policy_that_makes_no_sense(bad: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(ValueError, match="minimum_work must be a number of at least 0"),
        policy(minimum_work=bad),
    ):
        pass
    monkeypatch.setenv("CFCORE_MINIMUM_WORK", str(bad))
    with pytest.raises(ValueError, match="CFCORE_MINIMUM_WORK must be a number of at least 0"):
        minimum_work("ratings")


def run(n_threads: int) -> None:
    """A call of a kernel that has a parallel region."""
    n = 100
    codes = np.arange(n, dtype=np.int32)
    starts = np.zeros(n, dtype=np.int64)
    scores.best_scores(
        ScoreRows(np.ones((n, n))),
        ListQueries(codes, starts, starts, codes[:0]),
        ItemOrder(codes, codes),
        TopLists(np.empty((n, 3), np.int32), np.empty((n, 3))),
        BitmapScratch(np.zeros((n_threads, 2), np.uint64)),
        n_threads,
    )


@needs_openmp
def test_workers_are_those_that_ran() -> None:
    for n_threads in (1, 2, 3):
        run(n_threads)
        assert workers_of_last_call() == n_threads


@needs_openmp
def test_workers_are_those_of_the_own_thread() -> None:
    seen = []

    def other() -> None:
        before = workers_of_last_call()
        run(3)
        seen.extend([before, workers_of_last_call()])

    run(2)
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [0, 3]
    assert workers_of_last_call() == 2


@needs_openmp
def test_workers_are_not_those_that_were_requested() -> None:
    program = "from tests.test_threads import *; run(4); print(workers_of_last_call())"
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert ran.stdout == "1\n", ran.stderr


def test_a_call_that_fails_has_no_workers() -> None:
    run(1)
    with pytest.raises(ValueError, match="n_threads must be between 1 and 1024, not 0"):
        run(0)
    assert workers_of_last_call() == 0
