"""What a notebook shows of the last expression of a cell, by IPython's protocol."""

from __future__ import annotations

from typing import Any

#: Methods that IPython looks for, by kind of output.
METHODS = {"html": "_repr_html_", "png": "_repr_png_"}


def shown(value: Any, kind: str = "html") -> Any:
    """Output of a kind; None if the value has none."""
    method = getattr(type(value), METHODS[kind], None)
    return None if method is None else method(value)
