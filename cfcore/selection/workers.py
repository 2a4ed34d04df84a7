"""Several fits at a time, which share the cores."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol, TypeVar

from cfcore.errors import shown
from cfcore.models.core.model import Model
from cfcore.models.core.params import as_python
from cfcore.threads import resolve_threads

__all__ = ["Elsewhere", "Stop", "elsewhere", "prepared", "run", "share", "side_by_side"]

Task = TypeVar("Task")
Result = TypeVar("Result")


class Elsewhere(Protocol):
    """What runs fits in other processes.

    Attributes
    ----------
    workers : int
        Fits that it runs side by side.
    threads : int
        Of each.
    """

    workers: int
    threads: int

    def run(self, function: Callable[..., Any], arguments: tuple[Any, ...], stop: Stop) -> Any:
        """``function(*arguments)``; KeyboardInterrupt once `stop` was called."""


#: Where fits run; None for threads of this process.
elsewhere: contextvars.ContextVar[Elsewhere | None] = contextvars.ContextVar("cfcore_elsewhere", default=None)


def run(function: Callable[..., Result], *arguments: Any, stop: Stop) -> Result:
    """``function(*arguments, stop)`` here, or ``function(*arguments, None)`` in another process."""
    other = elsewhere.get()
    if other is None:
        return function(*arguments, stop)
    found: Result = other.run(function, (*arguments, None), stop)
    return found


def share(n_jobs: int | None) -> tuple[int, int]:
    """Number of workers, and of threads that each may use: together never more than there are cores.

    Parameters
    ----------
    n_jobs : int or None
        Workers; None or -1 for as many as there are threads, and at most so many.

    Raises
    ------
    ValueError
        For any other number below 1.
    """
    other = elsewhere.get()
    cores = resolve_threads(None) if other is None else other.workers
    if n_jobs is None or n_jobs == -1:
        n_jobs = cores
    n_jobs = as_python(n_jobs)
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs < 1:
        raise ValueError(f"n_jobs must be an integer of at least 1, -1 or None, got {shown(n_jobs)}")
    workers = min(n_jobs, cores)
    return workers, cores // workers if other is None else other.threads


def prepared(model: Model, threads: int) -> Model:
    """A clone that uses no more than so many threads, in nested models too; the results are the same."""
    model = model.clone()
    limited = {}
    for name, value in model.get_params().items():
        if name == "n_threads" or name.endswith("__n_threads"):
            limited[name] = threads if value is None else min(resolve_threads(value), threads)
    return model.set_params(**limited)


class Stop:
    """A callback that ends its fit once `now` was called: so Ctrl-C ends the fits of all workers."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def is_now(self) -> bool:
        """Whether the fits are to end."""
        return self._event.is_set()

    def now(self) -> None:
        """End the fits at their next epoch."""
        self._event.set()

    def __call__(self, epochs: int, history: dict[str, list[float]]) -> None:
        if self._event.is_set():
            raise KeyboardInterrupt


def side_by_side(
    call: Callable[[Task, Stop], Result], tasks: Iterable[Task], workers: int
) -> Iterator[Result]:
    """Results of `call` for every task, in the order of the tasks, with so many workers.

    Workers are threads: kernels release the GIL, and threads read the same ratings, whereas other processes
    would need copies. A task is taken from `tasks` when a worker is free, and not before, so that no more
    than `workers` of them exist at a time.
    """
    stop = Stop()
    if workers == 1:
        yield from (call(task, stop) for task in tasks)
        return
    waiting: dict[Future[Any], int] = {}
    found: dict[int, Result] = {}
    given = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="cfcore") as pool:
        try:
            for number, task in enumerate(tasks):
                # In the caller's context: the backend in force is part of it.
                waiting[pool.submit(contextvars.copy_context().run, call, task, stop)] = number
                del task
                while len(waiting) >= workers:
                    _collect(waiting, found)
                while given in found:
                    yield found.pop(given)
                    given += 1
            while waiting:
                _collect(waiting, found)
                while given in found:
                    yield found.pop(given)
                    given += 1
        except BaseException:
            stop.now()
            raise


def _collect(waiting: dict[Future[Any], int], found: dict[int, Any]) -> None:
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        found[waiting.pop(future)] = future.result()
