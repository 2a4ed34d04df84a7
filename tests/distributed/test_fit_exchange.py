"""Rows that tasks send each other while they run."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from distributed import LocalCluster

import cfcore as cf
from cfcore.distributed import fit_blocks, fit_exchange
from cfcore.distributed.fit_exchange import Mailbox
from cfcore.distributed.fit_tasks import Late, Lost


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox(SimpleNamespace(address="tcp://here", handlers={}))


def test_each_key_has_its_arrays(mailbox: Mailbox) -> None:
    rows, biases = np.arange(6.0).reshape(2, 3), np.array([7.0, 8.0])
    mailbox.send("tcp://here", "a", {4: (rows, biases), 5: (biases,)})
    rows[:] = 0  # what has been sent was copied
    np.testing.assert_array_equal(mailbox.take("a", 5), [7, 8])
    np.testing.assert_array_equal(mailbox.take("a", 4), [0, 1, 2, 3, 4, 5, 7, 8])
    assert mailbox.take("a", 4, wait=False) is None
    assert mailbox.take("b", 5, wait=False) is None


def test_a_task_that_waits_ends_when_another_is_lost(mailbox: Mailbox) -> None:
    timer = threading.Timer(0.1, mailbox.give_up, ("a",))
    timer.start()
    with pytest.raises(Lost):
        mailbox.take("a", 0)
    mailbox.send("tcp://here", "a", {0: (np.zeros(1),)})
    with pytest.raises(Lost):
        mailbox.take("a", 0)  # what comes later is not taken in


def test_a_task_does_not_wait_for_ever(mailbox: Mailbox, monkeypatch: Any) -> None:
    monkeypatch.setattr(fit_exchange, "PATIENCE", 0.1)
    with pytest.raises(Late):
        mailbox.take("a", 0)


@pytest.mark.parametrize("threads", [1, 2])
def test_workers_in_one_process_and_of_several_threads(
    threads: int, train: cf.Ratings, monkeypatch: Any
) -> None:
    monkeypatch.setattr(fit_blocks, "LATENCY", 0.0)
    local, model = (cf.SVD(n_factors=8, n_epochs=4, random_state=0) for _ in range(2))
    local.fit(train)
    with LocalCluster(
        n_workers=2, threads_per_worker=threads, processes=False, dashboard_address=":0", silence_logs=50
    ) as own, own.get_client() as client:  # fmt: skip
        cf.distributed.fit(model, train, client=client)
    np.testing.assert_array_equal(model.user_factors_, local.user_factors_)
    np.testing.assert_array_equal(model.item_factors_, local.item_factors_)


def test_a_fit_goes_on_with_one_shard_where_tasks_cannot_run_together(
    client: Any, train: cf.Ratings, monkeypatch: Any
) -> None:
    monkeypatch.setattr(fit_blocks, "LATENCY", 0.0)
    local, model = (cf.SVD(n_factors=8, n_epochs=3, random_state=0) for _ in range(2))
    local.fit(train)
    busy: list[Any] = []

    def occupy(epochs: int, history: Any) -> None:
        if epochs == 1:  # the task of the other worker then waits in vain
            [first, *_] = sorted(client.nthreads())
            busy.append(client.submit(time.sleep, 3, workers=[first], pure=False))

    client.run(shorter_patience, 0.5)
    try:
        cf.distributed.fit(model, train, client=client, callback=occupy)
    finally:
        client.run(shorter_patience, 60.0)
    busy[0].result()
    np.testing.assert_array_equal(model.user_factors_, local.user_factors_)


def shorter_patience(seconds: float) -> None:
    fit_exchange.PATIENCE = seconds
