"""Twin of `cfcore.kernels.top_n.products`: every score of a list, and a stable sort. No bounds are needed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cfcore.reference.top_n.scores import Float64, Floating, Int32, Int64, best, check_lists

Float32 = NDArray[np.float32]

GROUP, SPARE = 24, 64


def checks(head: int) -> list[int]:
    """Factors before which it is asked what is left: 0, 16, 32, 64 ... and the end of the head."""
    found = [0] if head > 0 else []
    while found and (after := 2 * found[-1] or 16) < head:
        found.append(after)
    return [*found, head]


def n_lines(head: int) -> int:
    """Lines of a panel: factors, biases, and the length of what is left at each check."""
    return head + 1 + len(checks(head))


def pack(rows: Floating, biases: Floating, panels: Float32, tails: Float32, bounds: Float64) -> None:
    """Lay rows out in panels of 32; see the kernel."""
    m, width = rows.shape
    head = _head(panels, width)
    if head is None or len(panels) != -(-m // 32):
        raise ValueError("pack: panels must have shape (ceil(m / 32), n_lines(head), 32)")
    if tails.shape != (m, -(-(width - head) // 16) * 16):
        raise ValueError("pack: tails must have shape (m, the factors after the head in whole groups of 16)")
    if bounds.shape != (2,):
        raise ValueError("pack: bounds must have two entries")
    if len(biases) != m:
        raise ValueError("pack: biases and factors must have the same number of rows")
    lines = np.zeros((len(panels) * 32, n_lines(head)))
    lines[:m, :head] = rows[:, :head]
    lines[:m, head] = biases
    for line, check in enumerate(checks(head)):
        left = np.sqrt(np.sum(np.square(rows[:, check:], dtype=np.float64), axis=1))
        lines[:m, head + 1 + line] = np.nextafter(left.astype(np.float32), np.float32(np.inf))
    panels[:] = lines.reshape(len(panels), 32, n_lines(head)).transpose(0, 2, 1)
    tails[:] = 0
    tails[:, : width - head] = rows[:, head:]
    bounds[:] = lines[:, head + 1].max(initial=0), np.abs(lines[:, head]).max(initial=0)


def scratch_sizes(m: int, width: int, head: int, n_tail: int, n: int) -> tuple[int, int, int]:
    """Entries of a row of `marks`, `rows` and `found` that lists of n of m items need."""
    floats = width + head + n_tail + len(checks(head)) + math.ceil(n / 16) * 16 + 16 + n + SPARE
    return GROUP * -(-m // 64), GROUP * floats, GROUP * (n + SPARE)


def best_products(
    users: Int32,
    user_factors: Floating,
    item_factors: Floating,
    user_bias: Floating,
    item_bias: Floating,
    columns: Int32,
    column_of: Int32,
    standing: Int32,
    starts: Int64,
    stops: Int64,
    excluded: Int32,
    turn: Float32,
    panels: Float32,
    tails: Float32,
    bounds: Float64,
    places: Int32,
    scores: Float64,
    marks: NDArray[np.uint64],
    rows: Float32,
    found: Int32,
    mean: float,
    n_threads: int,
) -> None:
    """For each user the n places of highest mean + b_u + b_i + p_u . q_i, best first; see the kernel."""
    what = "best_products"
    m, width, n_tail = len(columns), user_factors.shape[1], tails.shape[1]
    if item_factors.shape[1] != width or width * user_factors.itemsize % 64:
        raise ValueError(f"{what}: factor rows must be of one length, a multiple of 64 bytes")
    if len(user_bias) != len(user_factors) or len(item_bias) != len(item_factors):
        raise ValueError(f"{what}: biases and factors must have the same number of rows")
    head = _head(panels, width)
    if head is None or len(panels) != -(-m // 32) or len(tails) != m or n_tail % 16:
        raise ValueError(f"{what}: panels and tails must come from pack with the rows of all columns")
    if (
        turn.shape[1:] != (n_lines(width), 32)
        or not head <= len(turn) * 32 < width + 32
        or bounds.shape != (2,)
    ):
        raise ValueError(f"{what}: turn and bounds must be those of the panels")
    n_marks, n_floats, n_codes = scratch_sizes(m, width, head, n_tail, places.shape[1])
    if (
        min(len(marks), len(rows), len(found)) < n_threads
        or marks.shape[1] < n_marks
        or rows.shape[1] < n_floats
        or found.shape[1] < n_codes
    ):
        raise ValueError(f"{what}: marks, rows or found are too small")
    check_lists(what, columns, column_of, starts, stops, excluded, places, scores, len(users))
    if len(column_of) != len(item_factors):
        raise ValueError(f"{what}: column_of must be as long as item_factors")
    _check_standing(standing, m)
    bad = (users < 0) | (users >= len(user_factors))
    if bad.any():
        raise ValueError(f"{what}: user {users[bad.argmax()]} is out of range")
    order = np.empty_like(columns)
    order[standing] = columns
    place_of = np.append(standing, -1)
    for k, user in enumerate(users):
        base = mean + np.float64(user_bias[user])
        given = base + item_bias[order] + np.einsum("nf,f->n", item_factors[order], user_factors[user])
        best(given, place_of[column_of[excluded[starts[k] : stops[k]]]], places[k], scores[k])


def _head(panels: Float32, width: int) -> int | None:
    """Factors in panels, if they have a number of lines that `n_lines` gives."""
    heads = [head for head in range(width + 1) if n_lines(head) == panels.shape[1]]
    return heads[0] if heads and panels.shape[2] == 32 else None


def _check_standing(standing: Int32, m: int) -> None:
    if len(standing) != m:
        raise ValueError("best_products: standing must have an entry for each column")
    seen = np.zeros(m, dtype=bool)
    for place in standing:
        if not 0 <= place < m or seen[place]:
            raise ValueError(f"best_products: standing is no permutation: place {place}")
        seen[place] = True
