"""Charts of a report, as Vega-Lite specifications made by Altair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cfcore.plots.common import COLORS
from cfcore.report.measures import Rows

try:
    import altair as alt
except ImportError as error:
    raise ImportError("reports need Altair: pip install 'cfcore[report]'") from error

__all__ = ["bars", "lines", "points"]

HEIGHT = 260
#: Lines up to which intervals are drawn; those of more would hide each other. Tables have them all.
MOST_WITH_INTERVALS = 3


def _chart(rows: Rows) -> Any:
    return alt.Chart(alt.Data(values=rows)).properties(width="container", height=HEIGHT)


def _model_color(rows: Rows) -> Any:
    """A colour for each model; with several, a legend in which a click shows one model alone."""
    names = list(dict.fromkeys(row["model"] for row in rows))
    scale = alt.Scale(domain=names, range=[COLORS[k % len(COLORS)] for k in range(len(names))])
    legend = alt.Legend(title=None, orient="bottom", columns=4) if len(names) > 1 else None
    return alt.Color("model:N", scale=scale, legend=legend, sort=None)


def _tooltip(rows: Rows, formats: dict[str, str]) -> list[Any]:
    columns = [name for name in rows[0] if name not in {"low", "high", "order"}]
    return [
        alt.Tooltip(f"{name}:{_kind(rows, name)}", format=formats.get(name, ""))
        if name in formats
        else alt.Tooltip(f"{name}:{_kind(rows, name)}")
        for name in columns
    ]


def _kind(rows: Rows, name: str) -> str:
    """Vega-Lite's type of a column."""
    if name in {"date", "time"}:
        return "T"
    return "N" if any(isinstance(row[name], str) for row in rows) else "Q"


def bars(rows: Rows, x: str, y: str, sort: Sequence[str] | None = None) -> dict[str, Any]:
    """Bars of numbers, such as of ratings by level."""
    kind = "T" if x == "date" else "O"
    axis = alt.Axis(labelAngle=0, labelOverlap=True)
    chart = (
        _chart(rows)
        .mark_bar(color=COLORS[0])
        .encode(
            x=alt.X(f"{x}:{kind}", sort=list(sort) if sort else None, axis=axis),
            y=alt.Y(f"{y}:Q", axis=alt.Axis(format="~s")),
            tooltip=_tooltip(rows, {y: ","}),
        )
    )
    return _spec(chart)


def lines(
    rows: Rows,
    x: str,
    y: str,
    *,
    log: bool = False,
    zero: bool = False,
    intervals: bool = False,
    dashed: str = "",
    title: str = "",
) -> dict[str, Any]:
    """A line for each model, with marks, and bars for intervals.

    Parameters
    ----------
    rows : Rows
        With `x`, `y` and "model"; with `intervals` also "low" and "high".
    log, zero : bool
        A logarithmic x axis, which takes 0 as well; a y axis from 0.
    intervals : bool
    dashed : str, optional
        A column: a line for each model and value, dashed for values after the first.
    title : str, optional
        Of the x axis; by default `x`.
    """
    kind = _kind(rows, x)
    scale = alt.Scale(zero=False, nice=False, padding=12)
    if log:
        least = min(row[x] for row in rows)
        scale = alt.Scale(type="log" if least >= 1 else "symlog", nice=False, padding=12)
    picked = alt.selection_point(fields=["model"], bind="legend")
    encoding: dict[str, Any] = {
        "x": alt.X(
            f"{x}:{kind}",
            scale=alt.Undefined if kind == "T" else scale,
            title=title or x,
            axis=alt.Axis(labelOverlap="greedy", tickCount=6),
        ),
        "color": _model_color(rows) if "model" in rows[0] else alt.value(COLORS[0]),
    }
    if "model" in rows[0]:
        encoding["opacity"] = alt.condition(picked, alt.value(1.0), alt.value(0.12))
    if dashed and len({row[dashed] for row in rows}) > 1:
        encoding["strokeDash"] = alt.StrokeDash(f"{dashed}:N", legend=alt.Legend(title=None, orient="bottom"))
    base = _chart(rows).encode(**encoding)
    vertical = alt.Y(f"{y}:Q", scale=alt.Scale(zero=zero))
    many = max(map([row.get("model") for row in rows].count, {row.get("model") for row in rows})) > 16
    mark = base.mark_line(point=False if many else {"size": 36, "filled": True}, strokeWidth=1.8)
    chart: Any = mark.encode(y=vertical, tooltip=_tooltip(rows, {y: ".4f"}))
    few = len({row.get("model") for row in rows}) <= MOST_WITH_INTERVALS
    if intervals and few and any(row["low"] is not None for row in rows):
        chart = base.mark_rule(opacity=0.5).encode(y=alt.Y("low:Q", title=y), y2="high:Q") + chart
        chart = chart.properties(width="container", height=HEIGHT)
    return _spec(chart.add_params(picked) if "model" in rows[0] else chart)


def points(rows: Rows) -> dict[str, Any]:
    """Seconds to fit against RMSE, a named mark for each model."""
    base = _chart(rows).encode(
        x=alt.X("fit s:Q", scale=alt.Scale(type="log", padding=24), title="seconds to fit"),
        y=alt.Y("RMSE:Q", scale=alt.Scale(zero=False, padding=12)),
        tooltip=_tooltip(rows, {"RMSE": ".4f", "MAE": ".4f", "fit s": ".3f", "predictions/s": ",.0f"}),
    )
    marks = base.mark_point(filled=True, size=80, color=COLORS[0])
    texts = base.mark_text(align="left", dx=7, dy=-5, fontSize=11).encode(text="model:N")
    return _spec((marks + texts).properties(width="container", height=HEIGHT))


def _spec(chart: Any) -> dict[str, Any]:
    made: dict[str, Any] = chart.to_dict()
    return made
