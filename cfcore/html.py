"""HTML that notebooks show: tables and lists of facts, all text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["facts", "table"]


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "", foot: Iterable[Sequence[str]] = ()
) -> str:
    """A table of texts, columns to the right.

    Parameters
    ----------
    heads : sequence of str
    rows, foot : iterable of sequences of str
        The rows, and those below a line.
    caption : str, optional
        Stands above the table.
    """
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    lines = [f"<tr>{_cells(row, 'td')}</tr>" for row in rows]
    below = [f"<tr>{_cells(row, 'th')}</tr>" for row in foot]
    return (
        f"<table>{above}<thead><tr>{_cells(heads, 'th')}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody>{'<tfoot>' + ''.join(below) + '</tfoot>' if below else ''}</table>"
    )


def facts(title: str, pairs: Iterable[tuple[str, str]]) -> str:
    """A title, and a table of names and their values."""
    rows = [
        f'<tr><th style="text-align: left">{escape(name)}</th>'
        f'<td style="text-align: left">{escape(value)}</td></tr>'
        for name, value in pairs
    ]
    return f"<div><strong>{escape(title)}</strong><table><tbody>{''.join(rows)}</tbody></table></div>"


def _cells(row: Sequence[str], tag: str) -> str:
    return "".join(f'<{tag} style="text-align: right">{escape(str(cell))}</{tag}>' for cell in row)
