"""The page of a report: text, tables, charts and all that they need in one file, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from cfcore.report.measures import Rows

__all__ = ["Page"]


class Page:
    """Sections of a page; `text` is the whole page."""

    def __init__(self, title: str, subtitle: str) -> None:
        self.title, self.subtitle = title, subtitle
        self.parts: list[str] = []
        self.sections: list[tuple[str, str]] = []
        self.charts: list[dict[str, Any]] = []

    def section(self, title: str, text: str = "") -> None:
        """Begin a section."""
        name = title.lower().replace(" ", "-")
        self.sections.append((name, title))
        if len(self.sections) > 1:
            self.parts.append("</section>")
        self.parts.append(
            f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{escape(title)}</h2>'
        )
        if text:
            self.paragraph(text)

    def paragraph(self, text: str) -> None:
        self.parts.append(f"<p>{escape(text)}</p>")

    def facts(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Names and values."""
        inner = "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs
        )
        self.parts.append(f'<dl class="facts">{inner}</dl>')

    def grid(self) -> None:
        """Charts from here to `end_grid` stand side by side where there is room."""
        self.parts.append('<div class="grid">')

    def end_grid(self) -> None:
        self.parts.append("</div>")

    def chart(self, title: str, spec: dict[str, Any], rows: Rows, said: str) -> None:
        """A chart with its data as a table below.

        Parameters
        ----------
        said : str
            What the chart shows, for those who do not see it.
        """
        number = len(self.charts)
        self.charts.append(spec)
        columns = [name for name in rows[0] if name != "order"]
        table = _table(columns, [[_cell(row[name]) for name in columns] for row in rows], sortable=False)
        self.parts.append(
            f'<figure><figcaption>{escape(title)}</figcaption><div class="chart" id="chart-{number}" '
            f'role="img" aria-label="{escape(said, quote=True)}"></div>'
            f"<details><summary>Data of this chart</summary>{table}</details></figure>"
        )

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> None:
        """A table whose heads sort it."""
        self.parts.append(_table(columns, rows, sortable=True, caption=caption))

    def example(self, title: str, columns: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> None:
        """A user: lists of items, each with a remark."""
        inner = "".join(
            f"<div><h4>{escape(head)}</h4><ol>"
            + "".join(f"<li>{escape(name)}<small>{escape(remark)}</small></li>" for name, remark in entries)
            + "</ol></div>"
            for head, entries in columns
        )
        self.parts.append(
            f'<article class="example"><h3>{escape(title)}</h3><div class="lists">{inner}</div></article>'
        )

    def text(self) -> str:
        """The page as HTML."""
        import vl_convert

        links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title in self.sections)
        specs = json.dumps(self.charts, allow_nan=False).replace("</", "<\\/")
        style, script = (
            files("cfcore.report").joinpath(name).read_text("utf-8") for name in ("page.css", "page.js")
        )
        library = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace(
            "</script", "<\\/script"
        )
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
            f"<title>{escape(self.title)}</title>"
            f'<style>{style}</style></head><body><a class="skip" href="#content">Skip to content</a>'
            f"<header><h1>{escape(self.title)}</h1><p>{escape(self.subtitle)}</p>"
            f'<nav aria-label="Sections">{links}</nav></header><main id="content">'
            f"{''.join(self.parts)}</section></main>"
            f'<script type="application/json" id="charts">{specs}</script>'
            f'<script type="module">{library}\n{script}</script></body></html>\n'
        )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, sortable: bool, caption: str = ""
) -> str:
    def head(name: str) -> str:
        inner = f'<button type="button">{escape(name)}</button>' if sortable else escape(name)
        return f'<th scope="col"{" aria-sort=none" if sortable else ""}>{inner}</th>'

    body = "".join("<tr>" + "".join(_entry(k, cell) for k, cell in enumerate(row)) + "</tr>" for row in rows)
    named = f"<caption>{escape(caption)}</caption>" if caption else ""
    kind = ' class="sortable"' if sortable else ""
    return (
        f'<div class="wide" tabindex="0"><table{kind}>{named}'
        f"<thead><tr>{''.join(map(head, columns))}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _entry(k: int, cell: str) -> str:
    return f'<th scope="row">{escape(cell)}</th>' if k == 0 else f"<td>{escape(cell)}</td>"
