"""Exceptions and warnings that cfcore raises."""

from __future__ import annotations

import sys
import warnings

__all__ = [
    "CfcoreError", "ConvergenceWarning", "DataError", "DataWarning", "FileFormatError", "NotFittedError",
    "warn",
]  # fmt: skip


class CfcoreError(Exception):
    """Base of all exceptions of this library."""


class DataError(CfcoreError, ValueError):
    """Ratings or ids are not valid; the message names the column and the first offending row."""


class NotFittedError(CfcoreError, ValueError, AttributeError):
    """An attribute or a method needs a fitted model."""


class FileFormatError(CfcoreError, ValueError):
    """A file is damaged, or was not written by cfcore."""


class ConvergenceWarning(UserWarning):
    """Training diverged and was stopped; the last good parameters were kept."""


class DataWarning(UserWarning):
    """Data can be understood in several ways, or a part of them has no effect; the message says which."""


def warn(message: str, category: type[Warning]) -> None:
    """Issue a warning that refers to the line that called cfcore."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "cfcore":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
