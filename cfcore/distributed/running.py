"""Work of a client of Dask: the client itself, tasks that are cancelled together, progress."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from cfcore.distributed.versions import check_versions
from cfcore.progress import progress_bar

__all__ = ["Tasks", "client_of", "run"]


def client_of(client: Any = None) -> Any:
    """The client given, or the current one.

    Raises
    ------
    ConnectionError
        The client is closed, or has lost its scheduler.
    ImportError
        Dask is not installed.
    TypeError
        It is something else.
    ValueError
        There is no client.
    """
    try:
        from distributed import Client, default_client
    except ImportError as error:
        raise ImportError("cfcore.distributed needs Dask: pip install 'cfcore[distributed]'") from error
    if client is None:
        try:
            client = default_client()
        except ValueError as error:
            raise ValueError(
                "there is no client of Dask: make one by distributed.Client(), or pass client="
            ) from error
    if not isinstance(client, Client):
        raise TypeError(f"client must be a dask.distributed.Client, not {type(client).__name__}")
    if client.status in ("closing", "closed"):
        raise ConnectionError("the client is closed, or its scheduler is lost: make a new distributed.Client")
    if client.status == "newly-created":
        raise ConnectionError("the client is asynchronous and not connected yet: await it first")
    return client


class Tasks:
    """The tasks of a call; all of them are cancelled when it ends, however it ends.

    Parameters
    ----------
    client : distributed.Client
    verbose : bool
        Whether to show a bar.
    """

    def __init__(self, client: Any, verbose: bool) -> None:
        self.client, self.verbose = client, verbose
        self._futures: list[Any] = []

    async def each(self, delayed: Sequence[Any], what: str) -> list[Any]:
        """The results of delayed values, in their order; the first error in this order is raised."""
        futures = self.client.compute(list(delayed))
        self._futures += futures
        found = []
        with progress_bar(len(futures), what, self.verbose) as bar:
            for future in futures:
                found.append(await self.client.gather(future, asynchronous=True))
                bar.update(1)
        return found

    async def release(self) -> None:
        """Cancel what runs, and forget results."""
        unfinished = [future for future in self._futures if not future.done()]
        self._futures = []
        if unfinished:
            await self.client.cancel(unfinished, asynchronous=True)


def run(client: Any, verbose: bool, work: Callable[[Tasks], Awaitable[Any]]) -> Any:
    """Run work on a client: its result, or with an asynchronous client what to await.

    Ctrl-C, and the cancellation of what is awaited, cancel the tasks.
    """

    async def guarded() -> Any:
        tasks = Tasks(client, verbose)
        try:
            await check_versions(client)
            return await work(tasks)
        finally:
            await tasks.release()

    return client.sync(guarded)
