"""Names beside points: none over another name or point, none nearer to a foreign point than to its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cfcore.plots.common import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["write_names"]

#: Half the side of the box around a mark, and the space between it and a name beside it (points).
MARK, BESIDE = 4.5, 2.5
#: Spaces of names that are joined to their points by a line (points).
FAR = (12, 18, 26, 36, 48, 62, 80, 100, 125)
#: Directions beside a point, the best first, and directions of names with a line.
NEAR = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
#: How far a name without a line must be from foreign points, beyond the distance to its own (points).
CLEARANCE = 5.0
#: Costs of an overlap, of a line over a name, of one over a point or a line, of being near a foreign point.
OVERLAP, CROSSED, TOUCHED, DOUBTFUL = 1000.0, 300.0, 150.0, 200.0
#: Rounds in which each name moves to its best place, given those of the others.
ROUNDS = 8


def write_names(
    ax: Axes, points: Sequence[tuple[float, float]], names: Sequence[str], size: float = 9
) -> None:
    """Write a name for each point, beside it where that is clear, and else at the end of a line to it.

    The limits of the axes must be final.

    Parameters
    ----------
    ax : matplotlib Axes
    points : sequence of (x, y)
        In the units of the axes.
    names : sequence of str
    size : float
        Of the letters, in points.
    """
    figure = ax.figure
    while hasattr(figure, "figure") and figure.figure is not figure:  # from a subfigure to its figure
        figure = figure.figure
    texts = [ax.text(0, 0, name, fontsize=size, transform=ax.transAxes) for name in names]
    for text in texts:
        text.set_in_layout(False)
    figure.draw_without_rendering()  # type: ignore[union-attr]
    unit = figure.dpi / 72
    extents = [text.get_window_extent() for text in texts]
    for text in texts:
        text.remove()
    frame = np.asarray(ax.get_window_extent().extents) / unit
    taken = (
        [] if (legend := ax.get_legend()) is None else [np.asarray(legend.get_window_extent().extents) / unit]
    )
    marks = np.asarray(ax.transData.transform(np.asarray(points, dtype=float)), dtype=float) / unit
    sizes = np.array([(extent.width, extent.height) for extent in extents]).reshape(-1, 2) / unit
    for place, name, mark, point in zip(
        _places(marks, sizes, frame, taken), names, marks, points, strict=True
    ):
        offset = place.centre - mark
        line = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.7, "shrinkA": 0, "shrinkB": MARK - 0.5}
        text = ax.annotate(
            name, point, xytext=tuple(offset), textcoords="offset points", fontsize=size, ha="center",
            va="center", arrowprops=line | {"relpos": place.anchor} if place.joined else None,
            annotation_clip=False,
        )  # fmt: skip
        text.set_in_layout(False)


class _Places:
    """Places that a name may have: boxes (left, bottom, right, top), with a line or without, and its end."""

    def __init__(self, mark: Array, size: Array) -> None:
        near = np.array(NEAR, dtype=float)
        far = np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])
        parts = [near * (size / 2 + MARK + BESIDE - 2 * (np.abs(near).sum(axis=1) == 2)[:, None])]
        parts += [far * (size / 2 + MARK + space) for space in FAR]
        offsets = np.concatenate(parts)
        self.mark = mark
        self.centres = mark + offsets
        self.boxes = np.column_stack([self.centres - size / 2, self.centres + size / 2])
        self.joined = np.arange(len(offsets)) >= len(near)
        self.ends = np.clip(mark, self.boxes[:, :2], self.boxes[:, 2:])
        rank = np.where(self.joined, 0, np.arange(len(offsets)))
        spaces = np.repeat(FAR, len(far))
        self.costs = rank + np.where(self.joined, 12 + np.append(np.zeros(len(near)), spaces) / 3, 0)


class _Place:
    """The place of a name: centre, whether a line joins it, and where that ends (shares of the box)."""

    def __init__(self, places: _Places, at: int) -> None:
        self.centre, self.joined = places.centres[at], bool(places.joined[at])
        box, end = places.boxes[at], places.ends[at]
        self.anchor = tuple((end - box[:2]) / np.maximum(box[2:] - box[:2], 1e-9))


def _places(marks: Array, sizes: Array, frame: Array, taken: list[Array]) -> list[_Place]:
    """A place for each name: each in turn moves to its best one, given those of the others."""
    offered = [_Places(mark, size) for mark, size in zip(marks, sizes, strict=True)]
    boxes_of_marks = np.column_stack([marks - MARK, marks + MARK])
    own = []
    for number, places in enumerate(offered):
        cost = places.costs.copy()
        for other, box in enumerate(boxes_of_marks):
            same = bool(np.abs(marks[other] - marks[number]).max() < 1)
            if not same:
                cost += OVERLAP * _overlaps(places.boxes, box)
                cost += TOUCHED * (places.joined & _near_segments(places, marks[other], MARK + 1))
                away = _distances(places.boxes, marks[other])
                clear = away > _distances(places.boxes, marks[number]) + CLEARANCE
                cost += DOUBTFUL * ~clear * np.where(places.joined, 0.15, 1)
            elif other != number:
                cost += OVERLAP * _overlaps(places.boxes, box)
        for box in taken:
            cost += OVERLAP * _overlaps(places.boxes, box)
        areas = np.prod(places.boxes[:, 2:] - places.boxes[:, :2], axis=1)
        cost += OVERLAP * (1 - _shared(places.boxes, frame) / areas)
        own.append(cost)
    chosen = [int(cost.argmin()) for cost in own]
    # Crowded names first: those with the fewest good places.
    order = np.argsort([-np.partition(cost, 8)[:8].mean() for cost in own], kind="stable").tolist()
    for _ in range(ROUNDS):
        before = list(chosen)
        for number in order:
            places, cost = offered[number], own[number].copy()
            for other in order:
                if other == number:
                    continue
                theirs, at = offered[other], chosen[other]
                box = theirs.boxes[at]
                cost += OVERLAP * _overlaps(places.boxes, box + np.array([-2, -1, 2, 1]))
                cost += CROSSED * (places.joined & _crossing(places, box))
                if theirs.joined[at]:
                    line = theirs.mark, theirs.ends[at]
                    cost += CROSSED * _crossed_by(places.boxes, *line)
                    cost += TOUCHED * (places.joined & _meet(places.mark, places.ends, *line))
            chosen[number] = int(cost.argmin())
        if chosen == before:
            break
    return [_Place(places, at) for places, at in zip(offered, chosen, strict=True)]


def _shared(boxes: Array, box: Array) -> Array:
    """Areas of the intersections of boxes with one."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    return np.asarray(np.prod(np.maximum(sides, 0), axis=1))


def _overlaps(boxes: Array, box: Array) -> Array:
    """How much boxes overlap with one: 0, or from 1 to 2."""
    shared = _shared(boxes, box)
    return np.where(shared > 0, 1 + shared / np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 0)


def _distances(boxes: Array, point: Array) -> Array:
    """Distance of a point to each box."""
    return np.asarray(np.linalg.norm(np.clip(point, boxes[:, :2], boxes[:, 2:]) - point, axis=1))


def _near_segments(places: _Places, point: Array, least: float) -> Array:
    """Whether the line to each place passes nearer than `least` to a point."""
    along = places.ends - places.mark
    length = np.maximum((along**2).sum(axis=1), 1e-9)
    share = np.clip(((point - places.mark) * along).sum(axis=1) / length, 0, 1)
    nearest = places.mark + share[:, None] * along
    return np.asarray(np.linalg.norm(nearest - point, axis=1) < least)


def _crossing(places: _Places, box: Array) -> Array:
    """Whether the line to each place crosses a box, from several points along it."""
    shares = np.linspace(0, 1, 12)[:, None, None]
    along = places.mark + shares * (places.ends - places.mark)
    inside = (along > box[:2] - 1).all(axis=2) & (along < box[2:] + 1).all(axis=2)
    return np.asarray(inside.any(axis=0))


def _crossed_by(boxes: Array, begin: Array, end: Array) -> Array:
    """Whether a line crosses each box."""
    along = (begin + np.linspace(0, 1, 12)[:, None] * (end - begin))[:, None]
    inside = (along > boxes[:, :2] - 1).all(axis=2) & (along < boxes[:, 2:] + 1).all(axis=2)
    return np.asarray(inside.any(axis=0))


def _meet(begin: Array, ends: Array, other_begin: Array, other_end: Array) -> Array:
    """Whether lines from one point cross another line."""

    def side(a: Array, b: Array, c: Array) -> Array:
        return np.asarray(
            (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1])
            - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
        )

    apart = side(begin, ends, other_begin) * side(begin, ends, other_end) < 0
    return apart & (side(other_begin, other_end, begin) * side(other_begin, other_end, ends) < 0)
