"""Docstrings of public names can be read in a terminal."""

from __future__ import annotations

import inspect

import pytest

import cfcore as cf

NAMES = [name for name in cf.__all__ if inspect.isclass(getattr(cf, name))]


@pytest.mark.parametrize("name", NAMES)
def test_equations_are_text(name: str) -> None:
    text = inspect.getdoc(getattr(cf, name)) or ""
    assert text, name
    for markup in (r"\frac", r"\sum", r"\hat", r"\lambda", ":math:", ".. math::"):
        assert markup not in text
