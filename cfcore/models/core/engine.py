"""`Engine`: where the work of fits is done, if not in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

__all__ = ["Engine", "current_engine", "use_engine"]


class Engine(Protocol):
    """Does the work of fits elsewhere, with the bits of a fit in this process."""

    def trainer(self, trainer: Any, context: Any, n_epochs: int) -> Any:
        """A trainer, made from one in its initial state, that `run_epochs` calls in its place."""

    def compare(self, comparison: Any, progress: Callable[[int], object] | None) -> None:
        """Write the similarities of a `Comparison`; of a matrix, the half below the diagonal."""


_current: ContextVar[Engine | None] = ContextVar("cfcore_engine", default=None)


def current_engine() -> Engine | None:
    """The engine of fits in this thread; None where they run in this process."""
    return _current.get()


@contextmanager
def use_engine(engine: Engine) -> Iterator[None]:
    """Have fits in this thread use an engine, within a ``with`` block."""
    token = _current.set(engine)
    try:
        yield
    finally:
        _current.reset(token)
