"""Cross-validation and search on a cluster have the numbers of those in one process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster

import cfcore as cf
from cfcore.selection.workers import Stop

SECONDS = ("fit_seconds", "predict_seconds")


def numbers(table: Any) -> dict[str, list[float]]:
    return {name: list(table[name]) for name in table if name not in SECONDS}


def test_cross_validation(client: Client, train: cf.Ratings) -> None:
    model = cf.SVD(n_factors=4, n_epochs=3, random_state=0)
    found = cf.distributed.cross_validate(model, train, 3, ["rmse", "ndcg@5"])
    wanted = cf.selection.cross_validate(model, train, 3, ["rmse", "ndcg@5"])
    assert numbers(found) == numbers(wanted)


def test_fits_run_on_the_workers(client: Client, train: cf.Ratings) -> None:
    table = cf.distributed.cross_validate(
        cf.Baseline(), train, 4, {"pid": lambda test, predictions: float(os.getpid())}, client=client
    )
    assert os.getpid() not in set(table["pid"])


def test_search_over_a_grid(client: Client, train: cf.Ratings) -> None:
    pytest.importorskip("optuna")
    model = cf.SVD(n_factors=4, n_epochs=4, random_state=0)
    space = {"n_factors": [2, 4], "reg": [0.02, 0.2]}
    arguments = {"budget": 4, "cv": 2, "random_state": 0}
    found = cf.distributed.search(model, train, space, client=client, **arguments)
    wanted = cf.selection.search(model, train, space, **arguments)
    # Which trials are pruned depends on the order in which they end.
    complete = [
        {(row["n_factors"], row["reg"]): row["rmse"] for row in rows(one.table) if row["state"] == "complete"}
        for one in (found, wanted)
    ]
    assert any(setting in complete[1] for setting in complete[0])
    for setting in complete[0].keys() & complete[1].keys():
        assert complete[0][setting] == complete[1][setting]
    assert found.params == wanted.params
    np.testing.assert_array_equal(found.model.predict(train), wanted.model.predict(train))


def rows(table: Any) -> list[dict[str, Any]]:
    names = list(table)
    return [dict(zip(names, row, strict=True)) for row in zip(*(table[name] for name in names), strict=True)]


def test_an_asynchronous_client(cluster: LocalCluster, train: cf.Ratings) -> None:
    model = cf.Baseline()

    async def validated() -> Any:
        async with Client(cluster.scheduler_address, asynchronous=True) as client:
            return await cf.distributed.cross_validate(model, train, 2, client=client)

    assert numbers(asyncio.run(validated())) == numbers(cf.selection.cross_validate(model, train, 2))


def test_an_interrupt_cancels_the_fits(client: Client, train: cf.Ratings) -> None:
    from cfcore.distributed.selection import OnWorkers

    stop, found = Stop(), []

    def wait() -> None:
        try:
            OnWorkers(client).run(time.sleep, (60,), stop)
        except KeyboardInterrupt:
            found.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.5)
    stop.now()
    thread.join(20)
    assert found == [True]


def test_a_worker_that_is_lost_costs_time_only(train: cf.Ratings) -> None:
    def slow(test: Any, predictions: Any) -> float:
        time.sleep(1.5)
        return float(os.getpid())

    killed: list[int] = []
    own = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        LocalCluster(**own, silence_logs=logging.CRITICAL) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):

        def kill() -> None:
            while not (busy := [one for one, tasks in client.processing().items() if tasks]):
                time.sleep(0.05)
            killed.append(client.run(os.getpid, workers=busy[:1])[busy[0]])
            os.kill(killed[0], signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        table = cf.distributed.cross_validate(cf.Baseline(), train, 2, ["rmse", slow], client=client)
        thread.join()
    wanted = cf.selection.cross_validate(cf.Baseline(), train, 2)
    assert list(table["rmse"]) == list(wanted["rmse"])
    assert killed[0] not in table["slow"][:2]
