"""Exceptions and warnings that cfcore raises."""

from __future__ import annotations

import contextlib
import contextvars
import sys
import warnings
from collections.abc import Callable, Iterator

__all__ = [
    "CfcoreError", "ConvergenceWarning", "DataError", "DataWarning", "DivergenceError", "DuplicateError",
    "FileFormatError", "NotFittedError", "first_line", "shown", "warn", "warnings_as",
]  # fmt: skip


class CfcoreError(Exception):
    """Base of all exceptions of this library."""


class DataError(CfcoreError, ValueError):
    """Ratings or ids are not valid; the message names the column and the first offending row."""


class DuplicateError(DataError):
    """A user rated an item more than once, and the call does not say which rating counts.

    Attributes
    ----------
    problem : str
        Columns, rows and ids.
    remedy : str
        What the caller can do; each caller may have an option of another name.
    """

    def __init__(
        self, problem: str, remedy: str = 'pass duplicates="last", "first" or "mean" to keep one rating'
    ) -> None:
        super().__init__(problem, remedy)
        self.problem: str = problem
        self.remedy: str = remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


class NotFittedError(CfcoreError, ValueError, AttributeError):
    """An attribute or a method needs a fitted model."""


class FileFormatError(CfcoreError, ValueError):
    """A file is damaged, or was not written by cfcore."""


class DivergenceError(CfcoreError, FloatingPointError):
    """Training diverged before there were any parameters to keep; the message says what to change."""


class ConvergenceWarning(UserWarning):
    """Training diverged and was stopped, and the last good parameters were kept; or it made errors larger."""


class DataWarning(UserWarning):
    """Data can be understood in several ways, or a part of them has no effect; the message says which."""


_wording: contextvars.ContextVar[Callable[[str], str]] = contextvars.ContextVar("wording", default=str)


@contextlib.contextmanager
def warnings_as(wording: Callable[[str], str]) -> Iterator[None]:
    """Within this context `warn` says what `wording` makes of a message; nothing if that is empty."""
    outer = _wording.get()
    token = _wording.set(lambda message: outer(said) if (said := wording(message)) else "")
    try:
        yield
    finally:
        _wording.reset(token)


def warn(message: str, category: type[Warning]) -> None:
    """Issue a warning that refers to the line that called cfcore."""
    message = _wording.get()(message)
    if not message:
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "cfcore":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def shown(value: object, most: int = 120) -> str:
    """``repr`` of a value for a message, on one line, cut off beyond so many characters."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"  # Python refuses to write longer ones
    text = repr(value)
    if "\n" in text:  # of an array
        text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 3]}..."
