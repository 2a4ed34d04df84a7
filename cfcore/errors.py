"""Exceptions and warnings that cfcore raises."""

from __future__ import annotations

__all__ = ["CfcoreError", "ConvergenceWarning", "DataError", "FileFormatError", "NotFittedError"]


class CfcoreError(Exception):
    """Base of all exceptions of this library."""


class DataError(CfcoreError, ValueError):
    """Ratings or ids that cannot be used; the message names the column and the first offending row."""


class NotFittedError(CfcoreError, ValueError, AttributeError):
    """A model was asked for something that only a fitted model has."""


class FileFormatError(CfcoreError, ValueError):
    """A file is damaged, or is not one that cfcore wrote."""


class ConvergenceWarning(UserWarning):
    """Training diverged and was stopped; the last good parameters were kept."""
