"""Progress bars by tqdm, or none."""

from __future__ import annotations

from types import TracebackType
from typing import Any

__all__ = ["progress_bar"]


class _Silent:
    """A bar that shows nothing."""

    def __enter__(self) -> _Silent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def update(self, amount: float = 1) -> None:
        """Advance by `amount`."""

    def set(self, **figures: Any) -> None:
        """Show figures, such as the current RMSE, after the bar."""

    def expect(self, total: float) -> None:
        """Set the amount of work, which has become known, or changed."""


class _Tqdm(_Silent):
    def __init__(self, total: float | None, description: str) -> None:
        from tqdm.auto import tqdm

        self._bar = tqdm(total=total, desc=description, leave=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def update(self, amount: float = 1) -> None:
        self._bar.update(amount)

    def set(self, **figures: Any) -> None:
        self._bar.set_postfix(figures, refresh=False)

    def expect(self, total: float) -> None:
        self._bar.total = total


def progress_bar(total: float | None, description: str, enabled: bool | int) -> _Silent:
    """A context manager with ``update(amount)`` and ``set(**figures)``.

    Parameters
    ----------
    total : float or None
        Amount of work; None when it is not known.
    description : str
        Label of the bar.
    enabled : bool or int
        False or 0 shows nothing and does not import tqdm.
    """
    return _Tqdm(total, description) if enabled else _Silent()
