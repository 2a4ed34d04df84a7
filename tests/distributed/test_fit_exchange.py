"""Rows that tasks send each other while they run."""

from __future__ import annotations

import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from distributed import LocalCluster

import cfcore as cf
from cfcore.distributed import fit_blocks, fit_exchange, fit_shared
from cfcore.distributed.fit_exchange import IN_PLACE, Mailbox
from cfcore.distributed.fit_shared import SharedRows
from cfcore.distributed.fit_tasks import Late, Lost


@pytest.fixture
def mailbox() -> Mailbox:
    return mailbox_of("tcp://here")


class Worker:
    """What a mailbox asks its worker for."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.handlers: dict[str, Any] = {}
        self.status = SimpleNamespace(name="running")


def mailbox_of(address: str) -> Mailbox:
    return Mailbox(Worker(address))


def test_each_key_has_its_arrays(mailbox: Mailbox) -> None:
    rows, biases = np.arange(6.0).reshape(2, 3), np.array([7.0, 8.0])
    mailbox.send(("tcp://here", ""), "a", {4: (rows, biases), 5: (biases,)})
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
    mailbox.send(("tcp://here", ""), "a", {0: (np.zeros(1),)})
    with pytest.raises(Lost):
        mailbox.take("a", 0)  # what comes later is not taken in


def test_a_task_does_not_wait_for_ever(mailbox: Mailbox, monkeypatch: Any) -> None:
    monkeypatch.setattr(fit_exchange, "PATIENCE", 0.1)
    with pytest.raises(Late):
        mailbox.take("a", 0)


def addressed(mailbox: Mailbox) -> tuple[str, str]:
    return mailbox.worker.address, mailbox.neighbours.name


def test_rows_are_written_to_where_another_process_of_the_host_needs_them(mailbox: Mailbox) -> None:
    other = mailbox_of("tcp://there")
    rows, others = (SharedRows(5, 16, np.dtype("f4")) for _ in range(2))
    timer = threading.Timer(0.1, other.expect, ("a", others))  # its task begins later
    timer.start()
    there = mailbox.rows_at(addressed(other), "a", rows)
    if sys.platform != "linux":  # rows go through Dask
        assert there is None
        return
    assert there is not None
    assert there.rows.ctypes.data % 64 == 0
    there.rows[2], there.biases[2] = np.arange(16), 3.0
    mailbox.tell(addressed(other), "a", 7)
    assert other.take("a", 7) is IN_PLACE
    np.testing.assert_array_equal(others.rows[2], np.arange(16))
    assert others.biases.tolist() == [0, 0, 3, 0, 0]
    assert not others.rows[[0, 1, 3, 4]].any()
    other.close("a")
    assert others.file is None
    there.rows[0] = 1  # what a task that is still running may do
    assert others.rows[0].all()


def test_rows_on_another_host_or_of_a_set_given_up_cannot_be_had(mailbox: Mailbox) -> None:
    other, own = mailbox_of("tcp://there"), SharedRows(5, 16, np.dtype("f4"))
    assert mailbox.rows_at(("tcp://there", ""), "a", own) is None
    assert mailbox.rows_at(("tcp://there", "cfcore-elsewhere"), "a", own) is None
    threading.Timer(0.1, other.give_up, ("a",)).start()
    assert mailbox.rows_at(addressed(other), "a", own) is None


def test_a_task_learns_that_the_worker_it_writes_to_is_lost(mailbox: Mailbox) -> None:
    mailbox.tell(("tcp://there", "cfcore-elsewhere"), "a", 7)
    with pytest.raises(Lost):
        mailbox.take("a", 8)


def test_the_thread_of_a_closed_worker_ends(mailbox: Mailbox, monkeypatch: Any) -> None:
    monkeypatch.setattr(fit_shared, "LOOK", 0.05)
    other = mailbox_of("tcp://there")
    name = other.neighbours.name
    other.worker.status.name = "closed"
    until = time.monotonic() + 10
    while any(each.name == name for each in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.01)
    assert all(each.name != name for each in threading.enumerate())
    assert mailbox.rows_at(("tcp://there", name), "a", SharedRows(5, 16, np.dtype("f4"))) is None


OPEN = fit_shared.Neighbours.open


def only_messages(wanted: bool) -> None:
    """Have a process find no other one on its host."""

    def none(*_: Any) -> None:
        return None

    fit_shared.Neighbours.open = none if wanted else OPEN  # type: ignore[method-assign]


def test_workers_on_other_hosts_are_sent_the_same_rows(
    client: Any, train: cf.Ratings, monkeypatch: Any
) -> None:
    monkeypatch.setattr(fit_blocks, "LATENCY", 0.0)
    local, model = (cf.SVD(n_factors=8, n_epochs=4, random_state=0) for _ in range(2))
    local.fit(train)
    client.run(only_messages, True)
    try:
        cf.distributed.fit(model, train, client=client)
    finally:
        client.run(only_messages, False)
    np.testing.assert_array_equal(model.user_factors_, local.user_factors_)
    np.testing.assert_array_equal(model.item_factors_, local.item_factors_)


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
