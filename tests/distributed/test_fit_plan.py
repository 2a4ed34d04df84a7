"""How epochs of descent are divided into tasks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfcore.distributed.fit_blocks import Graph, plan, shards, worthwhile
from cfcore.models.factorization.block_grid import rounds


def an_order(n_users: int, n_items: int, seed: int) -> np.ndarray:
    """The order of an epoch, as of `Blocks.visits`."""
    rng = np.random.default_rng(seed)
    made = np.roll(rounds(n_users, n_items), rng.integers(max(n_users, n_items)), axis=0)
    shuffled = rng.permutation(n_items)
    return (made - made % n_items + shuffled[made % n_items]).ravel().astype(np.int32)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_tasks_keep_the_order_of_stripes_and_pass_them_on(
    n_users: int, n_items: int, n_shards: int, n_epochs: int, seed: int
) -> None:
    orders = [an_order(n_users, n_items, seed + at) for at in range(n_epochs)]
    counts = np.random.default_rng(seed).integers(1, 100, n_users)
    shard_of = shards(counts, n_items, n_shards)
    plans = [plan(order, max(n_users, n_items), n_items, shard_of) for order in orders]
    graph = Graph(plans, [order % n_items for order in orders])

    held = [set(own) for own in graph.first]
    assert sorted(stripe for own in held for stripe in own) == list(range(n_items))
    results: dict[tuple[int, int, int], set[int]] = {}
    visited: dict[tuple[int, str, int], list[int]] = {}
    for task in graph.tasks:
        epoch, stage, shard = task
        held[shard] -= set(graph.leaving[task])
        for source, stripes in graph.arriving[task].items():
            assert source[2] != shard
            assert source[:2] < task[:2]  # of a stage before
            assert set(stripes) <= results[source]
            assert not set(stripes) & held[shard]
            held[shard] |= set(stripes)
        results[task] = set(held[shard])
        where = plans[epoch][stage, shard]
        assert (np.diff(where) > 0).all()
        for position in where.tolist():
            user, item = divmod(int(orders[epoch][position]), n_items)
            assert shard_of[user] == shard
            assert item in held[shard]
            visited.setdefault((epoch, "user", user), []).append(position)
            visited.setdefault((epoch, "item", item), []).append(position)
    assert sum(map(len, visited.values())) == 2 * sum(map(len, orders))
    assert all(positions == sorted(positions) for positions in visited.values())
    assert all(stripe in held[owner] for stripe, owner in graph.owners.items())


@pytest.mark.parametrize("n_shards", [2, 4, 8])
def test_as_many_stages_as_shards_and_one_more(n_shards: int) -> None:
    order, shard_of = an_order(16, 16, 3), shards(np.full(16, 10), 16, n_shards)
    made = plan(order, 16, 16, shard_of)
    sizes = np.zeros((n_shards + 1, n_shards))
    for (stage, shard), where in made.items():
        sizes[stage, shard] = len(where)
    assert np.ptp(sizes, axis=1).max() == 0  # shards have equal work in each stage


def test_work_is_divided_where_that_is_faster() -> None:
    assert worthwhile(8, 16, 16, seconds=0.01) == 1
    assert worthwhile(8, 16, 16, seconds=60.0) == 8
    assert worthwhile(2, 500, 500, seconds=1.0) == 2
    assert worthwhile(64, 16, 32, seconds=1e6) == 16  # no more shards than stripes


def test_rounds_of_many_user_stripes_have_blocks_of_all_shards() -> None:
    shard_of = shards(np.full(70, 10), 16, 2)
    for begin in range(54):
        assert np.bincount(shard_of[begin : begin + 16]).tolist() == [8, 8]
