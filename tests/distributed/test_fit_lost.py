"""`cfcore.distributed.fit` when workers, the scheduler or patience are lost."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from distributed import Client, KilledWorker, LocalCluster

import cfcore as cf
from cfcore.distributed import fit_blocks


def workers_of(cluster: Any) -> list[int]:
    """Processes of the workers that the scheduler knows: a nanny gives up one that is killed as it starts."""
    known = cluster.scheduler.workers
    return [nanny.process.pid for nanny in cluster.workers.values() if nanny.worker_address in known]


@pytest.fixture(scope="module")
def crowd() -> Iterator[Any]:
    """A cluster that goes on when workers are killed: nannies take their time to start others."""
    with LocalCluster(
        n_workers=5, threads_per_worker=1, processes=True, dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    ) as found:  # fmt: skip
        yield found


@pytest.mark.parametrize("name", ["SVD", "ALS", "BayesianSVD", "SVDpp"])
def test_a_worker_killed_in_mid_epoch_costs_time_only(
    name: str, crowd: Any, train: cf.Ratings, monkeypatch: Any
) -> None:
    monkeypatch.setattr(fit_blocks, "LATENCY", 0.0)
    params: dict[str, Any] = {"n_factors": 8, "random_state": 0}
    params |= {"burn_in": 6, "n_samples": 6} if name == "BayesianSVD" else {"n_epochs": 12}
    local = getattr(cf, name)(**params).fit(train)
    killed: list[int] = []

    def kill(epochs: int, history: Any) -> None:
        if epochs == 3:
            killed.append(workers_of(crowd)[0])
            # A moment later: while tasks of the next epoch run.
            threading.Timer(0.01, os.kill, (killed[-1], signal.SIGKILL)).start()

    with Client(crowd, set_as_default=False) as client:
        model = cf.distributed.fit(getattr(cf, name)(**params), train, client=client, callback=kill)
    assert len(killed) == 1
    for field in ("user_factors_", "item_factors_", "user_bias_", "item_bias_"):
        np.testing.assert_array_equal(getattr(model, field), getattr(local, field))
    assert model.history_ == local.history_


def test_a_fit_goes_on_from_its_checkpoint_when_the_scheduler_was_lost(
    tmp_path: Path, client: Any, train: cf.Ratings
) -> None:
    def make() -> Any:
        return cf.SVD(n_factors=8, n_epochs=6, random_state=0)

    path, contact = tmp_path / "checkpoint", tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    scheduler = subprocess.Popen(
        [*command, "--scheduler-file", str(contact)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard"]
    worker = subprocess.Popen(
        [*command, "--no-nanny", "--scheduler-file", str(contact)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def stop(epochs: int, history: Any) -> None:
        if epochs == 3:
            scheduler.kill()
            scheduler.wait()

    try:
        until = time.monotonic() + 60
        while not contact.exists() and time.monotonic() < until:
            time.sleep(0.05)
        with Client(scheduler_file=str(contact), set_as_default=False, timeout=60) as of_lost:
            of_lost.wait_for_workers(1, timeout=60)
            with pytest.raises(ConnectionError, match="checkpoint=path"):
                cf.distributed.fit(make(), train, client=of_lost, checkpoint=path, callback=stop)
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()
    seen: list[int] = []
    model = cf.distributed.fit(
        make(), train, checkpoint=path, callback=lambda epochs, history: seen.append(epochs)
    )
    assert seen == [4, 5, 6]
    np.testing.assert_array_equal(model.user_factors_, make().fit(train).user_factors_)


def test_an_interrupt_cancels_the_tasks(client: Any, train: cf.Ratings) -> None:
    model = cf.ALS(n_factors=8, n_epochs=10_000, random_state=0)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        cf.distributed.fit(model, train, client=client)
    assert not model.is_fitted()
    until = time.monotonic() + 20
    while any(client.processing().values()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(client.processing().values())


def interrupted() -> None:
    """Have Ctrl-C arrive here."""
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass


class Interrupting:
    """Ctrl-C arrives while it is deleted, where Python lets no error through."""

    def __del__(self) -> None:
        interrupted()


class Watched:
    """What a weak reference can refer to."""


def interrupt_in_a_method() -> None:
    Interrupting()


def interrupt_in_a_callback() -> None:
    watched = Watched()
    weakref.finalize(watched, interrupted)


# A lost KeyboardInterrupt is reported as a warning, and pytest makes an error of it.
@pytest.mark.parametrize("delete", [interrupt_in_a_method, interrupt_in_a_callback])
def test_an_interrupt_in_a_finaliser_is_not_lost(delete: Any, client: Any, train: cf.Ratings) -> None:
    seen: list[int] = []

    def interrupt(epochs: int, history: Any) -> None:
        seen.append(epochs)
        if epochs == 3:
            delete()

    handler = signal.getsignal(signal.SIGINT)
    model = cf.ALS(n_factors=4, n_epochs=50, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        cf.distributed.fit(model, train, client=client, callback=interrupt)
    assert seen == [1, 2, 3]
    assert not model.is_fitted()
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_asynchronous_client_is_awaited(cluster: Any, train: cf.Ratings) -> None:
    async def fitted() -> Any:
        async with Client(cluster.scheduler_address, asynchronous=True, set_as_default=False) as client:
            model = await cf.distributed.fit(
                cf.SVD(n_factors=4, n_epochs=3, random_state=0), train, client=client
            )
            endless = cf.ALS(n_factors=4, n_epochs=10_000, random_state=0)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(cf.distributed.fit(endless, train, client=client), 1.0)
            assert not endless.is_fitted()
            return model

    local = cf.SVD(n_factors=4, n_epochs=3, random_state=0).fit(train)
    np.testing.assert_array_equal(asyncio.run(fitted()).item_factors_, local.item_factors_)


def test_errors_of_models_and_arguments_come_through(client: Any, train: cf.Ratings) -> None:
    with pytest.raises(ValueError, match="n_factors"):
        cf.distributed.fit(cf.SVD(n_factors=-1), train)
    with pytest.raises(TypeError, match="client must be"):
        cf.distributed.fit(cf.SVD(), train, client="tcp://localhost:8786")  # type: ignore[arg-type]
    with pytest.raises(cf.DivergenceError):
        cf.distributed.fit(cf.SVD(lr=1e6, random_state=0), train)


def test_tasks_use_the_threads_of_their_worker(train: cf.Ratings) -> None:
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    ) as own, Client(own, set_as_default=False) as client:  # fmt: skip
        found = client.submit(threads_of_a_task).result()
        model = cf.distributed.fit(cf.ALS(n_factors=4, n_epochs=2, random_state=0), train, client=client)
    assert found == 2
    local = cf.ALS(n_factors=4, n_epochs=2, random_state=0).fit(train)
    np.testing.assert_array_equal(model.user_factors_, local.user_factors_)


def threads_of_a_task() -> int:
    from cfcore.distributed.fit_tasks import own_threads

    with own_threads() as n_threads:
        return n_threads


def test_work_that_ends_its_workers_is_given_up(client: Any) -> None:
    from cfcore.distributed.fit_cluster import Cluster, Tasks

    def killing(tasks: Tasks) -> None:
        tried.append(True)
        raise KilledWorker("solve_rows-1", SimpleNamespace(address="tcp://10.0.0.1:1"), 3)

    tried: list[bool] = []
    with pytest.raises(RuntimeError, match=r"lost 3 times over.*solve_rows-1.*more memory"):
        Cluster(client).run(killing)
    assert len(tried) == 3
