"""`cross_validate` and `search` with their fits on the workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import functools
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

from cfcore import selection
from cfcore.data import Ratings
from cfcore.distributed.fit_cluster import cancelled_errors
from cfcore.distributed.running import client_of
from cfcore.distributed.versions import check_versions
from cfcore.selection.workers import Stop, elsewhere

__all__ = ["cross_validate", "search"]

#: Seconds between two looks at Ctrl-C.
PAUSE = 0.2
#: Times that a fit is tried, however workers with its ratings are lost.
MOST_TRIES = 20


class OnWorkers:
    """Fits as tasks of a client, one thread each.

    Parameters
    ----------
    client : distributed.Client
        Not asynchronous.
    """

    threads = 1

    def __init__(self, client: Any) -> None:
        self.client = client
        self.workers = max(1, sum(client.nthreads().values()))
        self._sent: dict[int, tuple[Any, Any]] = {}
        self._numbers = itertools.count()

    def run(self, function: Callable[..., Any], arguments: tuple[Any, ...], stop: Stop) -> Any:
        """``function(*arguments)`` on a worker; again when a worker is lost that had the arguments."""
        for n_tries in itertools.count(1):
            try:
                return self._run(function, arguments, stop)
            except cancelled_errors():
                if n_tries == MOST_TRIES or self.client.status != "running":
                    raise
                if stop.is_now():
                    raise KeyboardInterrupt from None
                time.sleep(PAUSE)
        raise AssertionError

    def _run(self, function: Callable[..., Any], arguments: tuple[Any, ...], stop: Stop) -> Any:
        sent = [
            tuple(map(self._send, one)) if isinstance(one, tuple) else self._send(one) for one in arguments
        ]
        future = self.client.submit(
            _call, function, sent, key=f"cfcore-fit-{id(self)}-{next(self._numbers)}", pure=False
        )
        ended = threading.Event()
        future.add_done_callback(lambda _: ended.set())
        try:
            while not ended.wait(PAUSE):
                if stop.is_now():
                    raise KeyboardInterrupt
            return future.result()
        finally:
            if not future.done():
                future.cancel(force=True)

    def _send(self, one: Any) -> Any:
        """Ratings as data of the cluster, sent once, and again when they are lost."""
        if not isinstance(one, Ratings):
            return one
        if id(one) not in self._sent or self._sent[id(one)][1].status != "finished":
            self._sent[id(one)] = one, self.client.scatter(one, hash=False)
        return self._sent[id(one)][1]


def _call(function: Callable[..., Any], arguments: list[Any]) -> Any:
    return function(*arguments)


def _on_cluster(
    method: Callable[..., Any], client: Any, arguments: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    client = client_of(client)
    options.setdefault("n_jobs", None)

    def call(own: Any) -> Any:
        own.sync(check_versions, own)
        token = elsewhere.set(OnWorkers(own))
        try:
            return method(*arguments, **options)
        finally:
            elsewhere.reset(token)

    if not client.asynchronous:
        return call(client)

    def call_by_another() -> Any:
        from distributed import Client

        address = client.scheduler.address
        with Client(address, security=client.security, set_as_default=False) as own:
            return call(own)

    return asyncio.get_running_loop().run_in_executor(None, functools.partial(call_by_another))


def cross_validate(
    model: Any, ratings: Any = None, *arguments: Any, client: Any = None, **options: Any
) -> Any:
    """Fit a model to the training part of each fold on the workers of a cluster, folds side by side.

    Parameters
    ----------
    model, ratings, *arguments, **options
        As of `cfcore.selection.cross_validate`; ``n_jobs`` is the number of folds at a time, by default that
        of the threads of all workers.
    client : distributed.Client, optional
        By default the current one. With an asynchronous one, `await` the result.

    Returns
    -------
    Table or awaitable
        The same numbers as `cfcore.selection.cross_validate`, but for seconds.

    Notes
    -----
    Ratings of a fold are sent to a worker; Ctrl-C cancels the fits.
    """
    return _on_cluster(selection.cross_validate, client, (model, ratings, *arguments), options)


def search(model: Any, ratings: Any = None, *arguments: Any, client: Any = None, **options: Any) -> Any:
    """Search hyper-parameters with trials side by side on the workers of a cluster.

    Parameters
    ----------
    model, ratings, *arguments, **options
        As of `cfcore.selection.search`; ``n_jobs`` is the number of trials at a time, by default that of the
        threads of all workers.
    client : distributed.Client, optional
        By default the current one. With an asynchronous one, `await` the result.

    Returns
    -------
    Search or awaitable
        Each trial has the value that it has in `cfcore.selection.search`. As there, which settings are tried
        after the first depends on ``n_jobs``, except for a grid.

    Notes
    -----
    A trial that is worse than others half-way is found to be so at the end of its fit to the first fold. The
    best setting is fitted to all ratings in this process (``refit=True``). Ctrl-C cancels the fits.
    """
    return _on_cluster(selection.search, client, (model, ratings, *arguments), options)
