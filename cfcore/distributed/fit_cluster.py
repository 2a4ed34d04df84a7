"""`Cluster`: tasks on the workers of a Dask client, repeated when workers are lost."""

from __future__ import annotations

import _weakrefset
import asyncio
import secrets
import signal
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from cfcore.distributed.fit_exchange import GIVE_UP, Address, install
from cfcore.distributed.fit_near import Gone, Near, call_near, can_open, opened
from cfcore.distributed.fit_tasks import Lost, Static
from cfcore.distributed.versions import check_versions

__all__ = ["Cluster", "Held", "Tasks", "cancelled_errors"]

Result = TypeVar("Result")

#: Seconds for which a fit waits for workers; a nanny restarts a lost one within some seconds.
PATIENCE = 300.0
#: Times that the same work is tried again, however workers are lost.
MOST_TRIES = 50
#: Times that Dask gives up the same work, each because several workers were lost while they ran a task of it.
MOST_KILLED = 3


class Held:
    """Data of a fit for tasks, sent to a worker when a task first needs them there, and again when lost.

    Parameters
    ----------
    value : object
        Pickles.
    """

    def __init__(self, value: Any) -> None:
        self.value = Static(value)
        self.future: Any = None


class Tasks:
    """The tasks of one try; see `Cluster.run`.

    Attributes
    ----------
    workers : list of str
        Addresses of the workers, in a fixed order.
    token : str
        Names a set of tasks that send each other data while they run; empty without one.
    """

    def __init__(self, cluster: Cluster, workers: Sequence[str]) -> None:
        self.cluster, self.workers = cluster, workers
        self.token = ""
        self.shared: list[Near] = []
        # Not kept: results are released as soon as no other task needs them.
        self.futures: Any = weakref.WeakSet()

    def near(self, at: int) -> str:
        """The worker that part `at` is best placed at."""
        return self.workers[at % len(self.workers)]

    def put(self, value: Any, at: int = 0) -> Any:
        """Send a value to the worker that part `at` is best placed at; its future."""
        return self.put_all([(value, at)])[0]

    def put_all(self, values: Sequence[tuple[Any, int]]) -> list[Any]:
        """Send values, each with a number as in `put`, all at once; their futures."""
        found = self.cluster.scattered([(value, self.near(at)) for value, at in values])
        self.futures.update(found)
        return found

    def share_all(self, values: Sequence[tuple[Any, int]]) -> list[Any]:
        """As `put_all`, but in memory that workers map, if all of them are on this host; for `call`."""
        if not self.are_near():
            return self.put_all(values)
        found = [Near(value) for value, _ in values]
        self.shared += found
        return list(found)

    def call(self, function: Callable[..., Any], *args: Any, at: int) -> Any:
        """As `submit`, of what `share_all` has returned too; for `results`."""
        if self.are_near():
            return self.submit(call_near, function, *args, at=at)
        return self.submit(function, *args, at=at)

    def results(self, futures: Sequence[Any]) -> list[Any]:
        """As `gather`, of what `call` has returned; arrays may be read-only."""
        return [opened(one) for one in self.gather(futures)]

    def are_near(self) -> bool:
        """Whether all workers are on the host of this process."""
        near = self.cluster.near
        if self.cluster.apart:
            return False
        new = [at for at, worker in enumerate(self.workers) if worker not in near]
        if new:
            try:
                value = Near(True)
            except OSError:  # this system does not have it
                self.cluster.apart = True
                return False
            found = self.gather([self.submit(can_open, value, at=at, only=True) for at in new])
            value.close()
            near |= dict(zip((self.workers[at] for at in new), found, strict=True))
        return all(near[worker] for worker in self.workers)

    def held(self, data: Sequence[Held], first: int = 0) -> list[Any]:
        """The futures of data that workers hold from one try to the next, near parts from `first` on."""
        missing = {
            at: one
            for at, one in enumerate(data, first)
            if one.future is None or one.future.status != "finished"
        }
        sent = self.cluster.scattered([(one.value, self.near(at)) for at, one in missing.items()])
        for one, future in zip(missing.values(), sent, strict=True):
            one.future = future
        return [one.future for one in data]

    def submit(
        self, function: Callable[..., Any], *args: Any, at: int | None = None, only: bool = False
    ) -> Any:
        """Have a function called with results of futures, near part `at` if possible, or only; its future."""
        near: dict[str, Any] = {}
        if at is not None:
            near = {"workers": [self.near(at)], "allow_other_workers": not only}
        future = self.cluster.client.submit(function, *args, pure=False, **near)
        self.futures.add(future)
        return future

    def together(self, n: int) -> list[Address]:
        """Prepare `n` tasks at the workers of the first parts to send each other data; their addresses."""
        ready, self.cluster.ready = self.cluster.ready, {}
        new = [at for at in range(n) if self.near(at) not in ready]
        found = self.gather([self.submit(install, at=at, only=True) for at in new])
        # Not if a worker is lost.
        self.cluster.ready = ready | {self.near(at): own for at, own in zip(new, found, strict=True)}
        self.token = secrets.token_hex(8)
        return [self.cluster.ready[self.near(at)] for at in range(n)]

    def close(self) -> None:
        """Let go of the memory of what has been shared."""
        for one in self.shared:
            one.close()

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        """Results of futures."""
        cluster = self.cluster
        client = cluster.client
        gathering = client.gather(list(futures), direct=cluster.direct, asynchronous=True)
        found = cluster.wait(gathering, self.workers)
        return list(found)

    def as_completed(self, futures: Sequence[Any]) -> Any:
        """Numbers of futures, as they are finished, with their results."""
        left = dict(enumerate(futures))
        while left:
            done = self.cluster.wait(_any_done(list(left.values())))
            ready = [at for at, future in left.items() if future.key in done]
            for at, result in zip(ready, self.gather([left[at] for at in ready]), strict=True):
                del left[at]
                yield at, result


def _in_finaliser(frame: FrameType | None) -> bool:
    """Whether a frame was called by a method ``__del__`` or by a callback of a weak reference."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code.co_filename in (weakref.__file__, _weakrefset.__file__):
            return True
        frame = frame.f_back
    return False


async def _any_done(futures: list[Any]) -> set[str]:
    from distributed import wait

    found = await wait(futures, return_when="FIRST_COMPLETED")
    return {future.key for future in found.done}


class Cluster:
    """The workers of a client, and how work is given to them.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:
        self.client, self.loop = client, client.loop.asyncio_loop
        self.stopped = threading.Event()
        self.near: dict[str, bool] = {}  # workers, and whether they are on the host of this process
        self.apart = False  # whether that no longer matters
        self.ready: dict[str, Address] = {}  # workers that take in what tasks send each other
        self.checked: set[str] = set()  # workers that have this version of cfcore
        self.direct = False
        self.closing: list[Callable[[], object]] = []  # called at the end of the fit
        workers = self.workers()
        try:  # whether this process can reach workers without a way through the scheduler
            self.wait(self._reach(workers[0]))
            self.direct = True
        except (TimeoutError, OSError):
            pass

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Have Ctrl-C end the fit even where a KeyboardInterrupt would be lost.

        Python prints errors of finalisers and goes on; and results of tasks are released by finalisers many
        times a second. There the interrupt is only noted, and the next `wait` raises it.
        """
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(before):
            yield
            return

        def stop(number: int, frame: FrameType | None) -> Any:
            self.stopped.set()
            try:
                return before(number, frame)
            except KeyboardInterrupt:
                if not _in_finaliser(frame):
                    raise

        signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            if signal.getsignal(signal.SIGINT) is stop:
                signal.signal(signal.SIGINT, before)

    async def _reach(self, worker: str) -> None:
        async with asyncio.timeout(3):
            async with self.client.rpc(worker) as remote:
                await remote.identity()

    def wait(self, coroutine: Coroutine[Any, Any, Result], needed: Sequence[str] = ()) -> Result:
        """Run a coroutine on the loop of the client; Ctrl-C in this thread takes effect meanwhile.

        Raises `Lost` if it waits in vain, because a worker that is needed is lost.
        """
        future = asyncio.run_coroutine_threadsafe(_awaited(coroutine), self.loop)
        try:
            if self.stopped.is_set():
                raise KeyboardInterrupt
            while True:
                try:
                    return future.result(timeout=0.5)
                except TimeoutError:
                    if future.done():
                        raise
                    self.check_going()
                    if needed:
                        self.check_alive(needed)
        except BaseException:
            future.cancel()
            raise

    def check_alive(self, needed: Sequence[str]) -> None:
        """Raise if the fit is to end, and `Lost` if a worker is lost."""
        self.check_going()
        if not set(needed) <= set(self._identity()):
            raise Lost("a worker is lost")

    def close(self) -> None:
        """End what a fit has left running."""
        for one in self.closing:
            one()

    def _identity(self) -> Any:
        """The workers that the scheduler knows, by address."""
        return self.wait(self.client.scheduler.identity(n_workers=-1))["workers"]

    def check_going(self) -> None:
        """Raise if the fit is to end."""
        if self.stopped.is_set():
            raise KeyboardInterrupt
        if self.client.status != "running":
            raise ConnectionError(
                f"the scheduler of the client is lost (the client is {self.client.status}); call fit again "
                "with a new client, and with checkpoint=path to go on from the last epoch"
            )

    def workers(self) -> list[str]:
        """Addresses of the workers, in the order of their names; waits for one."""
        started = time.monotonic()
        while True:
            self.check_going()
            found = self._identity()
            if found:
                if new := found.keys() - self.checked:
                    self.wait(check_versions(self.client, new))
                    self.checked |= new
                return sorted(found, key=lambda address: (str(found[address]["name"]), address))
            if time.monotonic() - started > PATIENCE:
                raise TimeoutError(f"the cluster has had no workers for {PATIENCE:.0f} s; start some")
            time.sleep(0.2)

    def scattered(self, values: Sequence[tuple[Any, str]]) -> list[Any]:
        """The futures of values, each of which is sent to a worker."""
        of_worker: dict[str, list[int]] = {}
        for at, (_, worker) in enumerate(values):
            of_worker.setdefault(worker, []).append(at)
        if not values:
            return []
        sending = [
            self.client.scatter(
                [values[at][0] for at in own], workers=[worker], direct=self.direct, hash=False,
                asynchronous=True, timeout=30,
            )
            for worker, own in of_worker.items()
        ]  # fmt: skip
        found: list[Any] = [None] * len(values)
        for own, futures in zip(of_worker.values(), self.wait(_all(sending)), strict=True):
            for at, future in zip(own, futures, strict=True):
                found[at] = future
        return found

    def run(self, work: Callable[[Tasks], Result]) -> Result:
        """Results of some work: a function that submits tasks, waits for them, and writes nothing.

        When workers are lost with results that only they had, the work is done again.
        """
        from distributed import KilledWorker

        # CancelledError (of the futures module): a future's data are lost. OSError: a connection is.
        lost = (Lost, KilledWorker, OSError, TimeoutError, asyncio.CancelledError, *cancelled_errors())
        n_killed = 0
        for n_tries in range(MOST_TRIES):
            tasks = None
            try:
                tasks = Tasks(self, self.workers())
                found = work(tasks)
                tasks.close()
                return found
            except BaseException as error:
                self._drop(tasks)
                self.ready, self.near = {}, {}
                self.apart |= isinstance(error, Gone)  # a worker short of memory writes results to disk
                if not isinstance(error, lost) or n_tries == MOST_TRIES - 1:
                    raise
                n_killed += isinstance(error, KilledWorker)
                if n_killed == MOST_KILLED:
                    raise RuntimeError(
                        f"workers were lost {n_killed} times over while they ran the same task ({error}): "
                        "they may need more memory; start them with more (--memory-limit), or more of them"
                    ) from error
                self.check_going()
                time.sleep(min(0.1 * 2**n_tries, 2.0))
        raise AssertionError

    def _drop(self, tasks: Tasks | None) -> None:
        """Cancel what is left of a try."""
        if tasks is None:
            return
        tasks.close()
        if self.client.status != "running":
            return
        pending = [future for future in tasks.futures if not future.done()]
        cancelling = [self.client.cancel(pending, asynchronous=True, force=True)]
        if tasks.token:  # those that run already cannot be cancelled
            told = {"op": GIVE_UP, "token": tasks.token}
            cancelling.append(self.client.scheduler.broadcast(msg=told, on_error="ignore"))
        asyncio.run_coroutine_threadsafe(_all(cancelling), self.loop)


async def _all(coroutines: Sequence[Any]) -> list[Any]:
    return list(await asyncio.gather(*coroutines))


async def _awaited(coroutine: Any) -> Any:
    return await coroutine


def cancelled_errors() -> tuple[type[BaseException], ...]:
    """The errors of futures whose data are lost."""
    from concurrent.futures import CancelledError

    from distributed.client import FutureCancelledError

    return CancelledError, FutureCancelledError
