"""How epochs of descent are divided into tasks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfcore.distributed.fit_blocks import plan, shards, worthwhile
from cfcore.models.factorization.block_grid import rounds


def an_order(n_users: int, n_items: int, seed: int) -> np.ndarray:
    """The order of an epoch, as of `Blocks.visits`."""
    rng = np.random.default_rng(seed)
    made = np.roll(rounds(n_users, n_items), rng.integers(max(n_users, n_items)), axis=0)
    shuffled = rng.permutation(n_items)
    return (made - made % n_items + shuffled[made % n_items]).ravel().astype(np.int32)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_shards_keep_the_order_of_stripes_and_pass_them_on(
    n_users: int, n_items: int, n_shards: int, n_epochs: int, seed: int
) -> None:
    orders = [an_order(n_users, n_items, seed + at) for at in range(n_epochs)]
    counts = np.random.default_rng(seed).integers(1, 100, n_users)
    shard_of = shards(counts, n_shards)
    planned = plan(orders, max(n_users, n_items), n_items, shard_of)

    left = [
        [(epoch, order, positions, visit) for (positions, visits), epoch, order in work for visit in visits]
        for work in (
            [(epoch[shard], at, orders[at]) for at, epoch in enumerate(planned)]
            for shard in range(int(shard_of.max()) + 1)
        )
    ]
    sent: dict[tuple[int, int], int] = {}  # item stripes on their way, by shard and number
    held: list[set[int]] = [set() for _ in left]
    first = [{visit.stripe for *_, visit in own if visit.number is None} for own in left]
    visited: dict[tuple[int, str, int], list[int]] = {}
    moving = True
    while moving:  # each shard does what it can, in its order
        moving = False
        for shard, work in enumerate(left):
            while work and (work[0][3].number is None or (shard, work[0][3].number) in sent):
                epoch, order, positions, visit = work.pop(0)
                moving = True
                if visit.number is not None:
                    assert sent.pop((shard, visit.number)) == visit.stripe
                    held[shard].add(visit.stripe)
                for position in positions[visit.begin : visit.end].tolist():
                    user, item = divmod(int(order[position]), n_items)
                    assert shard_of[user] == shard
                    if len(left) > 1:
                        assert item == visit.stripe
                        assert item in held[shard] | first[shard]
                    visited.setdefault((epoch, "user", user), []).append(position)
                    visited.setdefault((epoch, "item", item), []).append(position)
                if visit.leaves is not None:
                    to, number = visit.leaves
                    assert to != shard
                    sent[to, number] = visit.stripe
                    first[shard].discard(visit.stripe)
                    held[shard].discard(visit.stripe)
    assert not any(left)  # no shard waits for ever
    assert not sent
    assert sum(map(len, visited.values())) == 2 * sum(map(len, orders))
    assert all(positions == sorted(positions) for positions in visited.values())


@pytest.mark.parametrize("n_users", [16, 34])
def test_an_item_stripe_visits_each_shard_once_or_twice(n_users: int) -> None:
    order, shard_of = an_order(n_users, 16, 3), shards(np.full(n_users, 10), 2)
    [made] = plan([order], n_users, 16, shard_of)
    assert sum(visit.number is not None for _, visits in made for visit in visits) <= 2 * 16
    assert [len(positions) for positions, _ in made] == [n_users * 8, n_users * 8]


def test_work_is_divided_where_that_is_faster() -> None:
    assert worthwhile(8, 16, 16, seconds=0.01) == 1
    assert worthwhile(8, 16, 16, seconds=60.0) == 8
    assert worthwhile(2, 500, 500, seconds=1.0) == 2
    assert worthwhile(64, 16, 32, seconds=1e6) == 16  # no more shards than stripes
