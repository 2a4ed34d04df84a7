"""`Team`: a task on each worker of this host, which runs steps on arrays in common as they are asked for.

A task of Dask takes some milliseconds to be given to a worker, and as much to tell of its end: as long as
many of the steps of a sweep. Here one task on each worker reads what to do from a socket of this process, for
some seconds. What steps read and write is in memory that all map, so that messages are short.
"""

from __future__ import annotations

import contextlib
import pickle
import secrets
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from cfcore.distributed.fit_cluster import Cluster, Tasks
from cfcore.distributed.fit_common import Common, Mapped
from cfcore.distributed.fit_shared import is_own
from cfcore.distributed.fit_tasks import Lost, own_threads, scratch
from cfcore.models.factorization.bayesian_steps import BLOCK

__all__ = ["Team", "serve"]

Array = np.ndarray[Any, Any]

#: A message: its kind and three numbers. A packed step follows `CALL`; the last number is its size in bytes.
_MESSAGE = struct.Struct("<cqqq")
CALL, REGION, REST, READY, DONE, FAILED = b"c", b"r", b"p", b"y", b"d", b"f"
#: Seconds for which tasks run, if they are not in the midst of an epoch.
SECONDS = 4.0
#: Seconds that a task waits between epochs, and after which it is no longer relied on.
IDLE, RELIED = 2.0, 1.0
#: Seconds for which a worker keeps its mappings after a task has ended.
KEPT = 10.0
#: Spans for each worker. With 3, of which those that are done take further ones, epochs on two idle cores
#: took 5% longer: with 1, a worker has the same rows in each step, and in its caches.
SPANS = 1
#: Ratings, or rows, below which a span is not divided further.
FEWEST = 20_000


class Team:
    """Workers on this host that run steps on arrays which they and this process have in common.

    Parameters
    ----------
    cluster : Cluster
    move : callable
        Has all that steps read and write moved to a `Common`.

    Attributes
    ----------
    common : Common
    is_open : bool
        Whether tasks are ready to run steps.
    """

    def __init__(self, cluster: Cluster, move: Callable[[Common], None]) -> None:
        self.cluster, self.move = cluster, move
        self.is_open, self.is_lost = False, True
        self.sockets: list[socket.socket] = []
        self.sent: list[int] = []  # regions that each has
        self.workers: list[str] = []
        self.futures: list[Any] = []
        self.opened = self.used = 0.0
        cluster.closing.append(self.close)

    # ------------------------------------------------------------------ tasks

    def open(self, tasks: Tasks) -> None:
        """Have a task ready on each of the workers of a try; called at the begin of an epoch."""
        if self.is_lost:
            # A worker that is not reached may still write: not to where it is read from then on.
            self.common, self.is_lost, self.token = Common(), False, secrets.token_hex(16)
            self.spans: dict[Any, tuple[Any, list[tuple[int, int]]]] = {}
            self.move(self.common)
            self.common.forget()
        if self.workers == tasks.workers and self.goes_on():
            return
        self.close()
        self.workers = list(tasks.workers)
        name = f"cfcore-{secrets.token_hex(16)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(f"\0{name}")
            listening.listen()
            given = name, self.token
            self.futures = [tasks.submit(serve, *given, at=at, only=True) for at in range(len(self.workers))]
            try:
                while len(self.sockets) < len(self.workers):
                    self._wait([listening])
                    self._accept(listening)
            except BaseException:
                self.close()
                raise
        self.opened = self.used = time.monotonic()
        self.is_open = True

    def goes_on(self) -> bool:
        """Whether there are tasks that can be relied on for another epoch."""
        now = time.monotonic()
        return self.is_open and now < self.opened + SECONDS and now < self.used + RELIED

    def _accept(self, listening: socket.socket) -> None:
        own, _ = listening.accept()
        own.setblocking(True)
        if not is_own(own):
            own.close()
            return
        self.sockets.append(own)
        self.sent.append(_MESSAGE.unpack(_received(own, _MESSAGE.size))[1])

    def rest(self) -> None:
        """Tell the tasks that an epoch is done."""
        self.used = time.monotonic()
        with contextlib.suppress(OSError):  # the next epoch finds that out
            for own in self.sockets:
                own.sendall(_MESSAGE.pack(REST, 0, 0, 0))

    def close(self) -> None:
        """End the tasks."""
        for own in self.sockets:
            own.close()
        self.sockets, self.sent, self.futures, self.is_open = [], [], [], False

    def _wait(self, sockets: Sequence[socket.socket]) -> list[socket.socket]:
        """Sockets that there is something to read from; `Lost` if a worker is."""
        numbers = {own.fileno(): own for own in sockets}
        polling = select.poll()
        for number in numbers:
            polling.register(number, select.POLLIN)
        while not (ready := polling.poll(500)):
            self.cluster.check_alive(self.workers)
            if any(future.status in ("error", "cancelled", "lost") for future in self.futures):
                raise Lost("a task is lost")
        return [numbers[number] for number, _ in ready]

    # ------------------------------------------------------------------ steps

    def run(
        self, step: Callable[..., None], n: int, *given: Any, indptr: Array | None = None,
        gathered: Sequence[Array] = (),
    ) -> None:  # fmt: skip
        """Call a step with spans of `n` things; see `InProcess.run` and `Common.packed`."""
        self.call(step, self.spans_of(n, indptr), *given, gathered=gathered)

    def spans_of(self, n: int, indptr: Array | None) -> list[tuple[int, int]]:
        """Spans of `n` things, of about as many ratings each if there are bounds of these."""
        key = n, id(indptr), len(self.sockets)
        if key not in self.spans:
            total = n if indptr is None else int(indptr[-1]) + n
            pieces = len(self.sockets) * (1 if indptr is None or total < FEWEST else SPANS)
            work = np.arange(n + 1) if indptr is None else indptr + np.arange(n + 1)
            cuts = np.searchsorted(work, total * np.arange(1, pieces) / pieces)
            cuts = cuts // BLOCK * BLOCK if indptr is None else cuts
            ends = np.unique([0, *cuts.tolist(), n]).tolist()
            self.spans[key] = indptr, list(pairwise(ends))  # with the bounds, whose number is of no other
        return self.spans[key][1]

    def call(
        self, step: Callable[..., None], spans: Sequence[tuple[int, int]], *given: Any,
        gathered: Sequence[Array] = (),
    ) -> None:  # fmt: skip
        """Call a step with some spans, each in one of the tasks, and wait for the end of all."""
        try:
            self._call(list(spans), self.common.packed((step, given), gathered))
        except BaseException as error:
            self.close()
            self.is_lost = True
            if isinstance(error, OSError):
                raise Lost("a worker is lost") from error
            raise

    def _call(self, left: list[tuple[int, int]], packed: bytes) -> None:
        left.reverse()
        knows: set[int] = set()  # tasks that have been sent what is packed
        running = 0
        for at in range(min(len(left), len(self.sockets))):
            self._send(at, left.pop(), packed, knows)
            running += 1
        while running:
            for own in self._wait(self.sockets):
                at = self.sockets.index(own)
                kind, size, _, _ = _MESSAGE.unpack(_received(own, _MESSAGE.size))
                running -= 1
                if kind == FAILED:
                    raise pickle.loads(_received(own, size))
                if left:
                    self._send(at, left.pop(), packed, knows)
                    running += 1

    def _send(self, at: int, span: tuple[int, int], packed: bytes, knows: set[int]) -> None:
        """Have a task call the step with a span."""
        own, regions = self.sockets[at], self.common.regions
        for number in range(self.sent[at], len(regions)):
            socket.send_fds(own, [_MESSAGE.pack(REGION, number, 0, 0)], [regions[number].file])
        self.sent[at] = len(regions)
        body = b"" if at in knows else packed
        knows.add(at)
        own.sendall(_MESSAGE.pack(CALL, *span, len(body)) + body)


def _received(own: socket.socket, size: int) -> bytes:
    found = own.recv(size, socket.MSG_WAITALL) if size else b""
    if len(found) < size:
        raise ConnectionError("the other process is lost")
    return found


# ---------------------------------------------------------------------- on workers


class _Kept:
    """What the last task of a team on this worker has mapped, for the next one: pages take time to map."""

    def __init__(self) -> None:
        self.changing = threading.Lock()
        self.token, self.mapped = "", Mapped()
        self.until: threading.Timer | None = None

    def take(self, token: str) -> Mapped:
        """That of a team, which nothing else has from then on."""
        with self.changing:
            found = self.mapped if token == self.token else Mapped()
            self._forget()
            return found

    def keep(self, token: str, mapped: Mapped) -> None:
        """Keep that of a team, for some time."""
        with self.changing:
            self._forget()
            self.token, self.mapped = token, mapped
            self.until = threading.Timer(KEPT, self.take, ("",))
            self.until.daemon = True
            self.until.start()

    def _forget(self) -> None:
        self.token, self.mapped = "", Mapped()
        scratch.clear()
        if self.until is not None:
            self.until.cancel()
            self.until = None


_kept = _Kept()


def serve(name: str, token: str) -> None:
    """Run steps as a socket of another process on this host asks for them, until that closes it.

    Parameters
    ----------
    name : str
        Of the socket, in the abstract namespace.
    token : str
        Of the arrays in common, which are kept for the next task.
    """
    mapped = _kept.take(token)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as own, contextlib.suppress(OSError):
        own.connect(f"\0{name}")
        own.sendall(_MESSAGE.pack(READY, len(mapped.regions), 0, 0))
        if is_own(own):
            _serve(own, mapped)
            _kept.keep(token, mapped)


def _serve(own: socket.socket, mapped: Mapped) -> None:
    """Run steps until there is no further message."""
    step: Any
    step, given, timeout = None, (), None
    while True:
        own.settimeout(timeout)
        try:
            message, files, _, _ = socket.recv_fds(own, _MESSAGE.size, 1)
        except TimeoutError:
            return
        if not message:
            return
        own.settimeout(None)
        message += _received(own, _MESSAGE.size - len(message))
        kind, begin, end, size = _MESSAGE.unpack(message)
        timeout = IDLE if kind == REST else None
        if kind == REGION:
            mapped.add(begin, files[0])
        elif kind == CALL:
            try:
                if size:
                    step, given = mapped.value(_received(own, size))
                with own_threads() as n_threads:
                    step((begin, end), n_threads, *given)
            except Exception as error:
                told = pickle.dumps(error)
                own.sendall(_MESSAGE.pack(FAILED, len(told), 0, 0) + told)
            else:
                own.sendall(_MESSAGE.pack(DONE, 0, 0, 0))
