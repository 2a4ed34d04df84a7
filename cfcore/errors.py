"""Exceptions and warnings that cfcore raises."""

from __future__ import annotations

__all__ = [
    "CfcoreError", "ConvergenceWarning", "DataError", "DataWarning", "FileFormatError", "NotFittedError",
]  # fmt: skip


class CfcoreError(Exception):
    """Base of all exceptions of this library."""


class DataError(CfcoreError, ValueError):
    """Ratings or ids are not valid; the message names the column and the first offending row."""


class NotFittedError(CfcoreError, ValueError, AttributeError):
    """An attribute or a method needs a fitted model."""


class FileFormatError(CfcoreError, ValueError):
    """A file is damaged, or was not written by cfcore."""


class DataWarning(UserWarning):
    """Data may mean something else than it was taken for, or a result says less than it seems to."""


class ConvergenceWarning(UserWarning):
    """Training diverged and was stopped; the last good parameters were kept."""


def shown(value: object, most: int = 120) -> str:
    """``repr`` of a value for a message, cut off beyond so many characters."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"  # Python refuses to write longer ones
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."
