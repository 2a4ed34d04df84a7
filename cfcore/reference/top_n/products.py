"""Twin of `cfcore.kernels.top_n.products`: every score of a list, and a stable sort. No bounds are needed."""

from __future__ import annotations

import math

import numpy as np

from cfcore.kernels.records import (
    BiasedRows,
    Factors,
    ListQueries,
    ListScratch,
    PanelOrder,
    Panels,
    TopLists,
    check_sizes,
    check_written,
    panel_checks,
)
from cfcore.reference.common.threads import team_size
from cfcore.reference.top_n.scores import best, check_excluded

GROUP, SPARE = 24, 64


def pack(rows: BiasedRows, panels: Panels) -> None:
    """Lay rows out in panels of 32; see the kernel."""
    check_written((panels,), (rows,))
    m, head = rows.m, panels.head
    if panels.m != m:
        raise ValueError("pack: panels and rows must be of the same number")
    if head > rows.width or panels.n_tail != -(-(rows.width - head) // 16) * 16:
        raise ValueError("pack: panels.tails must hold the factors after the head in whole groups of 16")
    lines = np.zeros((panels.n_panels * 32, panels.n_lines))
    lines[:m, :head] = rows.factors[:, :head]
    lines[:m, head] = rows.biases
    for line, check in enumerate(panel_checks(head)):
        rest = np.sqrt(np.sum(np.square(rows.factors[:, check:], dtype=np.float64), axis=1))
        lines[:m, head + 1 + line] = np.nextafter(rest.astype(np.float32), np.float32(np.inf))
    panels.panels[:] = lines.reshape(-1, 32, panels.n_lines).transpose(0, 2, 1)
    panels.tails[:] = 0
    panels.tails[:, : rows.width - head] = rows.factors[:, head:]
    panels.bounds[:] = lines[:, head + 1].max(initial=0), np.abs(lines[:, head]).max(initial=0)


def scratch_sizes(m: int, width: int, head: int, n_tail: int, n: int) -> tuple[int, int, int]:
    """Entries of a row of bitmaps, floats and columns in the `ListScratch`; see the kernel."""
    m, width, head, n_tail, n = check_sizes("scratch_sizes", m=m, width=width, head=head, n_tail=n_tail, n=n)
    n_floats = width + head + n_tail + len(panel_checks(head)) + math.ceil(n / 16) * 16 + 16 + n + SPARE
    return GROUP * -(-m // 64), GROUP * n_floats, GROUP * (n + SPARE)


def best_products(
    queries: ListQueries,
    factors: Factors,
    order: PanelOrder,
    panels: Panels,
    rotation: Panels,
    lists: TopLists,
    scratch: ListScratch,
    n_threads: int,
) -> None:
    """For each list the n items of highest mean + b_u + b_i + p_u . q_i, best first; see the kernel."""
    check_written((lists, scratch), (queries, factors, order, panels, rotation))
    team_size(n_threads)
    m, width, head = order.m, factors.width, panels.head
    if order.n_items != factors.n_items or panels.m != m:
        raise ValueError("best_products: order must be of the items of factors and of the rows of panels")
    n_tail = -(-(rotation.m - head) // 16) * 16
    if rotation.head != width or not head <= rotation.m <= width or panels.n_tail != n_tail:
        raise ValueError("best_products: rotation must be of the factors and of the panels")
    if lists.n_lists != queries.n_lists:
        raise ValueError("best_products: lists and queries must be of the same number")
    n_words, n_floats, n_columns = scratch_sizes(m, width, head, n_tail, lists.n)
    enough = scratch.n_words >= n_words and scratch.n_floats >= n_floats and scratch.n_columns >= n_columns
    if not enough or scratch.n_threads < n_threads:
        raise ValueError("best_products: scratch is too small")
    if queries.n_lists and queries.rows.max() >= factors.n_users:
        raise ValueError(f"best_products: user {queries.rows.max()} is out of range")
    check_excluded("best_products", queries, order.n_items)
    items = np.empty_like(order.items)
    items[order.tie_positions] = order.items
    positions = np.append(order.tie_positions, np.int32(-1))[order.positions]
    for k, user in enumerate(queries.rows):
        base = factors.mean + np.float64(factors.user_bias[user])
        products = np.einsum("nf,f->n", factors.item_factors[items], factors.user_factors[user])
        excluded = positions[queries.excluded[queries.starts[k] : queries.stops[k]]]
        best(base + factors.item_bias[items] + products, excluded, lists, k)
