"""`Mailbox`: rows that a task on one worker sends to a task on another, while both run.

Dask's p2p shuffle does the same with rows of tables: what tasks of a set send each other goes from worker to
worker, and no scheduler is asked. When one of them is lost, the others are told or give up after a while, and
the whole set is run again.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from cfcore.distributed.fit_shared import Neighbours, SharedRows
from cfcore.distributed.fit_tasks import Late, Lost

__all__ = ["GIVE_UP", "IN_PLACE", "Address", "Mailbox", "install"]

Array = np.ndarray[Any, Any]

#: Of a worker: that of Dask, and the name of its `Neighbours`.
Address = tuple[str, str]

#: Names of what workers can be asked for.
PUT, GIVE_UP = "cfcore_put", "cfcore_give_up"
#: Seconds that a task waits for what another one sends. It also waits for that one to begin.
PATIENCE = 60.0

#: In place of rows that have been written to where they are to be.
IN_PLACE: Array = np.empty(0)

_installed: Any = weakref.WeakKeyDictionary()
_installing = threading.Lock()


class Mailbox:
    """What has arrived at a worker, for the tasks that run there.

    Parameters
    ----------
    worker : distributed.Worker
    """

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.changed = threading.Condition()
        self.held: dict[str, dict[Hashable, Array]] = {}  # by the set of tasks
        self.given_up: dict[str, float] = {}  # and when
        worker.handlers[PUT] = self._put
        worker.handlers[GIVE_UP] = self.give_up
        self.rows: dict[str, SharedRows] = {}  # of the task on this worker, by the set
        self.neighbours = Neighbours(self._file_of, self._arrived, lambda: _is_closed(worker))

    @staticmethod
    def here() -> Mailbox:
        """That of the worker whose task calls this."""
        from distributed import get_worker

        worker = get_worker()
        with _installing:
            if worker not in _installed:
                _installed[worker] = Mailbox(worker)
            found: Mailbox = _installed[worker]
            return found

    def _put(self, token: str, keys: Sequence[Hashable], ends: Sequence[int], values: Array) -> str:
        with self.changed:
            if token not in self.given_up:
                held = self.held.setdefault(token, {})
                for key, begin, end in zip(keys, (0, *ends), ends, strict=False):
                    held[key] = values[begin:end]
            self.changed.notify_all()
        return "OK"

    def _arrived(self, token: str, number: int) -> None:
        with self.changed:
            if token not in self.given_up:
                self.held.setdefault(token, {})[number] = IN_PLACE
            self.changed.notify_all()

    def _file_of(self, token: str) -> int | None:
        with self.changed:
            self.changed.wait_for(lambda: token in self.rows or token in self.given_up, PATIENCE)
            file = self.rows[token].file if token in self.rows else None
            return None if file is None else os.dup(file)

    def expect(self, token: str, rows: SharedRows) -> None:
        """Have tasks of a set on this host write into these rows, before they are taken under a number."""
        with self.changed:
            self.rows[token] = rows
            self.changed.notify_all()

    def rows_at(self, address: Address, token: str, own: SharedRows) -> SharedRows | None:
        """The rows of another task of a set, as many as of the own one; None if it is not on this host.

        Waits for that task to begin.
        """
        if address[0] == self.worker.address:
            return None
        file = self.neighbours.open(address[1], token, PATIENCE)
        if file is None:
            return None
        n, width = own.rows.shape
        return SharedRows(n, width, own.rows.dtype, file)

    def tell(self, address: Address, token: str, number: int) -> None:
        """Have another task take what has been written into its rows."""
        try:
            self.neighbours.tell(address[1], token, number)
        except OSError:  # that worker is lost
            self.give_up(token)

    def give_up(self, token: str) -> str:
        """Have all tasks of a set end, and take in nothing more for them."""
        now = time.monotonic()
        with self.changed:
            self.given_up = {one: at for one, at in self.given_up.items() if now - at < 600}
            self.given_up[token] = now
            self.held.pop(token, None)
            self.changed.notify_all()
        return "OK"

    def take(self, token: str, key: Hashable, wait: bool = True) -> Any:
        """What has been sent under a key; None if there is nothing yet, and not to be waited for.

        `IN_PLACE` if it is in the rows of `expect`.

        Raises
        ------
        Late
            Nothing has arrived for a minute.
        Lost
            The set of tasks has been given up.
        """
        until = time.monotonic() + PATIENCE
        with self.changed:
            while True:
                if token in self.given_up:
                    raise Lost("another task of the set is lost")
                held = self.held.get(token, {})
                if key in held:
                    return held.pop(key)
                left = until - time.monotonic()
                if not wait:
                    return None
                if left <= 0:
                    raise Late(f"no rows have arrived for {PATIENCE:.0f} s")
                self.changed.wait(left)

    def send(self, address: Address, token: str, arrays: Mapping[int, Sequence[Array]]) -> None:
        """Send arrays of one dtype to another worker, each key's as one; returns at once.

        Parameters
        ----------
        address : (str, str)
        token : str
        arrays : dict of int to list of ndarray
            Copied before this returns.
        """
        ends = np.cumsum([sum(one.size for one in own) for own in arrays.values()]).tolist()
        values = np.concatenate([one.reshape(-1) for own in arrays.values() for one in own])
        if address[0] == self.worker.address:
            self._put(token, list(arrays), ends, values)
            return
        sending = self._send(address[0], token, list(arrays), ends, values)
        asyncio.run_coroutine_threadsafe(sending, self.worker.loop.asyncio_loop)

    async def _send(self, address: str, token: str, keys: list[int], ends: list[int], values: Array) -> None:
        from distributed.protocol import to_serialize

        try:
            put = getattr(self.worker.rpc(address), PUT)
            await put(token=token, keys=keys, ends=ends, values=to_serialize(values))
        except Exception:  # the other worker is lost, or has been started again
            self.give_up(token)

    def close(self, token: str) -> None:
        """Forget what is left of a set."""
        with self.changed:
            self.held.pop(token, None)
            rows = self.rows.pop(token, None)
            if rows is not None:
                rows.close()


def install() -> Address:
    """Have the worker that runs this take in what is sent to it; its address."""
    mailbox = Mailbox.here()
    return mailbox.worker.address, mailbox.neighbours.name


def _is_closed(worker: Any) -> bool:
    """Whether a worker has been closed; forgets it then."""
    if worker.status.name not in ("closed", "failed"):
        return False
    with _installing:
        _installed.pop(worker, None)
    return True
