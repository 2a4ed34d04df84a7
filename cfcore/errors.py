"""Exceptions and warnings that cfcore raises."""

from __future__ import annotations

__all__ = ["CfcoreError", "ConvergenceWarning", "DataError", "FileFormatError", "NotFittedError"]


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
