"""Arguments and results of tasks in memory that processes of a host share."""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.distributed import fit_cluster, fit_near, fit_shared
from cfcore.distributed.fit_near import Gone, Near, call_near, opened
from cfcore.distributed.fit_shared import Neighbours

if sys.platform != "linux":

    def test_other_systems_send_arrays() -> None:
        with pytest.raises(OSError, match="no files in memory"):
            Near(np.arange(3))

else:

    def test_arrays_are_mapped_and_the_rest_is_pickled() -> None:
        value = {"a": np.arange(7, dtype=np.int32), "b": [np.ones((3, 5)).T, None, "text", np.empty((0, 2))]}
        near = Near(value)
        value["a"][:] = 0  # type: ignore[index]  # it was copied
        travelled = pickle.dumps(near)
        found = pickle.loads(travelled).value
        np.testing.assert_array_equal(found["a"], np.arange(7))
        np.testing.assert_array_equal(found["b"][0], np.ones((5, 3)))
        assert found["b"][0].flags.f_contiguous
        assert found["b"][1:3] == [None, "text"]
        assert found["b"][3].shape == (0, 2)
        for array in (found["a"], found["b"][0]):
            assert array.ctypes.data % 64 == 0
            assert not array.flags.writeable
        near.close()
        np.testing.assert_array_equal(found["a"], np.arange(7))  # what has been mapped stays
        with pytest.raises(Gone):
            pickle.loads(travelled).value  # noqa: B018

    def test_a_name_takes_no_more_room_than_small_values() -> None:
        near = Near(np.zeros(1_000_000))
        assert len(pickle.dumps(near)) < 1000

    def test_its_memory_is_given_back_with_the_value() -> None:
        near = Near(np.zeros(10))
        travelled = pickle.loads(pickle.dumps(near))
        assert len(travelled.value) == 10
        del near
        with pytest.raises(Gone):
            travelled.value  # noqa: B018

    def test_a_task_of_another_process_reads_and_returns_it(client: Any) -> None:
        argument = Near(np.arange(100_000.0))
        future = client.submit(call_near, np.cumsum, argument, pure=False)
        np.testing.assert_array_equal(opened(future.result()), np.cumsum(np.arange(100_000.0)))


def fitted(name: str, train: cf.Ratings) -> Any:
    model = getattr(cf, name)(random_state=0, n_factors=8)
    model.set_params(**{"burn_in": 2, "n_samples": 2} if name == "BayesianSVD" else {"n_epochs": 2})
    return model


@pytest.mark.parametrize("name", ["ALS", "BayesianSVD"])
def test_workers_on_other_hosts_are_sent_arrays(
    name: str, client: Any, train: cf.Ratings, monkeypatch: Any
) -> None:
    def refused(size: int) -> int:
        raise OSError

    monkeypatch.setattr(fit_near, "memory_file", refused)
    model = cf.distributed.fit(fitted(name, train), train)
    local = fitted(name, train).fit(train)
    np.testing.assert_array_equal(model.user_factors_, local.user_factors_)
    np.testing.assert_array_equal(model.item_factors_, local.item_factors_)


def test_a_fit_goes_on_when_shared_memory_is_gone(client: Any, train: cf.Ratings, monkeypatch: Any) -> None:
    n_opened = []

    def gone(value: Any) -> Any:
        n_opened.append(isinstance(value, Near))
        if len(n_opened) == 3:  # as when a worker short of memory has written the name of a result to disk
            raise Gone
        return opened(value)

    monkeypatch.setattr(fit_cluster, "opened", gone)
    model = cf.distributed.fit(fitted("ALS", train), train)
    assert not any(n_opened[3:])  # arrays travel from then on
    np.testing.assert_array_equal(model.user_factors_, fitted("ALS", train).fit(train).user_factors_)


def test_an_interrupt_leaves_no_answer_for_the_next_question(monkeypatch: Any) -> None:
    held = {"a": 1.0, "b": 2.0}

    def file_of(token: str) -> int:
        found = fit_shared.memory_file(8)
        os.pwrite(found, np.float64(held[token]).tobytes(), 0)
        return found

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    asked = [Neighbours(file_of, lambda *_: None, lambda: False) for _ in range(2)]
    if not asked[0].name:  # this system has no such sockets
        return
    with monkeypatch.context() as patched:
        patched.setattr(fit_shared.socket, "recv_fds", interrupted)
        with pytest.raises(KeyboardInterrupt):
            asked[0].open(asked[1].name, "a", 5.0)
    file = asked[0].open(asked[1].name, "b", 5.0)
    assert file is not None
    assert np.frombuffer(os.pread(file, 8, 0))[0] == 2.0
    os.close(file)
