"""`Mailbox`: rows that a task on one worker sends to a task on another, while both run.

Dask's p2p shuffle does the same with rows of tables: what tasks of a set send each other goes from worker to
worker, and no scheduler is asked. When one of them is lost, the others are told or give up after a while, and
the whole set is run again.
"""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from cfcore.distributed.fit_tasks import Late, Lost

__all__ = ["GIVE_UP", "Mailbox", "install"]

Array = np.ndarray[Any, Any]

#: Names of what workers can be asked for.
PUT, GIVE_UP = "cfcore_put", "cfcore_give_up"
#: Seconds that a task waits for what another one sends. It also waits for that one to begin.
PATIENCE = 60.0

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

    def send(self, address: str, token: str, arrays: Mapping[int, Sequence[Array]]) -> None:
        """Send arrays of one dtype to another worker, each key's as one; returns at once.

        Parameters
        ----------
        address, token : str
        arrays : dict of int to list of ndarray
            Copied before this returns.
        """
        ends = np.cumsum([sum(one.size for one in own) for own in arrays.values()]).tolist()
        values = np.concatenate([one.reshape(-1) for own in arrays.values() for one in own])
        if address == self.worker.address:
            self._put(token, list(arrays), ends, values)
            return
        sending = self._send(address, token, list(arrays), ends, values)
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


def install() -> None:
    """Have the worker that runs this take in what is sent to it."""
    Mailbox.here()
